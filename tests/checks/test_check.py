"""Known-truth checks and the sanity card: verdicts from numbers, arms that are what they say, and the command from end to end."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from appcore import RunConfig, run
from appcore.analysis.samples import BROKEN, FAILS, HOLDS, UNDECIDED, Sample, above_zero, at_least, exactly, within, worst
from appcore.checks import experiment, fidelity_report, sanity
from appcore.checks.experiment import Finding, Lab, Part
from appcore.checks.sanity import AS_IS, INVERTED, RANDOM, REINIT, SHUFFLED, Trial
from appcore.cli.check import NUMBERS, chosen
from appcore.cli.main import main
from appcore.engine.prune_point import select
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.events import MegabatchDone
from appcore.masks import selection
from appcore.planning.plan import plan

ROOT = Path(__file__).resolve().parents[2]
TINY = {"arch": "mlp", "limit_train": 120, "limit_test": 60, "megabatches": 1, "epochs": 2, "lr": 0.1, "method": "osp", "tau": 6.0}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]


# ---- spread


def test_mean_spread_and_interval() -> None:
    sample = Sample.of([0.1, 0.2, 0.3])
    assert sample.mean == pytest.approx(0.2) and sample.sd == pytest.approx(0.1)
    low, high = sample.interval()
    assert high - 0.2 == pytest.approx(0.2 - low) == pytest.approx(4.303 * 0.1 / math.sqrt(3))
    assert sample.text() == "20.0 ± 10.0" and (sample - sample).values == (0.0, 0.0, 0.0)
    assert Sample.of([0.5]).text(signed=True) == "+50.0"


@pytest.mark.parametrize(
    ("values", "expected"), [((1.0, 1.1, 0.9), HOLDS), ((-1.0, -1.1, -0.9), FAILS), ((1.0, -1.0, 0.1), UNDECIDED), ((9.0,), UNDECIDED)]
)
def test_a_claim_of_more_needs_an_interval_above_zero(values: tuple[float, ...], expected: str) -> None:
    assert above_zero(Sample(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.001, -0.001, 0.0), HOLDS),  # [-0.0025, 0.0025]
        ((0.010, 0.011, 0.009), HOLDS),  # [0.0075, 0.0125]: sure, and too small to matter
        ((0.1, 0.11, 0.09), FAILS),  # [0.075, 0.125]
        ((-0.1, -0.11, -0.09), FAILS),
        ((0.1, -0.1, 0.0), UNDECIDED),  # [-0.25, 0.25]
        ((0.018, 0.020, 0.022), UNDECIDED),  # [0.015, 0.025] leaves 0 out and straddles the margin
        ((-0.018, -0.020, -0.022), UNDECIDED),
        ((0.026, 0.027, 0.028), FAILS),  # [0.0245, 0.0295]
        ((0.0,), UNDECIDED),
    ],
)
def test_a_claim_of_no_difference_fails_only_outside_the_margin(values: tuple[float, ...], expected: str) -> None:
    assert within(Sample(values), 0.02) == expected


def test_an_effect_of_a_size_is_refuted_by_a_certain_smaller_one() -> None:
    assert at_least(Sample((0.08, 0.09, 0.1)), 0.05) == HOLDS and at_least(Sample((0.02, 0.021, 0.022)), 0.05) == FAILS
    assert at_least(Sample((0.02, 0.09, 0.04)), 0.05) == UNDECIDED == at_least(Sample((0.9,)), 0.05)
    assert Sample((0.02, 0.021, 0.022)).ranging() == "+2.1 [+1.9, +2.3]" and Sample((0.5,)).ranging(0) == "+50"


def test_the_worst_part_decides() -> None:
    assert worst([HOLDS, UNDECIDED, FAILS]) == FAILS and worst([HOLDS, HOLDS]) == HOLDS and worst([FAILS, BROKEN]) == BROKEN
    assert exactly(True) == HOLDS and exactly(False) == BROKEN


# ---- the sanity card


@pytest.fixture(scope="module")
def trial() -> Trial:
    config = RunConfig(**TINY, device="cpu")
    return Trial(config, select(RunState.create(config), 0, 0.8**6).masks, sanity.initial(config))


def test_the_arm_as_it_is_repeats_the_run_that_found_the_mask(trial: Trial) -> None:
    end = [event for event in run(trial.config) if isinstance(event, MegabatchDone)][-1]
    assert trial.arm(AS_IS) == end.test_accuracy


def test_each_arm_changes_what_it_says_and_no_layers_density(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    start = sanity.loop.run

    def look(state: RunState, segments: tuple) -> object:
        weights = {name: state.model.get_parameter(name).detach().clone() for name in state.masks}
        seen[arm] = ({name: mask.clone() for name, mask in state.masks.items()}, weights)
        assert all(segment.kind != "prune" for segment in segments) and state.density_requested == state.density()
        return start(state, segments)

    monkeypatch.setattr(sanity.loop, "run", look)
    for arm in sanity.ARMS:
        assert 0.0 <= trial.arm(arm) <= 1.0
    for chosen_masks, weights in seen.values():
        assert selection.count(chosen_masks) == selection.count(trial.masks)
        assert not any(weights[name][~mask].any() for name, mask in chosen_masks.items())
    same = {arm: all(torch.equal(seen[arm][0][name], mask) for name, mask in trial.masks.items()) for arm in sanity.ARMS}
    assert same == {AS_IS: True, SHUFFLED: False, REINIT: True, INVERTED: False, RANDOM: False}
    for arm in (AS_IS, SHUFFLED, INVERTED):
        assert all(torch.equal(seen[arm][1][name][mask], trial.weights[name][mask]) for name, mask in seen[arm][0].items())
    for arm in (REINIT, RANDOM):
        assert not any(torch.equal(seen[arm][1][name][mask], trial.weights[name][mask]) for name, mask in seen[arm][0].items())


def test_inverting_keeps_the_lowest_scores_of_each_layer() -> None:
    chosen_masks = {"a": torch.tensor([True, False, False]), "b": torch.tensor([False, True, True])}
    scores = {"a": torch.tensor([3.0, 1.0, 2.0]), "b": torch.tensor([10.0, 30.0, 20.0])}
    found = sanity.inverted_like(chosen_masks, scores)
    assert found["a"].tolist() == [False, True, False] and found["b"].tolist() == [True, False, True]


def test_verdicts_of_a_card() -> None:
    def says(own: list[float], control: list[float]) -> str:
        return sanity.verdict({AS_IS: Sample.of(own), SHUFFLED: Sample.of(control)})

    assert says([0.91, 0.912, 0.914], [0.911, 0.911, 0.912]).startswith(
        "The mask's layer densities explain its accuracy: shuffling changes n"
    )
    assert "shuffling costs 31.0 points (91.0 ± 1.0 % against 60.0 ± 1.0 %, n = 3)" in says([0.9, 0.91, 0.92], [0.59, 0.6, 0.61])
    assert "worse than its own shuffle, by 31.0 points" in says([0.59, 0.6, 0.61], [0.9, 0.91, 0.92])
    assert says([0.5, 0.9, 0.1], [0.6, 0.2, 0.8]).startswith("Undecided") and says([0.9], [0.1]).startswith("Undecided")


@pytest.mark.thorough
def test_a_card_pairs_its_repeats_and_leaves_out_what_has_no_order(trial: Trial) -> None:
    heard: list[tuple[str, int, float]] = []
    card = sanity.card(trial.config, trial.masks, repeats=2, watch=lambda *told: heard.append(told))
    assert list(card.accuracy) == list(sanity.ARMS) and len(heard) == 10 and card.density == selection.density(trial.masks)
    assert card.accuracy[AS_IS].values[0] == trial.arm(AS_IS)
    assert json.loads(json.dumps(card.plain()))["arms"][SHUFFLED]["values"] == list(card.accuracy[SHUFFLED].values)
    for values in ({"pruner": "random"}, {"method": "cs"}):
        arms, remarks = sanity.arms_for(RunConfig(**{**TINY, **values}))
        assert INVERTED not in arms and len(remarks) == 1


# ---- the experiments


def test_numbers_of_experiments() -> None:
    assert list(fidelity_report.EXPERIMENTS) == list(NUMBERS) == chosen("") and chosen("7,1,1") == [1, 7]
    for text in ("9", "0", "one", "1,,2"):
        with pytest.raises(InputError, match="only"):
            chosen(text)


@pytest.mark.thorough
def test_exact_statements_are_checked_against_the_live_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault put into the engine is found: masks that keep one weight too many, and removed weights that are not 0."""
    from appcore.checks import exact
    from appcore.engine import prune_point

    monkeypatch.setattr(Lab, "say", lambda lab, text: None)
    assert exact.measure(Lab(is_quick=True)).verdict == HOLDS
    honest = prune_point.selection.keep_top
    monkeypatch.setattr(
        prune_point.selection, "keep_top", lambda scores, density, *more, **named: honest(scores, density + 1e-3, *more, **named)
    )
    found = exact.measure(Lab(is_quick=True))
    assert found.is_broken and found.parts[0].measured == "0 of 16 prune points"
    monkeypatch.setattr(prune_point.selection, "keep_top", honest)
    monkeypatch.setattr(RunState, "apply_masks", lambda state: None)
    monkeypatch.setattr(RunState, "pruned", lambda state: [])
    assert exact.measure(Lab(is_quick=True)).parts[2].verdict == BROKEN


def test_the_shared_stream_has_equal_megabatches_and_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(is_quick=True)
    monkeypatch.setattr(lab, "say", lambda text: None)
    monkeypatch.setattr(experiment, "STREAM_LIMIT", 1600)
    assert lab.stream().limit_train == 400 and Lab().stream().limit_train == 1432  # of the 1,437 digits
    carried_out: list[RunConfig] = []
    start = experiment.run
    monkeypatch.setattr(experiment, "run", lambda config: carried_out.append(config) or start(config))
    first, again = lab.records([lab.stream(seed=1)]), lab.records([lab.stream(seed=1), lab.stream(seed=1)])
    assert [first[0], first[0]] == again and len(carried_out) == 1 and len(first[0].megabatches) == 8


def test_streams_of_other_sizes_keep_equal_megabatches() -> None:
    lab = Lab()
    found = lab.six_rows(limit_train=1001, seed=2, method="dense")
    assert (found.limit_train, found.epochs, found.method, found.seed, found.flip, found.restore_best) == (
        1000,
        4,
        "dense",
        2,
        False,
        False,
    )
    assert Lab(is_quick=True).six_rows(tau=9.0).model_dump(include={"arch", "limit_train", "tau"}) == {
        "arch": "mlp", "limit_train": 400, "tau": 9.0,
    }  # fmt: skip


def test_a_broken_exact_statement_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for verdict, code in ((BROKEN, 1), (FAILS, 0), (UNDECIDED, 0)):
        finding = Finding(1, "T", "claim", "source", "settings", (Part("fine", "x", HOLDS), Part("s", "m", verdict, True)))
        monkeypatch.setitem(fidelity_report.EXPERIMENTS, 1, SimpleNamespace(TITLE="T", measure=lambda lab, finding=finding: finding))
        assert main(["check", "--only", "1"]) == code
        assert f"1. T: {verdict}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "9"],
        ["--seeds", "-1"],
        ["--workers", "0"],
        ["--seeds", "x"],
        ["--dataset", "nope"],
        ["--dataset", "images:nowhere"],
        ["--run", "x"],
    ],
)
def test_bad_input_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and re.fullmatch(r"error: .+\n", said.err)


@pytest.mark.slow
def test_the_quick_suite_measures_all_eight_and_writes_them(tmp_path: Path) -> None:
    target = tmp_path / "docs" / "FIDELITY.md"
    command = [sys.executable, "-m", "appcore", "check", "--quick", "--json", "--write", str(target)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [finding["number"] for finding in found["findings"]] == list(NUMBERS) and not found["is_broken"]
    exact = [part for finding in found["findings"] for part in finding["parts"] if part["is_exact"]]
    assert len(exact) == 8 and {part["verdict"] for part in exact} == {HOLDS}
    text = target.read_text(encoding="utf-8")
    for finding in found["findings"]:
        assert f"## {finding['number']}. {finding['title']}" in text and f"**{finding['verdict']}**" in text
    assert "smoke test" in text


def test_the_sanity_card_of_a_finished_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *FLAGS, "--device=cpu", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert main(["check", "--run", result["run_id"], "--seeds", "1", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["density"] == pytest.approx(result["megabatches"][-1]["density_requested"], abs=1e-3)
    assert card["arms"][AS_IS]["mean"] == result["megabatches"][-1]["test_accuracy"]
    assert main(["check", "--run", result["run_id"], "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(card["verdict"]) and sanity.START in said


def test_a_run_without_masks_has_no_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *(flag for flag in FLAGS if "method" not in flag), "--method=dense", "--device=cpu", "--json"]) == 0
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    assert main(["check", "--run", run_id]) == 2
    assert "never pruned" in capsys.readouterr().err


def test_the_committed_results_are_those_of_real_images() -> None:
    text = (ROOT / "docs" / "FIDELITY.md").read_text(encoding="utf-8")
    for number, module in fidelity_report.EXPERIMENTS.items():
        assert f"## {number}. {module.TITLE}" in text
    commands = re.findall(r"^Measured by `(.*?)`", text, flags=re.MULTILINE)
    assert len(commands) == 8 and all("--dataset images:../shared/data/cifar10" in command for command in commands)
    assert BROKEN not in text and "Quick settings" not in text


def test_a_plan_without_prune_points_has_the_budget_of_the_run(trial: Trial) -> None:
    plain = trial._plain()
    assert [s for s in plan(plain) if s.kind == "epoch"] == [
        s.__class__(**{**vars(s), "index": s.index - 1, "density": 1.0}) for s in plan(trial.config) if s.kind == "epoch"
    ]


@pytest.mark.slow
def test_a_wrong_draw_of_the_released_code_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tolerance tells torch's default from a normal fan-out draw, by which magnitude ends at .013."""
    from appcore.checks import released
    from appcore.engine import prune_point

    monkeypatch.setattr(released, "QUOTED", {"magnitude": released.QUOTED["magnitude"]})
    assert [part.verdict for part in released.measure(Lab(is_quick=True, seeds=4)).parts] == [HOLDS, HOLDS]
    assert [part.verdict for part in released.measure(Lab(is_quick=True)).parts] == [UNDECIDED, HOLDS]  # one seed decides nothing

    def by_fan_out(state: RunState, megabatch: int) -> torch.nn.Module:
        network = copy.deepcopy(state.model)
        prune_point.models.initialise(network, state.config.seed, f"released-code/{megabatch}", list(state.masks))
        return network

    monkeypatch.setattr(prune_point, "_redrawn", by_fan_out)
    assert [part.verdict for part in released.measure(Lab(is_quick=True, seeds=4)).parts] == [FAILS, HOLDS]


def test_repeats_of_a_card_keep_the_images_that_the_mask_was_found_with(trial: Trial) -> None:
    for seed in (0, 5):
        config = RunConfig(**{**trial.config.model_dump(), "seed": seed})
        plain = [Trial(config, trial.masks, trial.weights, repeat)._plain() for repeat in (0, 2)]
        assert [one.seed for one in plain] == [seed, seed + 2] and {one.images_seed for one in plain} == {seed}
