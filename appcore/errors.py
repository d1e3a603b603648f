"""Errors that users can fix."""

from __future__ import annotations


class InputError(ValueError):
    """An error that a user can fix: one line that names the value and the remedy, and the field that it belongs to."""

    def __init__(self, message: str, field: str = ""):
        super().__init__(message)
        self.message = message
        self.field = field


class OverLimitError(InputError):
    """A limit of this server forbids it (see limits)."""


class NoRoomError(OverLimitError):
    """What is there already leaves no room for more; later it may."""


class BusyError(Exception):
    """The training thread is busy."""
