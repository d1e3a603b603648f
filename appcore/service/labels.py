"""Labels that users give a run: title, tags, note, archived. Checks and tidies them; knows no store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError
from ..names import MOST_TITLE

MOST_NOTE, MOST_TAG, MOST_TAGS = 20_000, 40, 20
NAMES = ("title", "tags", "note", "archived")


def checked_labels(labels: dict[str, Any]) -> dict[str, Any]:
    """Labels as the store keeps them; InputError for one that is too long or of the wrong type."""
    unknown = [name for name in labels if name not in NAMES]
    if unknown:
        raise InputError(f"{unknown[0]}: unknown label; known: {', '.join(NAMES)}", unknown[0])
    return {name: _CHECKS[name](value) for name, value in labels.items()}


def tidy_tags(tags: Any) -> list[str]:
    """The tags without empty or repeated ones, in the given order; a text is split at its commas."""
    words = tags.split(",") if isinstance(tags, str) else list(tags)
    found = list(dict.fromkeys(" ".join(str(word).split()) for word in words))
    return [word for word in found if word]


def _tags(value: Any) -> list[str]:
    tags = tidy_tags(value)
    long = [tag for tag in tags if len(tag) > MOST_TAG]
    if long:
        raise InputError(f"tags: {long[0][:20]!r}... is longer than {MOST_TAG} characters; shorten it", "tags")
    if len(tags) > MOST_TAGS:
        raise InputError(f"tags: {len(tags)} are too many; keep at most {MOST_TAGS}", "tags")
    return tags


def checked_title(value: Any) -> str:
    """The title of a run or an ablation on one line; InputError for one that is too long."""
    text = " ".join(str(value).split())
    if len(text) > MOST_TITLE:
        raise InputError(f"title: {len(text):,} characters are too many; keep at most {MOST_TITLE:,}", "title")
    return text


def _note(value: Any) -> str:
    text = str(value).strip()
    if len(text) > MOST_NOTE:
        raise InputError(f"note: {len(text):,} characters are too many; keep at most {MOST_NOTE:,}", "note")
    return text


_CHECKS: dict[str, Callable[[Any], Any]] = {"title": checked_title, "tags": _tags, "note": _note, "archived": bool}
