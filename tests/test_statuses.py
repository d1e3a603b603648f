"""Sets of states are said once, in appcore/statuses; a table with one entry per state has all of them."""

import ast
import typing
from pathlib import Path

import pytest
from source_texts import product

from appcore import statuses
from appcore.charts import ablation_board
from appcore.service import same_runs
from appcore.transfer.bundle_record import Record
from appcore.ui.runs import columns
from appcore.ui.words import run_status

ALL = {*statuses.ACTIVE, *statuses.ENDED}


def sets_of_states(path: Path) -> list[str]:
    """Tuples, lists and sets of two or more states in a file; an annotation `Literal[...]` has to be written out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    annotations = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)) and id(node) not in annotations:
            words = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            if len(ALL.intersection(word for word in words if isinstance(word, str))) > 1:
                found.append(f"{path}:{node.lineno}")
    return found


@pytest.mark.thorough
def test_sets_of_states_are_written_in_one_place() -> None:
    files = [path for place, path in product().items() if place != "appcore/statuses.py"]
    assert [line for path in files for line in sets_of_states(path)] == []


def test_each_table_by_state_has_every_state() -> None:
    for known in (run_status._BADGES, columns._STATES, ablation_board.STATES, same_runs.RANKS):
        assert set(known) >= ALL
    assert set(typing.get_args(Record.model_fields["status"].annotation)) == set(statuses.OVER)
