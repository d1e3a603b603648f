"""Text and markup kept apart, one function for each place where text is shown: Markdown, HTML, figures, CSV.

What comes from a file, a name or an address is text wherever it appears, whatever it contains. Knows no page, no figure and no file.
"""

from __future__ import annotations

import json
import re
import secrets
from html import escape
from typing import Any

# Streamlit looks for these in finished text too, where a backslash no longer helps: web and mail addresses become links, words between
# colons icons, arrows one character. A joiner, which has no width, keeps them apart.
JOINER = "\u2060"
_FOUND_LATER = re.compile(
    r"(?P<word>https?:(?=//)|^\d{1,9}(?=[.)])|www(?=\.)|[-.\w+](?=@[-\w])|:(?=[\w+-]+:)|:(?=material/))"
    r"|(?P<arrow>(?<!\S)(?:<->|->|<-|--|>=|<=|~=)(?!\S))",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"[\\`*\[\]<$~|]|(?<![^\W_])_|_(?![^\W_])|:(?=[^\W\d_])|&(?=#?\w+;)|^[-+#>]")


def markdown(text: Any) -> str:
    """`text` on one line, as Markdown that shows it as it is: no emphasis, link, image, formula, icon, list, heading or HTML."""
    line = _FOUND_LATER.sub(_joined, " ".join(str(text).split()))
    return _SPECIAL.sub(r"\\\g<0>", line)


def _joined(found: re.Match[str]) -> str:
    return found["word"] + JOINER if found["word"] else found["arrow"][0] + JOINER + found["arrow"][1:]


def code(text: Any) -> str:
    """`text` on one line as code in Markdown."""
    line = " ".join(str(text).split()).replace(":material/", f":{JOINER}material/") or "–"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def html(text: Any) -> str:
    """`text` as HTML, in an element or an attribute."""
    return escape(str(text))


def cell(value: Any, mark: str = "'") -> Any:
    """A value for CSV: `mark` stands before text that a spreadsheet would take for a formula, also where it divides lines elsewhere."""
    return _FORMULA.sub(mark, value) if isinstance(value, str) else value


_FORMULA = re.compile("(?:^|(?<=[;\t\r\n]))(?=[=+\\-@\t\r\n＝＋－＠])")

# ---- figures. plotly reads tags, links included, in every title, label and hover. So figures hold private characters where this program
# wants markup, and `figure`, by which each of them leaves for a browser, makes tags of those alone. Which ones is drawn anew in each
# process, so that no name in a file can hold them.

BREAK, _BOLD, _END_BOLD, _NO_BOX = map(chr, secrets.SystemRandom().sample(range(0xF0000, 0xFFFFE), 4))
_TAGS = {BREAK: "<br>", _BOLD: "<b>", _END_BOLD: "</b>", _NO_BOX: "<extra></extra>", "<": "&lt;", "&": "&amp;"}
_RAW = re.compile(f"[{''.join(_TAGS)}]")
_BY_SPELLING = {f"\\u{ord(one):04x}" if one in "<&" else json.dumps(one)[1:-1]: tag for one, tag in _TAGS.items()}  # as JSON may have them
_SPELLED = re.compile(rf"(?<!\\)((?:\\\\)*)({'|'.join(map(re.escape, _BY_SPELLING))})", re.IGNORECASE)


def bold(text: str) -> str:
    """`text` in bold, in a figure."""
    return f"{_BOLD}{text}{_END_BOLD}"


def hover(*lines: str) -> str:
    """A hover template of these lines, without the box that names the trace. Names in it go through `literal`."""
    return BREAK.join(lines) + _NO_BOX


def literal(text: Any) -> str:
    """A name in a hover template, where `%{...}` would be replaced by a number."""
    return str(text).replace("%{", f"%{JOINER}{{")


def figure(text: str) -> str:
    """The JSON of a figure, in which all is text but what `bold`, `BREAK` and `hover` made."""
    text = _RAW.sub(lambda found: _TAGS[found[0]], text)
    return _SPELLED.sub(lambda found: found[1] + _BY_SPELLING[found[2].lower()], text)
