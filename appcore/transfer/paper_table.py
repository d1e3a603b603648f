"""A table of results for a paper: LaTeX (booktabs) and Markdown, from the text of `charts.summary_table`.

Names that users gave are text in both, whatever they contain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

from .. import markup

TEST = "paired t-test over the seeds, 95 %, ahead of"
_CELL = re.compile(r"(?P<mean>[+\-−]?[\d,]+(?:\.\d+)?)(?: ± (?P<sd>[\d,]+(?:\.\d+)?))?(?P<best> ★)?")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "·": r"\,$\cdot$\,",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "★": r"$\star$",
    "…": r"\ldots{}",
    "\u00a0": "~",
    "τ": r"$\tau$",
    "×": r"$\times$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex(table: pd.DataFrame, caption: str, label: str = "tab:results") -> str:
    """The table with \\toprule, \\midrule and \\bottomrule; needs \\usepackage{booktabs}. Bold: marked as the best."""
    heads = [_tex(head) for head in table]
    rows = [[_tex_cell(value) for value in row] for row in table.astype(str).to_numpy()]
    lines = [
        "% \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_tex(caption)}}}",
        f"\\label{{{re.sub('[^A-Za-z0-9:-]+', '-', label)}}}",
        f"\\begin{{tabular}}{{{_aligned(table)}}}",
        "\\toprule",
        " & ".join(heads) + r" \\",
        "\\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown(table: pd.DataFrame, caption: str) -> str:
    """The same as a Markdown table, the caption below it."""
    rows = [[_markdown_cell(value) for value in row] for row in table.astype(str).to_numpy()]
    heads = [markup.markdown(head) for head in table]
    marks = ["---:" if letter == "r" else "---" for letter in _aligned(table)]
    lines = [heads, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{markup.markdown(caption)}\n"


def caption(seeds: Sequence[int], has_best: bool, others: str = "every other row") -> str:
    """What the numbers are: how many seeds, and by which test the best is marked, ahead of which `others`."""
    least, most = min(seeds, default=0), max(seeds, default=0)
    count = f"{most}" if least == most else f"{least} to {most}"
    if most < 2:
        return "One seed each; differences may be luck, so none is marked."
    best = f" Bold: the best ({TEST} {others})." if has_best else f" None is significantly the best ({TEST} {others})."
    return f"Mean ± standard deviation over {count} seeds.{best}"


def _aligned(table: pd.DataFrame) -> str:
    return "".join("r" if _are_numbers(table[name].astype(str)) else "l" for name in table)


def _are_numbers(column: pd.Series) -> bool:
    cells = [value for value in column if value != "–"]
    return bool(cells) and all(_CELL.fullmatch(value) for value in cells)


def _tex(text: object) -> str:
    """Text as LaTeX that shows it; letters that pdflatex does not know are spelled without their marks, or as "?"."""
    line = " ".join(str(text).split(" ")).replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return "".join(_letter(letter) for letter in line)


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii() and letter.isprintable():
        return letter
    if "\u00c0" <= letter <= "\u017f":  # Latin letters with marks, which inputenc knows
        return letter
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if part.isascii() and part.isalnum())
    return plain or "?"


def _tex_cell(value: str) -> str:
    found = _CELL.fullmatch(value)
    if found is None:
        return _tex(value)
    mean = found["mean"].replace("−", "-").replace(",", "{,}")
    mean = rf"\mathbf{{{mean}}}" if found["best"] else mean
    return f"${mean}$" if found["sd"] is None else rf"${mean} \pm {found['sd'].replace(',', '{,}')}$"


def _markdown_cell(value: str) -> str:
    found = _CELL.fullmatch(value)
    if found is None:
        return markup.markdown(value)
    mean = f"**{found['mean']}**" if found["best"] else found["mean"]
    return mean if found["sd"] is None else f"{mean} ± {found['sd']}"
