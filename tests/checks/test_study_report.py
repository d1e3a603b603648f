"""docs/STUDY.md says what its runs say: means, paired intervals, verdicts, and what is not decided yet."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from appcore.checks import study_report
from appcore.checks.study_report import Part, Run
from appcore.events import MegabatchDone
from appcore.recordings import shipped, study
from appcore.transfer import figure_files

GAPS = (0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1, 0.0)


def run_of(row: str, seed: int, *, gap: float = 0.0, accuracy: float = 0.5, cer: int = 1000) -> Run:
    config = study.STUDIES[8].recording(study.BY_NAME[row], is_augmented=False).config(seed)
    ends = []
    for place, bend in enumerate(GAPS):
        known: dict[str, Any] = {"clean_gap": gap + bend, "clean_train_accuracy": accuracy + gap + bend, "test_accuracy": accuracy}
        known |= {"density_mask": 0.0194, "cer": cer, "segment": place, "megabatch": place, "layers": (), "order_hash": ""}
        rest = {name: 0 for name in (one.name for one in fields(MegabatchDone)) if name not in known and name != "facts"}
        ends.append(MegabatchDone(**{**rest, **known}))
    started = {"hashes": {"init": str(seed), "order": "o", "scoring": "s", "data": "d"}, "train_images": 50_000, "test_images": 10_000}
    made = {"machine": "a machine", "date": "2026-11-28T00:00:00+00:00"}
    return Run(row, seed, config, tuple(ends), started, {"seconds": 600.0, "images_per_second": 2000.0}, {"torch": "2"}, made)


def part(**gaps: tuple[float, ...]) -> Part:
    return Part(8, False, tuple(run_of(row.replace("_", "-"), seed, gap=gap) for row, by in gaps.items() for seed, gap in enumerate(by)))


def line(text: str, beginning: str) -> list[str]:
    found = next(one for one in text.splitlines() if beginning in one)
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_difference_is_paired_and_decided_by_its_interval() -> None:
    text = study_report._statements(part(app_released=(0.10, 0.12, 0.11), osp=(0.50, 0.52, 0.51), dense=(0.10, 0.13, 0.10)))
    assert line(text, "gap: released code < OSP")[2:] == ["+40.0 [+40.0, +40.0] points", "3", "**holds**"]
    assert line(text, "gap: released code < dense")[-1] == "undecided"
    assert line(text, "gap: APP to 1.9 % < OSP")[2:] == ["", "0", "not decided yet (0 of 3 seeds)"]
    reversed_text = study_report._statements(part(app_released=(0.50, 0.52, 0.51), osp=(0.10, 0.12, 0.11)))
    assert line(reversed_text, "gap: released code < OSP")[-1] == "**does not hold**"


def test_two_seeds_decide_nothing() -> None:
    text = study_report._statements(part(app_released=(0.1, 0.1), osp=(0.5, 0.5)))
    assert line(text, "gap: released code < OSP")[-1] == "not decided yet (2 of 3 seeds)"
    assert "not decided yet" in line(study_report._rows(part(osp=(0.5, 0.5))), "OSP at 37 %")[-1]
    assert line(study_report._rows(part(osp=(0.5, 0.5, 0.5))), "OSP at 37 %")[-1] == "3"


def test_the_gap_bends_where_the_middle_is_above_both_ends() -> None:
    bent = part(app=(0.1, 0.1, 0.1))
    assert line(study_report._statements(bent), "above both ends: APP to 37 %")[2:] == [
        "+30.0 [+30.0, +30.0] over the first, +40.0 [+40.0, +40.0] over the last", "3", "**holds**",
    ]  # fmt: skip
    rising = Part(8, False, tuple(Run(**{**vars(run), "ends": tuple(sorted(run.ends, key=study_report._gap))}) for run in bent.runs))
    assert line(study_report._statements(rising), "above both ends: APP to 37 %")[-1] == "**does not hold**"


def test_the_document_says_what_is_missing_and_how_to_repeat_it() -> None:
    text = study_report.document([part(osp=(0.5, 0.5, 0.5))], "python -m appcore study")
    assert "50,000 training and 10,000 test images" in text and "3 of 3 seeds" in text
    assert "## T = 8, without augmentation" in text and f"{study.STUDIES[8].epochs} epochs (T = 8)" in text
    for row in study.ROWS:
        assert f"`python -m appcore study {row.name} --to DIR`" in text
    assert "study-8.svg" in text and "study-8.svg" not in study_report.document([part(osp=(0.5,))], "c", with_figures=False)


@pytest.mark.skipif(not figure_files.can_make_pdf(), reason="needs vl-convert-python")
def test_a_figure_has_the_rows_that_are_there() -> None:
    drawn = study_report.figure(part(osp=(0.5, 0.4), dense=(0.3, 0.6)))
    assert drawn.startswith("<svg") and "OSP at 37 %" in drawn and "dense" in drawn and "APP to" not in drawn


def test_other_recordings_are_no_part_of_it(tmp_path: Path) -> None:
    assert all(study.place(made["name"]) for run_id, made in shipped.runs().items() if "-study-" in run_id)
    study_report.write(tmp_path / "STUDY.md", tmp_path, "c")
    text = (tmp_path / "STUDY.md").read_text(encoding="utf-8")
    assert all(f"## T = {length}, {which} augmentation: not run yet" in text for length in study.STUDIES for which in ("with", "without"))
    assert "not decided yet (0 of 3 seeds)" in text and "all images of CIFAR-10" in text and not (tmp_path / "img").exists()
