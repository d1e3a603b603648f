"""Messages about a file or name that cannot be used: on one line, printable, with the remedy."""

from __future__ import annotations

import re

from ..errors import InputError

# Control characters, line separators, half characters and marks that turn the reading direction: none belongs in a message or a class name.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: object, limit: int = 120) -> str:
    """A name for use in a message: printable, on one line, shortened in the middle when it is long."""
    clean = UNPRINTABLE.sub("?", str(text))
    return clean if len(clean) <= limit else f"{clean[: limit // 2]}…{clean[-limit // 2 :]}"


def refuse(dataset: str, problem: str) -> InputError:
    """The error to raise when a data set cannot be used; `problem` says what is wrong and what to do about it."""
    return InputError(f"dataset: {shown(dataset)}: {problem}", "dataset")
