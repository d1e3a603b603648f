"""Questions to tensors: asked alone or together, the answers are the same, and those asked together are read at once."""

import math

import pytest
import torch

from appcore.masks import facts, reads
from appcore.masks.reads import Asking, Question, read, together


def test_numbers_come_as_they_are_whatever_their_shapes_and_types() -> None:
    tensors = [torch.tensor(3), torch.tensor([0.1, math.inf]), torch.tensor([[True], [False]]), torch.zeros(0), torch.tensor(2**40)]
    found = read(tensors)
    assert found == [3, [pytest.approx(0.1), math.inf], [[True], [False]], [], 2**40]
    assert [type(found[place]) for place in (0, 4)] == [int, int] and found[2][0][0] is True


@Question
def total(tensors: list[torch.Tensor], turns: int) -> Asking[float]:
    """The sum of all, read one after the other."""
    found = 0.0
    for turn in range(turns):
        (number,) = yield [tensors[turn]]
        found += number
    return found


def test_questions_that_are_asked_together_share_their_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(reads, "read", lambda tensors: sizes.append(len(tensors)) or read(tensors))
    numbers = [torch.tensor(float(2**place)) for place in range(3)]
    assert together(total.ask(numbers, 1), total.ask(numbers, 3), total.ask(numbers, 0)) == [1.0, 7.0, 0.0]
    assert sizes == [2, 1, 1]
    assert total(numbers, 2) == 3.0 and total.__doc__ == "The sum of all, read one after the other."


def test_a_question_that_is_refused_says_so_alone_and_among_others() -> None:
    mask = {"w": torch.ones(2, dtype=torch.bool)}
    for ask in (lambda: facts.overlap(mask, {}), lambda: together(facts.changes.ask(mask, mask), facts.overlap.ask(mask, {}))):
        with pytest.raises(ValueError, match="no layer in common"):
            ask()
