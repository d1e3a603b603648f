"""Tables for a paper: booktabs, the best in bold, hostile names as text, and a small document that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from appcore.transfer import figure_files, paper_table

HOSTILE = r"\input{/etc/passwd} & 50% $x^2$ #1 _{a} ~ {} \end{table} <b> | `c` [x](javascript:1) τ 漢 é" + "\nsecond"
TABLE = pd.DataFrame(
    {
        "Experiment": ["SNIP", HOSTILE],
        "Seeds done": ["3 of 3", "3 of 3"],
        "Test accuracy, %": ["97.1 ± 0.3 ★", "95.0 ± 1.2"],
        "CER, errors": ["1,204 ± 20", "–"],
    }
)


def test_booktabs_with_the_best_in_bold_and_numbers_in_math() -> None:
    text = paper_table.latex(TABLE, paper_table.caption([3, 3], True), "tab:a b}c")
    lines = text.splitlines()
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\begin{tabular}{llrr}" in lines and r"\label{tab:a-b-c}" in lines
    assert r"SNIP & 3 of 3 & $\mathbf{97.1} \pm 0.3$ & $1{,}204 \pm 20$ \\" in lines
    assert r"Experiment & Seeds done & Test accuracy, \% & CER, errors \\" in lines
    assert any(line.startswith(r"\caption{Mean $\pm$ standard deviation over 3 seeds. Bold: the best (paired t-test") for line in lines)


def test_hostile_names_are_text() -> None:
    text = paper_table.latex(TABLE, HOSTILE)
    assert r"\textbackslash{}input\{/etc/passwd\} \& 50\% \$x\textasciicircum{}2\$ \#1 \_\{a\}" in text
    commands = set(re.findall(r"\\[a-z]+", text))
    assert "\\input" not in commands and text.count(r"\end{table}") == 1 and len(text.splitlines()) == 14
    table = paper_table.markdown(TABLE, HOSTILE).splitlines()
    assert len(table) == 6 and all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in table[:4])
    assert table[2] == "| SNIP | 3 of 3 | **97.1** ± 0.3 | 1,204 ± 20 |"


@pytest.mark.parametrize(
    ("seeds", "has_best", "words"),
    [
        ([1, 1], False, "One seed"),
        ([3, 5], False, "over 3 to 5 seeds. None is"),
        ([3], True, "over 3 seeds. Bold"),
        ([], False, "One seed"),
    ],
)
def test_the_caption_names_seeds_and_test(seeds: list[int], has_best: bool, words: str) -> None:
    assert words in paper_table.caption(seeds, has_best)


@pytest.mark.skipif(shutil.which("pdflatex") is None or not figure_files.can_make_pdf(), reason="needs pdflatex")
def test_a_document_with_a_figure_and_a_table_compiles(tmp_path: Path) -> None:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="3.3in" height="2in" viewBox="0 0 317 192"><circle cx="99" cy="99" r="9"/></svg>'
    )
    (tmp_path / "figure.pdf").write_bytes(figure_files.pdf(drawing))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        f"\\includegraphics{{figure.pdf}}\n{paper_table.latex(TABLE, HOSTILE)}\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "paper.pdf").stat().st_size > 5000
