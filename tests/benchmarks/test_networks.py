"""torchvision's classifiers, of the kinds for which something was mended, do all that a run does: MaxViT, of three minutes, not.

All of them: `python benchmarks/networks.py`, docs/NETWORKS.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appcore.transfer import onnx_file
from benchmarks import network_checks, networks

KINDS = ["mnasnet0_5", "alexnet", "mobilenet_v3_small", "efficientnet_b0", "swin_t"]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_it_does_all_that_a_run_does(name: str, tmp_path: Path) -> None:
    row = network_checks.measure(name, tmp_path)
    assert set(row.get("checks", ())) == set(network_checks.CHECKS), row
    unknown = "" if onnx_file.has_runtime() else network_checks.NOT_RUN
    wrong = {check: text for check, text in row["checks"].items() if text and text != unknown}
    assert not wrong and 0 < row["alive"] <= 1


def test_the_document_is_made_of_the_rows_and_names_the_networks_that_have_none() -> None:
    found = json.loads(networks.RESULTS.read_text(encoding="utf-8"))
    text = networks.TABLE.read_text(encoding="utf-8")
    assert found
    assert all(f"{name}," in text or f"{name}." in text for name in set(networks.names()) - set(found))
    for name, row in found.items():
        assert f"| {name} |" in text if "checks" in row else f"- {name}: {row['refused']}." in text
        assert all(f"- {name}, {check}: {wrong}." in text for check, wrong in row.get("checks", {}).items() if wrong)


def test_a_network_that_needs_more_memory_than_there_is_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_checks.estimate, "memory_bytes", lambda config: 10**15)
    row = network_checks.measure("squeezenet1_1", tmp_path)
    assert row["refused"].startswith("it needs about 1000000 GB of memory") and "checks" not in row


def test_a_check_that_fails_is_said_in_one_line() -> None:
    def broken() -> str:
        raise RuntimeError("first line\nsecond line")

    assert network_checks._said(broken) == "RuntimeError: first line"
