"""The script for a GPU: its parts fit into eight minutes, and its report has what each measured and how it ended.

All of it without a GPU: `benchmarks/gpu.sh --device cpu --tiny`.
"""

from __future__ import annotations

from pathlib import Path

from appcore.bench.timing import Row
from appcore.recordings import catalog, study
from benchmarks import gpu
from benchmarks.tables import Kept


def test_all_parts_fit_into_eight_minutes() -> None:
    assert sum(part.seconds for part in gpu.PARTS) <= gpu.MOST < 8 * 60
    assert len({part.name for part in gpu.PARTS}) == len(gpu.PARTS)


def test_the_six_rows_are_those_of_the_study_at_another_size() -> None:
    configs = {name: gpu._row(name, {**gpu.FULL, "dataset": "images:x.zip", "device": "cuda"}) for name in gpu.ROWS}
    assert [name.removeprefix("study-8-") for name in configs] == list(study.BY_NAME)
    for name, config in configs.items():
        known = catalog.recording(name).config(0)
        assert (config.method, config.semantics, config.tau, config.pruner) == (known.method, known.semantics, known.tau, known.pruner)
        assert (config.limit_train, config.megabatches, config.device) == (0, 8, "cuda")
    assert len({config.fingerprint for config in configs.values()}) == 6


def test_the_report_has_what_was_measured_and_how_each_part_ended(tmp_path: Path) -> None:
    kept = Kept(str(tmp_path / "step.jsonl"))
    kept("one", lambda: gpu.of_row(Row("a step", "cuda", "x", values=[2.0, 4.0])))
    kept("two", lambda: gpu.line(what="a graph", measured="left out"))
    about = {"title": "A step", "limit": 60.0, "seconds": 61.2, "ended": "not done after 60 s"}
    found = {"machine": {"gpu": "", "processor": "P", "threads": 2}, "versions": {"torch": "1"}, "date": "2026-01-01", "command": "c"}
    text = gpu.report(found | {"device": "cpu", "parts": [{"part": "step", **about, "lines": gpu._lines(str(tmp_path), "step")}]})
    assert text.startswith("# A rehearsal without a GPU: no number here says anything\n")
    assert "| step | 60 s | 61 s | not done after 60 s |" in text
    assert "| a step | 3 x (2 to 4, n = 2) |" in text and "| a graph | left out |" in text
    kept.forget()
    assert gpu._lines(str(tmp_path), "step") == []
