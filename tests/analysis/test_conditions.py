"""The search of the library: words, numbers as whole numbers, conditions on settings and numbers, hostile input."""

from __future__ import annotations

import time
from pathlib import Path

import fake_runs
import pandas as pd
import pytest

from appcore.analysis import conditions, run_library
from appcore.errors import InputError
from appcore.storage.store import Store


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = Store(Path(tmp_path_factory.mktemp("runs")) / "runs.db")
    for pruner, tau, seed in (("snip", 2.0, 0), ("snip", 20.0, 1), ("magnitude", 20.0, 2), ("random", 200.0 / 4, 3)):
        fake_runs.write(store, pruner=pruner, tau=tau, seed=seed, megabatches=2, epochs=1, title=f"{pruner}, tau {tau:g}, seed {seed}")
    fake_runs.write(store, method="imp", options={"rate": 0.3}, megabatches=1, epochs=1, seed=9, until=0, status="stopped", title='a=b "c"')
    runs = store.runs()
    return run_library.overview(runs, store.megabatches([run["run_id"] for run in runs], newest=True))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("", [9, 3, 2, 1, 0]),
        ("tau 20", [2, 1]),  # not those whose id begins with 2026, nor tau 2 and 200
        ("2026", []),
        ("TAU snip", [1, 0]),
        ("tau=20", [2, 1]),
        ("tau>2 pruner!=random", [9, 2, 1]),
        ("tau >= 20 seed<3", [2, 1]),
        ("pruner=SNIP,magnitude method!=imp", [2, 1, 0]),
        ("pruner=Magnitude method=app", [2]),
        ("sparsity>90", [3, 2, 1]),  # in percent, as in its column
        ("sparsity>90%", [3, 2, 1]),
        ("network=ResNet-20 state=done", [3, 2, 1, 0]),
        ("rate=0.3", [9]),
        ("flip=no seed=2", [2]),
        ("flip=yes", []),
        ("accuracy>0", [3, 2, 1, 0]),  # what has no result yet is neither above nor below
        ("accuracy<=0", []),
        ("Batch-Size>0 Val-Fraction=0.1", [9, 3, 2, 1, 0]),
        ('"a=b"', [9]),
        ('name="random, tau 50, seed 3"', [3]),
    ],
)
def test_words_and_conditions(frame: pd.DataFrame, text: str, seeds: list[int]) -> None:
    assert conditions.search(frame, text)["seed"].tolist() == seeds


def test_ids_are_found_whole_by_beginning_or_end(frame: pd.DataFrame) -> None:
    run_id = frame["run_id"].iloc[2]
    for text in (run_id, run_id[:16], run_id[-4:], f"id={run_id}"):
        assert run_id in conditions.search(frame, text)["run_id"].tolist()
    assert conditions.search(frame, run_id[-3:]).empty or run_id[-3:].isdigit()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sparsty>90", "did you mean sparsity"),
        ("__class__=x", "no setting or number"),
        ("tau=", "lacks a value"),
        ("tau=,", "lacks a value"),
        ("pruner>snip", "no number"),
        ("pruner>3", "no number"),
        ("tau>", "lacks a value"),
        ("tau>nan", "no number"),
        ("tau>1_0", "no number"),
        ("x" * 1001, "too many"),
    ],
)
def test_what_cannot_be_meant_is_named_in_one_line(frame: pd.DataFrame, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        conditions.search(frame, text)
    assert str(refused.value).startswith("search: ") and "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text", ["(" * 900, '"' * 999, "a" * 500 + " " * 500, "\\d+", "=" * 900, "[x](javascript:1)", "é=1é", "%s{0}", "\0", "😀"]
)
def test_hostile_text_is_text_and_fast(frame: pd.DataFrame, text: str) -> None:
    begun = time.perf_counter()
    try:
        conditions.search(frame, text)
    except InputError as error:
        assert "\n" not in str(error)
    assert time.perf_counter() - begun < 0.5


def test_nothing_is_found_among_no_runs(frame: pd.DataFrame) -> None:
    none = frame.iloc[:0]
    assert conditions.search(none, "snip seed>3 pruner=snip").columns.tolist() == frame.columns.tolist()
