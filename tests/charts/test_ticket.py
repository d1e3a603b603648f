"""Is the ticket as good? Numbers by eye: two rounds, a control, dense runs of several seeds, and a run whose values were not recorded."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from appcore import charts
from appcore.analysis import rounds as of_rounds
from appcore.config import RunConfig
from appcore.planning import stages
from appcore.planning.plan import plan

CONFIG = RunConfig(method="imp", arch="mlp", megabatches=1, epochs=2, tau=2.0)


def made_up(run_id: str, **settings: Any) -> dict[str, Any]:
    config = CONFIG.model_copy(update=settings)
    return {
        "run_id": run_id,
        "title": run_id,
        "status": "done",
        "method": config.method,
        "pruner": config.pruner,
        "config": config.model_dump(mode="json"),
    }


TICKET = made_up("ticket")
CONTROL = made_up("control", options={"control": "reinit"})
DENSE = [made_up(f"dense{seed}", method="dense", seed=seed) for seed in range(3)]
ENDS = sorted(stages.tested(plan(CONFIG)))
LAST = plan(CONFIG)[-1].index


def row(run_id: str, segment: int, density: float, accuracy: float) -> dict[str, Any]:
    return {"run_id": run_id, "segment": segment, "megabatch": 0, "density_mask": density, "test_accuracy": accuracy}


ROUNDS = pd.DataFrame(
    [row(run_id, end, density, accuracy) for run_id in ("ticket", "control") for end, density, accuracy in zip(ENDS, (1, 0.8), (0.9, 0.92))]
)
MEGABATCHES = pd.DataFrame(
    [row("ticket", LAST, 0.64, 0.91), row("control", LAST, 0.64, 0.8)]
    + [row(run["run_id"], 2, 1.0, 0.88 + 0.01 * number) for number, run in enumerate(DENSE)]
)


def trace(figure: go.Figure, name: str) -> Any:
    return next(item for item in figure.data if item.name == name)


def test_each_round_stands_at_its_weights_left_beside_control_and_dense() -> None:
    figure = charts.ticket([TICKET, CONTROL, *DENSE], ROUNDS, MEGABATCHES)
    assert figure.layout.title.text == "Is the ticket as good?" and figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.range[0] > figure.layout.xaxis.range[1]  # fewer weights to the right
    line = trace(figure, "ticket")
    assert (list(line.x), list(line.y)) == (pytest.approx([100, 80, 64]), pytest.approx([90, 92, 91]))
    fresh = trace(figure, "re-initialised control")
    assert (list(fresh.x), list(fresh.y)) == ([pytest.approx(64)], [pytest.approx(80)])
    assert trace(figure, "dense, mean of 3 seeds").y == pytest.approx([89] * 60)
    (band,) = figure.layout.shapes
    assert (band.y0, band.y1) == (pytest.approx(88), pytest.approx(90))
    low, high = figure.layout.yaxis.range
    assert low < 80 and high > 92


def test_one_dense_run_is_a_line_and_others_are_left_out() -> None:
    stream = made_up("stream", method="app", pruner="snip", megabatches=4)
    figure = charts.ticket([TICKET, DENSE[0], stream], ROUNDS, MEGABATCHES)
    assert {item.name for item in figure.data} == {"ticket", "dense"} and not figure.layout.shapes


def test_a_run_without_values_shows_its_last_round_and_says_so() -> None:
    none = ROUNDS.iloc[:0]
    figure = charts.ticket([TICKET], none, MEGABATCHES)
    assert list(trace(figure, "ticket").y) == [pytest.approx(91)]
    assert "not recorded" in figure.layout.title.subtitle.text
    assert of_rounds.unrecorded(TICKET, of_rounds.tests(TICKET, none, MEGABATCHES)) == [0, 1]
    assert of_rounds.unrecorded(TICKET, of_rounds.tests(TICKET, ROUNDS, MEGABATCHES)) == []


def test_nothing_yet_is_an_empty_frame() -> None:
    figure = charts.ticket([TICKET], pd.DataFrame(columns=["run_id"]), MEGABATCHES.iloc[:0])
    assert not len(trace(figure, "ticket").x)


def test_the_verdict_is_made_of_the_numbers() -> None:
    found = of_rounds.sorted_out([TICKET, CONTROL, *DENSE])
    tables = {run["run_id"]: of_rounds.tests(run, ROUNDS, MEGABATCHES) for run in found.all}
    words = of_rounds.verdict(found, tables)
    assert words == (
        "With 64.0 % of the weights the ticket classifies 91.0 % of the test images correctly; the dense network 89.0 %, 88.0 to 90.0 over "
        "3 seeds (+2.0 points for the ticket); the same mask from fresh initial values 80.0 %."
    )


def test_what_belongs_beside_a_ticket_is_of_its_settings_and_what_lacks_is_named() -> None:
    others = [
        CONTROL,
        *DENSE,
        made_up("longer", epochs=3),
        made_up("longer dense", method="dense", epochs=3),
        made_up("other seed", seed=1),
    ]
    other_pruning = made_up("pruned otherwise", method="dense", tau=4.5, pruner="snip")  # no matter for a dense run
    found = of_rounds.beside(TICKET, [*others, other_pruning])
    assert [run["run_id"] for run in found.all] == ["ticket", "control", "dense0", "dense1", "dense2"]
    assert [run["run_id"] for run in of_rounds.beside(TICKET, [other_pruning, made_up("again")]).all] == ["ticket", "pruned otherwise"]
    going_on = {**made_up("going on", method="dense"), "status": "running"}
    assert [run["run_id"] for run in of_rounds.beside(TICKET, [going_on, *DENSE]).dense] == ["dense0", "dense1", "dense2"]
    alone = of_rounds.sorted_out([TICKET])
    control, dense = of_rounds.missing(TICKET, alone)
    assert control == CONTROL["config"] and dense == DENSE[0]["config"]
    assert all(RunConfig(**config) for config in (control, dense))
    assert of_rounds.missing(TICKET, found) == []
    one = of_rounds.sorted_out([TICKET, CONTROL, DENSE[0]])
    assert [config["seed"] for config in of_rounds.missing(TICKET, one, 3)] == [1, 2]
    assert of_rounds.missing(CONTROL, of_rounds.sorted_out([CONTROL]))[0] == TICKET["config"]
