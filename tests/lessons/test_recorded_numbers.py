"""Every number of every lesson comes from the recordings that are shipped, and every text can be shown, whatever an interval says."""

from __future__ import annotations

import pytest

from appcore.lessons.base import Choice, Lesson, Recorded
from appcore.recordings import catalog, shipped, study
from appcore.service import lessons, recorded
from appcore.storage.store import Store
from appcore.testing.lesson_suite import said

NAMES = list(lessons.found())
EXPECTED = {  # for which these texts were written, see test_lessons.py
    ("first-layer", "magnitude-first"): 2,
    ("replay", "images"): 1,
    ("speed", "bytes"): 0,
}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> lessons.Evidence:
    store = Store(tmp_path_factory.mktemp("recorded") / "appcore.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(recorded.VARIABLE, "on")
        recorded.bring_up_to_date(store)
    here = {run["run_id"] for run in store.runs(recorded=True)}
    return lessons.Evidence(lambda name: [store.get(run_id) for run_id in catalog.run_ids(name) if run_id in here], store)


def needed(recording: str) -> list[str]:
    """The runs that must be there: of a row of the study the first three, it may have more."""
    return catalog.run_ids(recording)[: study.NEEDED if study.place(recording) else None]


def shipped_whole(name: str) -> Lesson:
    """The lesson, if all its recordings are shipped."""
    lesson = lessons.load(name)
    missing = [run_id for recording in lesson.recordings() for run_id in needed(recording) if run_id not in shipped.runs()]
    if missing:
        pytest.skip(f"not recorded yet: {', '.join(missing)}")
    return lesson


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_in_the_recordings_and_every_text_is_filled(name: str, evidence: lessons.Evidence) -> None:
    lesson = shipped_whole(name)
    numbers = evidence.numbers(lesson)
    assert set(lesson.numbers) - set(numbers) == set()
    assert all("{" not in lessons.filled(text, numbers) for text in said(lesson))
    for key, quantity in lesson.numbers.items():
        if isinstance(quantity, Recorded):
            recording = catalog.recording(quantity.recording)
            there = {seed for seed, run_id in zip(recording.seeds, recording.run_ids) if run_id in shipped.runs()}
            assert set(numbers[key].by_seed) == there, key


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_a_right_answer(name: str, evidence: lessons.Evidence) -> None:
    lesson = shipped_whole(name)
    for question in lesson.questions().values():
        truths = lessons.truth(question, lesson, evidence)
        if isinstance(question, Choice):
            right = question.right(truths[0])
            assert question.judge({"option": right, "sure": 2}, truths[0]).score == 1
            assert right == EXPECTED.get((name, question.id), right), f"{question.id}: {truths[0]}"
        else:
            assert len(truths) >= 3
