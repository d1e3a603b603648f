"""--densities from a file and from a run, and files that say nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import fake_runs
import pytest

from appcore import InputError, paths
from appcore.cli import densities
from appcore.config import RunConfig
from appcore.events import MegabatchDone
from appcore.quotas import by_layer
from appcore.storage.store import Store


def test_a_file_and_what_is_typed_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "ends.json"
    file.write_text('{"fc.weight": 0.1, "conv1": 1}')
    assert densities.expanded(str(file)) == "conv1=1.0,fc=0.1"
    assert densities.expanded(f"conv1=0.5; {file}") == "conv1=0.5;conv1=1.0,fc=0.1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot be used"),
        ("[0.5]", "names no layers"),
        ("{}", "names no layers"),
        ('{"a": 0.5, "a": 0.1}', "'a' is there twice"),
        ('{"a": 1e400}', "a=inf is no share"),
        ('{"a": NaN}', "a=nan is no share"),
        ('{"a": {"b": 0.5}}', "is no share"),
        ('{"a": "0.5\\n"}', None),
        ('{"a\\nb": 2}', "is no name"),
        ("[" * 100_000, "nested without end"),
        (" " * 1_000_001, "too large"),
        ("\ud800", "cannot be used"),
    ],
)
def test_hostile_files_are_refused_in_a_line(content: str, says: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ends.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    if says is None:
        assert densities.expanded(str(file)) == "a=0.5"
        return
    with pytest.raises(InputError, match=says) as refused:
        densities.expanded(str(file))
    assert refused.value.field == "densities"


@pytest.mark.parametrize("name", ["none.json", "\0.json", f"{'a' * 5000}.json", "~nobody-of-this-name/a.json", ".json"])
def test_files_that_are_not_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no file"):
        densities.expanded(name)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match="is no file"):
        densities.expanded("folder.json")


def test_the_masks_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.STORE_VARIABLE, str(tmp_path / "runs.db"))
    with pytest.raises(InputError, match="there is no store yet"):
        densities.expanded("run:2026")
    assert not (tmp_path / "runs.db").exists()
    with closing(Store(None)) as store:
        run_id = fake_runs.write(store, tau=9.0)
        told = fake_runs.story(RunConfig(**store.get(run_id)["config"]))
        last = [event for event in told if isinstance(event, MegabatchDone)][-1]
    found = by_layer(densities.expanded(f"run:{run_id}"))
    for layer in last.layers:
        assert round(found[layer.name.removesuffix(".weight")] * layer.total) == layer.kept
    with pytest.raises(InputError, match="no run 'none'"):
        densities.expanded("run:none")
