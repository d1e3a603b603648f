"""Texts of users in the elements of a page, shown as they were typed, whatever they contain (markup.py)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from appcore import markup


def plain(text: Any, most: int = 120) -> str:
    """`text` as Markdown on one line; a long one is cut."""
    line = " ".join(str(text).split())
    return markup.markdown(line if len(line) <= most else f"{line[: most - 1]}…")


def harmless(message: Any) -> str:
    """A whole message as Markdown on one line."""
    return markup.markdown(message)


def sentence(message: Any) -> str:
    """A message of the program as a sentence of a page: with a capital, and one full stop at its end."""
    said = str(message).strip().rstrip(".")
    return harmless(f"{said[:1].upper()}{said[1:]}.")


def code(text: Any) -> str:
    """`text` as code in Markdown."""
    return markup.code(text)


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame for `st.table`, which reads cells and headings as Markdown."""
    return frame.map(harmless).rename(index=harmless, columns=harmless)


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame for `st.dataframe`, whose button saves it as CSV: no cell that a spreadsheet would take for a formula."""
    texts = [name for name in frame if pd.api.types.is_object_dtype(frame[name]) or pd.api.types.is_string_dtype(frame[name])]
    return frame.assign(**{name: frame[name].map(_cell) for name in texts})


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return [_cell(part) for part in value]
    return markup.cell(value, markup.JOINER)
