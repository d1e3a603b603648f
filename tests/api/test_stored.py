"""Stored runs as tables, figures and networks, from a store of real and of made up runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fake_runs
import pytest
import torch

import appcore
from appcore import InputError, RunConfig
from appcore.storage.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs.db"))
    store = Store()
    for seed in (0, 1):
        for pruner in ("snip", "magnitude"):
            fake_runs.write(store, pruner=pruner, seed=seed)
    return store


def test_runs_are_searched_as_on_the_page(store: Store) -> None:
    assert len(appcore.runs()) == 4
    assert set(appcore.runs("pruner=snip seed<1")["pruner"]) == {"snip"}
    assert len(appcore.runs("seed<1")) == 2
    assert appcore.runs("pruner=synflow").empty
    assert appcore.runs().loc[0, "config"]["megabatches"] > 1
    with pytest.raises(InputError, match="nonsense"):
        appcore.runs("nonsense=3")


@pytest.mark.thorough
def test_frames_take_ids_tables_and_searches(store: Store) -> None:
    ids = appcore.runs("pruner=snip")["run_id"].tolist()
    for which in (ids, appcore.runs("pruner=snip"), "pruner=snip"):
        assert set(appcore.frames(which).epochs["run_id"]) == set(ids)
    one = appcore.frames(ids[0])
    assert set(one.layers["run_id"]) == {ids[0]} and len(one.megabatches) == appcore.runs().loc[0, "config"]["megabatches"]
    for nothing in ("pruner=synflow", []):
        with pytest.raises(InputError, match="no run is meant"):
            appcore.frames(nothing)


@pytest.mark.thorough
def test_every_figure_is_drawn(store: Store) -> None:
    ids = appcore.runs()["run_id"].tolist()
    counts = {"difference_map": 2, "mirrored": 2, "early_layers": 4, "kept_by_layer": 4, "accuracy": 4}
    for name in appcore.figures():
        assert appcore.figure(name, ids[: counts.get(name, 1)]).data, name
    assert "megabatch 2" in appcore.figure("kept_by_layer", ids, at=2).layout.title.text


def test_a_figure_says_what_it_cannot_show(store: Store) -> None:
    ids = appcore.runs()["run_id"].tolist()
    with pytest.raises(InputError, match="choose one of accuracy"):
        appcore.figure("pie", ids)
    with pytest.raises(InputError, match="of two runs, and 3 are meant"):
        appcore.figure("mirrored", ids[:3])


SMALL = {"arch": "mlp", "dataset": "digits", "prunable": "all", "megabatches": 2, "epochs": 1, "limit_train": 200, "device": "cpu"}


def test_a_run_is_trained_kept_and_loaded(store: Store) -> None:
    (run_id,) = appcore.train(RunConfig(**SMALL))
    network = appcore.load(run_id)
    weights = dict(network.named_parameters())
    assert all(torch.equal(weights[name] != 0, mask) for name, mask in network.masks.items())
    ends = appcore.frames(run_id).megabatches
    share = sum(int(mask.sum()) for mask in network.masks.values()) / sum(mask.numel() for mask in network.masks.values())
    assert share == pytest.approx(ends["density_mask"].iloc[-1])
    with pytest.raises(InputError, match="no checkpoint"):
        appcore.load(appcore.runs("status=done")["run_id"].iloc[-1])


def test_a_pair_is_trained_in_lockstep(store: Store) -> None:
    ids = appcore.train([RunConfig(**SMALL, pruner=pruner) for pruner in ("snip", "magnitude")], together=True)
    found = appcore.runs().set_index("run_id").loc[ids]
    assert found["pruner"].tolist() == ["snip", "magnitude"] and found["group"].nunique() == 1


def test_a_run_that_fails_says_why(store: Store) -> None:
    with pytest.raises(InputError, match="cuda" if not torch.cuda.is_available() else "megabatches"):
        appcore.train(RunConfig(**{**SMALL, "device": "cuda"} if not torch.cuda.is_available() else {**SMALL, "megabatches": 10_000}))


def test_callbacks_are_told_every_event_first() -> None:
    told: list[str] = []
    for event in appcore.run(RunConfig(**SMALL), [lambda event: told.append(type(event).__name__)]):
        assert told[-1] == type(event).__name__
    assert told[0] == "Started" and told[-1] == "Finished"


@pytest.mark.thorough
def test_importing_appcore_takes_nothing_heavy() -> None:
    code = "import appcore, sys; dir(appcore); sys.exit(len({'torch', 'pandas', 'plotly', 'streamlit', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(appcore.__file__).parents[1], check=False).returncode == 0
    code = "import appcore, sys; appcore.runs, appcore.prune, appcore.figure; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(appcore.__file__).parents[1], check=False).returncode == 0
