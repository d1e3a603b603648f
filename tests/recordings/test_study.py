"""The study of six rows: possible runs with names that speak; the command makes several at a time, and goes on from bundles alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from appcore.cli.main import main
from appcore.config import build
from appcore.planning.plan import plan
from appcore.recordings import catalog, shipped, study
from appcore.storage.row_rules import RUN_ID
from appcore.transfer import bundle_recorded

TINY = ["--limit-train=160", "--limit-test=20", "--epochs=1", "--image-size=8", "--seeds=0", "--augmentation=off"]


def test_each_is_a_possible_run_with_a_name_of_its_own() -> None:
    known = study.recordings()
    assert len({one.name for one in known}) == len(known) == 2 * 2 * len(study.ROWS)
    assert all(re.fullmatch(RUN_ID, run_id) and len(run_id) <= 40 for one in known for run_id in one.run_ids)
    assert all(plan(one.config(0)) for one in known)
    assert len({one.config(seed).fingerprint for one in known for seed in (0, 1)}) == 2 * len(known)
    assert not {one.name for one in known} & set(catalog.names()) and {one.name for one in known} < set(catalog.known())


def test_names_say_length_row_and_augmentation() -> None:
    for length, chosen in study.STUDIES.items():
        for row in study.ROWS:
            for is_augmented in (False, True):
                one = chosen.recording(row, is_augmented=is_augmented)
                assert study.place(one.name) == (length, row.name, is_augmented) and one.config(0).flip == is_augmented
    assert study.place("app-snip") is study.place("study-8-nothing") is study.place("study-x-app") is None


def test_rows_of_one_seed_share_all_but_method_and_density() -> None:
    configs = [one.config(1) for one in study.STUDIES[8].recordings(augmentation=(False,))]
    apart = {"method", "tau", "semantics", "pruner"}
    assert len({build(config.model_dump(exclude=apart)).fingerprint for config in configs}) == 1


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["--seeds=x"], ["--seeds=99"], ["--workers=0"], ["--epochs=999"], ["--megabatches=7"], ["--augmentation=some"]],
)
def test_bad_input_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and re.fullmatch(r"error: .+\n", said.err)


def test_missing_images_are_one_line_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["app", "osp", *TINY, f"--to={tmp_path}", f"--work={tmp_path}", f"--images={tmp_path / 'none.zip'}"]
    assert main(["study", *arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["problems"]) == 2 and all("none.zip" in problem for problem in found["problems"])


@pytest.mark.slow
def test_runs_are_made_side_by_side_and_a_new_machine_goes_on_from_the_bundles(
    tmp_path: Path, cifar_small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, document = tmp_path / "bundles", tmp_path / "docs" / "STUDY.md"
    arguments = [*TINY, f"--to={to}", f"--images={cifar_small}", f"--write={document}", "--workers=2", "--json"]
    assert main(["study", "app", "dense", *arguments, f"--work={tmp_path / 'one'}"]) == 0
    assert json.loads(capsys.readouterr().out) == {"problems": [], "runs": ["recorded-study-8-app-0", "recorded-study-8-dense-0"]}
    made = shipped.runs(to)
    assert made["recorded-study-8-app-0"]["command"].startswith("python -m appcore study app --seeds 0 --augmentation off --epochs 1")
    _, config, entries = bundle_recorded.read(shipped.read("recorded-study-8-app-0", to))
    assert config.dataset == study.DATASET and (config.limit_train, config.method, config.megabatches) == (160, "app", 8)
    assert sum(one.megabatch is not None for one in entries) == 8
    text = document.read_text(encoding="utf-8")
    assert "1 of 1 seed" in text and "| APP to 37 % | 36.6" in text and "not decided yet (1 of 3 seeds)" in text
    before = {path.name: path.read_bytes() for path in to.iterdir() if path.name.startswith("study-8-app")}

    assert main(["study", "app", "osp", *arguments, f"--work={tmp_path / 'other'}"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == ["recorded-study-8-osp-0"]
    assert {name: (to / name).read_bytes() for name in before} == before
    assert main(["study", *arguments, "--list"]) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 3
    assert main(["study", *arguments, "--epochs=2"]) == 2
    assert "with other settings" in capsys.readouterr().err
