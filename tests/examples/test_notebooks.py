"""The notebooks in examples/notebooks run from first to last cell, in a folder and a store of their own, and hold no output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def executed(name: str) -> dict[str, Any]:
    """The names that a notebook leaves behind."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(name)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), space)
    return space


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs.db"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_output(name: str) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(name) if cell["cell_type"] == "code")


@pytest.mark.slow
def test_snip_against_magnitude() -> None:
    found = executed("snip_against_magnitude")
    assert len(found["difference"]) == 3 and found["table"]["sparsity"].between(0.5, 1).all()
    assert (found["table"]["test_accuracy"] > 0.5).all()


@pytest.mark.slow
def test_lottery_ticket() -> None:
    results = executed("lottery_ticket")["results"]
    assert results["weights left, %"].tolist() == pytest.approx([1.7] * 3, abs=0.05)
    assert (results["dense"] > 80).all() and (results["ticket"] > results["re-initialised"]).all()


@pytest.mark.slow
def test_your_network_and_data() -> None:
    found = executed("your_network_and_data")
    assert found["left"] == sum(int(mask.sum()) for mask in found["masks"].values())
    assert found["prices"]["magnitude"] > found["prices"]["random"]
