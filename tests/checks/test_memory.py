"""What checks have measured is kept: an interrupted one goes on with what is missing, and nothing of another version is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appcore.checks import memory
from appcore.checks.experiment import Lab
from appcore.checks.memory import Memory

SEEN: list[Any] = []


def double(lab: Lab, item: Any) -> dict[str, Any]:
    """A task."""
    SEEN.append(item)
    if item == "breaks":
        raise KeyboardInterrupt
    return {"twice": 2 * item}


def test_what_was_interrupted_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    SEEN.clear()
    with pytest.raises(KeyboardInterrupt):
        Lab(memory=Memory(tmp_path / "checks.jsonl")).each(double, [1, 2, "breaks", 3])
    lab = Lab(memory=Memory(tmp_path / "checks.jsonl"))
    assert lab.each(double, [1, 2, 3]) == [{"twice": 2}, {"twice": 4}, {"twice": 6}] and SEEN == [1, 2, "breaks", 3]
    assert Lab(dataset="spiral", memory=Memory(tmp_path / "checks.jsonl")).each(double, [1]) and SEEN[-1] == 1


def test_results_of_another_version_and_broken_lines_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checks.jsonl"
    Memory(file)["task"] = {"a": 1.5}
    with file.open("a") as target:
        target.write('["half a li')
    found = Memory(file)
    assert dict(found) == {"task": {"a": 1.5}}
    found["other"] = 2
    assert dict(Memory(file)) == {"task": {"a": 1.5}, "other": 2}
    monkeypatch.setattr(memory, "program", lambda: "another")
    assert dict(Memory(file)) == {}


def test_another_wording_is_the_same_program_and_other_code_is_not(tmp_path: Path) -> None:
    texts = ["CLAIM = 'a'\nx = 1\n", "CLAIM = 'another'\nx = 1\n", "CLAIM = 'a'\nx = 2\n"]
    found = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(text)
        found.append(memory._without_texts(tmp_path / f"{number}.py"))
    assert found[0] == found[1] != found[2] and len(memory.program()) == 12


@pytest.mark.slow
def test_workers_find_what_one_process_finds() -> None:
    configs = [Lab(is_quick=True).stream(seed=seed) for seed in (0, 1)]
    alone, together = (Lab(is_quick=True, workers=workers).records(configs) for workers in (1, 2))
    plain = [[[{**vars(event), "seconds": 0} for event in record.megabatches] for record in found] for found in (alone, together)]
    assert json.dumps(plain[0], default=str) == json.dumps(plain[1], default=str)
