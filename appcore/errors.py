"""Errors that people can mend."""

from __future__ import annotations


class InputError(ValueError):
    """Something a user can mend: one line that names the value and the remedy, and the field that it belongs to."""

    def __init__(self, message: str, field: str = ""):
        super().__init__(message)
        self.message = message
        self.field = field


class BusyError(Exception):
    """The thread that trains has something else to do."""
