"""Numbers of lessons come from the rows of recorded runs and from kept measurements; texts are filled with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_runs
import pytest

from appcore.lessons.base import Choice, Depends, Images, Kept, Less, Lesson, Of, Option, Playground, Recorded, Setting, Timed, Times
from appcore.service import lessons
from appcore.storage.store import Store

NUMBERS = {
    "snip": Recorded("app-snip", "test_accuracy"),
    "start": Recorded("app-snip", "density_mask", 0),
    "first": Kept("app-snip"),
    "first_cut": Kept("app-snip", 0, 0),
    "parts": Setting("app-snip", "megabatches"),
    "tau": Setting("app-snip", "tau"),
    "time": Recorded("app-snip", "seconds"),
    "share": Recorded("app-snip", "flops_share"),
    "lead": Less(Of("snip"), Recorded("app-magnitude", "test_accuracy")),
    "same": Times(Of("time"), Of("time")),
    "replay": Times(*(Images({"dataset": "cifar10", "megabatches": 8, "replay": rule}) for rule in ("full", "none"))),
    "spiral": Playground("snip 0.1"),
    "step": Timed("masked / dense"),
    "gone": Recorded("nowhere", "test_accuracy"),
    "far": Playground("nothing 0.1"),
}
LESSON = Lesson("", "", (), NUMBERS)


@pytest.fixture
def evidence(tmp_path: Path) -> lessons.Evidence:
    store = Store(tmp_path / "runs.db")
    for pruner in ("snip", "magnitude"):
        for seed in (0, 1, 2):
            fake_runs.write(store, pruner=pruner, seed=seed)

    def runs_of(recording: str) -> list[dict[str, Any]]:
        return [run for run in store.runs() if recording == f"app-{run['pruner']}"]

    kept = tmp_path / "spiral.jsonl"
    kept.write_text("".join(json.dumps({"key": f"snip 0.1 seed {s}", "value": {"accuracy": 0.5 + s / 10}}) + "\n" for s in (0, 1, 10)))
    rows = [{"what": "masked / dense", "unit": "x", "values": [1.0, 1.1, 0.9]}]
    (tmp_path / "results-amd-epyc-2-threads.json").write_text(json.dumps({"rows": rows}))
    return lessons.Evidence(runs_of, store, tmp_path)


def test_numbers_are_those_of_the_rows(evidence: lessons.Evidence) -> None:
    found = evidence.numbers(LESSON)
    assert set(NUMBERS) - set(found) == {"gone", "far"}
    store = evidence._store
    for run in evidence.runs("app-snip"):
        seed = run["config"]["seed"]
        ends, layers = store.megabatches(run["run_id"]), store.layers(run["run_id"])
        assert found["snip"].by_seed[seed] == pytest.approx(100 * ends["test_accuracy"].iloc[-1])
        assert found["start"].by_seed[seed] == pytest.approx(100 * ends["density_mask"].iloc[0])
        of_first = layers[layers["layer"] == "conv1.weight"]
        assert found["first"].by_seed[seed] == pytest.approx(100 * (of_first["kept"] / of_first["total"]).iloc[-1])
        assert found["first_cut"].by_seed[seed] == pytest.approx(100 * (of_first["kept"] / of_first["total"]).iloc[0])
        other = next(one for one in evidence.runs("app-magnitude") if one["config"]["seed"] == seed)
        lead = ends["test_accuracy"].iloc[-1] - store.megabatches(other["run_id"])["test_accuracy"].iloc[-1]
        assert found["lead"].by_seed[seed] == pytest.approx(100 * lead)
    assert (str(found["parts"]), str(found["tau"]), str(found["time"]), str(found["share"])) == ("8", "4.5", "34.2\u00a0s", "60\u00a0%")
    assert (str(found["same"]), found["replay"].mean) == ("1.00\u00a0times", "4.50\u00a0times")
    assert (str(found["step"]), found["step"].seeds) == ("1.00\u00a0±\u00a00.10\u00a0times", "3 pairs")
    assert (str(found["spiral"]), found["spiral"].seeds) == ("86.7\u00a0±\u00a055.1\u00a0%", "3 seeds")
    assert found["spiral"].high == "100.0\u00a0%"


def test_a_number_whose_recording_is_missing_names_it(evidence: lessons.Evidence) -> None:
    with pytest.raises(lessons.MissingError, match="the recording nowhere is not in this store") as error:
        evidence.number(Of("gone"), LESSON)
    assert error.value.recording == "nowhere"
    with pytest.raises(lessons.MissingError, match=r"has no nothing 0.1; `python benchmarks/spiral.py` measures it"):
        evidence.number(Of("far"), LESSON)


def test_texts_are_filled_and_follow_the_verdict(evidence: lessons.Evidence) -> None:
    found = evidence.numbers(LESSON)
    assert lessons.filled("{parts} parts, {tau.mean}, {spiral.seeds}", found) == "8 parts, 4.5, 3 seeds"
    text = Depends("lead", holds="more: {lead.mean}", undecided="who knows: {lead.interval}", fails="less")
    assert lessons.filled(text, found) == {"holds": f"more: {found['lead'].mean}", "fails": "less"}.get(
        found["lead"].verdict, f"who knows: {found['lead'].interval}"
    )
    with pytest.raises(lessons.MissingError, match="the number gone is not known here"):
        lessons.filled("{gone}", found)


@pytest.mark.thorough
def test_the_truth_of_a_question_is_looked_up(evidence: lessons.Evidence) -> None:
    question = Choice("q", "?", "snip", (Option("yes", below=50), Option("no", 50)))
    (found,) = lessons.truth(question, LESSON, evidence)
    assert question.right(found) == int(found.sample.mean >= 50)
