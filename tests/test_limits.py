"""A shared server: limits are kept by the manager whoever asks, people have their own runs, an admin has all."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from standin import SETTINGS, StandIn

from appcore import limits, paths
from appcore.config import build
from appcore.errors import InputError, OverLimitError
from appcore.limits import Limits
from appcore.planning.plan import check
from appcore.runner import admission
from appcore.runner.engine_port import Engine
from appcore.service import access
from appcore.service.manager import Manager
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 1000}


@pytest.fixture
def manager(any_address: str) -> Iterator[Manager]:
    store = Store(any_address)
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    yield manager
    manager.close()
    store.close()


def allow(manager: Manager, text: str) -> None:
    manager.store.folder.mkdir(parents=True, exist_ok=True)
    path = paths.limits(manager.store.folder)
    path.write_text(text, encoding="utf-8")
    limits._read.cache_clear()  # two writings within one tick of the clock, of one length


def refused(manager: Manager, says: str, *configs: dict) -> None:
    before = [row["run_id"] for row in manager.runs()]
    with pytest.raises(InputError, match=says) as caught:
        manager.start(list(configs) or [SETTINGS])
    assert "\n" not in caught.value.message
    assert [row["run_id"] for row in manager.runs()] == before


# ---- the file


def test_without_a_file_there_are_no_limits_and_a_named_one_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.load(tmp_path) == Limits() == limits.load()
    monkeypatch.setenv("APPCORE_LIMITS", str(tmp_path / "other.toml"))
    with pytest.raises(InputError, match="there is no such file"):
        limits.load(tmp_path)
    (tmp_path / "other.toml").write_text('admins = ["me@example.org"]\nqueue = 3\n')
    assert limits.load(tmp_path) == Limits(admins=["me@example.org"], queue=3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("queu = 3", "queu: .*; known: admins, hosts, queue"),
        ("queue = -1", "queue"),
        ("queue = '3'", "queue"),
        ("queue = true", "queue"),
        ("retention_days = 0", "retention_days"),
        ("queue = ", "Invalid value"),
        ("[queue]\nx = 1", "queue"),
        ("admins = 'me'", "admins"),
        ("\0", "line 1"),
    ],
)
def test_a_mistake_in_the_file_stops_what_it_should_limit(manager: Manager, text: str, says: str) -> None:
    allow(manager, text)
    refused(manager, f"limits .*{says}")


def test_a_change_counts_at_once(manager: Manager) -> None:
    allow(manager, "epochs = 2")
    refused(manager, "limit epochs")
    allow(manager, "epochs = 200")
    manager.start([SETTINGS])


# ---- each limit


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("epochs = 5", r"this run has 6 epochs, and this server allows 5 \(limit epochs\)"),
        ("images = 239", r"trains on 240 images, repeats counted, and this server allows 239 \(limit images\)"),
        ("queue = 0", r"1 run would wait or go on here, and this server allows 0 \(limit queue\)"),
        ("runs_per_user = 0", r"1 run of yours .* \(limit runs_per_user\)"),
    ],
)
def test_a_limit_is_one_line_that_names_it(manager: Manager, text: str, says: str) -> None:
    allow(manager, text)
    refused(manager, says)


def test_epochs_of_all_rounds_count(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    paths.limits(tmp_path).write_text("epochs = 30")
    rounds = {"arch": "mlp", "megabatches": 1, "epochs": 3, "method": "imp", "tau": 12.0, "options": {"rate": 0.2}}
    with pytest.raises(OverLimitError, match="this run has 39 epochs, and this server allows 30"):
        admission.check_settings(store, Engine(), build(rounds))
    admission.check_settings(store, Engine(), build({**rounds, "epochs": 2}))


def test_what_is_just_allowed_runs(manager: Manager) -> None:
    allow(manager, "epochs = 6\nimages = 240\nqueue = 2\nruns_per_user = 2\ndisk_megabytes_per_user = 1\nretention_days = 1")
    run_ids = manager.start([SETTINGS, SETTINGS])
    assert [manager.wait(run_id, timeout=60) for run_id in run_ids] == ["done", "done"]


def test_the_queue_counts_everybody_and_runs_per_user_one_person(manager: Manager) -> None:
    allow(manager, "queue = 3\nruns_per_user = 2")
    ada, ben = manager.of("ada"), manager.of("ben")
    first = ada.start([LONG])
    refused(ada, "limit runs_per_user", LONG, LONG)
    ada.start([LONG])
    ben.start([LONG])
    refused(ben, "limit queue", LONG)
    ada.stop(first[0])
    assert ada.wait(first[0], timeout=60) == "stopped"
    ben.start([LONG])
    with pytest.raises(InputError, match="limit queue"):
        ada.resume(first[0])
    assert ada.get(first[0])["status"] == "stopped"


def test_disk_is_counted_by_person_and_deleting_makes_room(manager: Manager) -> None:
    ada, ben = manager.of("ada"), manager.of("ben")
    (run_id,) = ada.start([SETTINGS])
    assert ada.wait(run_id, timeout=60) == "done"
    (paths.run_folder(manager.store.folder, run_id) / "checkpoint-000000099.safetensors").write_bytes(b"x" * 3 * 2**20)
    allow(manager, "disk_megabytes_per_user = 2")
    refused(ada, r"your runs take 4 MiB, and this server allows 2 \(limit disk_megabytes_per_user\); delete some")
    ben.start([SETTINGS])
    ada.delete(run_id)
    ada.start([SETTINGS])


def test_an_upload_is_judged_packed_and_unpacked_and_against_the_disk(manager: Manager, tmp_path: Path) -> None:
    asked: list[int] = []
    path = tmp_path / "large.zip"
    path.write_bytes(b"x" * 3 * 2**20)
    allow(manager, "upload_megabytes = 2")
    with pytest.raises(InputError, match=r"this file has 3 MiB, and this server allows 2 \(limit upload_megabytes\)"):
        manager.import_bundle(path)
    allow(manager, "disk_megabytes_per_user = 2")
    with pytest.raises(InputError, match="limit disk_megabytes_per_user"):
        manager.import_bundle(path)
    assert not asked


@pytest.mark.thorough
def test_old_runs_go_but_not_those_that_are_kept_young_or_going_on(manager: Manager) -> None:
    store, day = manager.store, access.DAY_SECONDS
    old, kept, young, going = (manager.start([LONG])[0] for _ in range(4))
    for run_id in (old, kept, young):
        manager.stop(run_id)
        assert manager.wait(run_id, timeout=60) == "stopped"
    manager.label(kept, tags=["keep"])
    now = time.time()
    for run_id in (old, kept):
        store.update(run_id, heartbeat=now - 31 * day)
    assert access.retire(store) == []
    allow(manager, "retention_days = 30")
    assert access.retire(store) == [old]
    assert {row["run_id"] for row in manager.runs()} == {kept, young, going}
    assert not paths.run_folder(store.folder, old).exists()
    assert access.retire(store, now + 60 * day) == [young]  # one that goes on stays whatever the clock says
    manager._starting._retired = -access.DAY_SECONDS
    store.update(kept, tags=[])
    manager.start([SETTINGS])  # a start looks for old ones
    assert kept not in {row["run_id"] for row in manager.runs()}


def test_images_are_read_from_allowed_folders_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "allowed-not"
    for folder in (allowed, other):
        folder.mkdir()
    (allowed / "link").symlink_to(other)
    monkeypatch.setenv("APPCORE_LIMITS", str(tmp_path / "limits.toml"))
    (tmp_path / "limits.toml").write_text(f'image_folders = ["{allowed}"]')
    rules = limits.load()
    rules.check_path(f"images:{allowed}/set.zip")
    rules.check_path("digits")
    for path in (other, allowed / "link", allowed / ".." / "allowed-not", "/etc", "~nobody/x", "a\0b", ""):
        with pytest.raises(InputError, match="limit image_folders"):
            rules.check_path(f"images:{path}")
    from appcore.config import build

    with pytest.raises(InputError, match="limit image_folders"):  # the form asks the data set, not the manager
        check(build({"dataset": f"images:{other}", "arch": "mlp"}))


# ---- whose a run is


def test_people_see_and_control_their_own_runs_and_an_admin_all(manager: Manager) -> None:
    ada, ben, admin = manager.of("ada"), manager.of("ben"), manager.of("root", sees_all=True)
    assert manager.of("ada") is ada
    (hers,), (his,), (nobodys,) = ada.start([LONG]), ben.start([LONG]), manager.start([LONG])
    assert [row["run_id"] for row in ada.runs()] == [hers]
    assert {row["run_id"] for row in admin.runs()} == {hers, his, nobodys}
    assert ada.get(hers)["owner"] == "ada"
    for verb in (ben.get, ben.pause, ben.resume, ben.stop, ben.delete, ben.result, ben.wait, ben.exports.state):
        with pytest.raises(InputError, match="no run"):
            verb(hers)
    for verb in (lambda: ben.label(hers, title="mine"), lambda: ben.move(hers, "front"), lambda: ben.exports.start(hers, "dense")):
        with pytest.raises(InputError, match="no run"):
            verb()
    with pytest.raises(InputError, match="no run"):
        ben.scores(None, hers, "snip")
    ben.send([hers, his], "stop")
    assert ben.wait(his, timeout=60) == "stopped"
    assert ada.get(hers)["command"] is None
    assert hers not in ben.waiting() + [run_id for run_id, _, _ in ben.store.revision([hers])]
    frames = (ben.store.epochs, ben.store.megabatches, ben.store.prunes, ben.store.layers)
    assert all(read([hers]).empty for read in frames)
    admin.stop(hers)
    assert ada.wait(hers, timeout=60) == "stopped"
    (new,) = admin.start([SETTINGS])
    assert admin.get(new)["owner"] == "root"


def test_ablations_belong_to_people_too(manager: Manager) -> None:
    ada, ben, admin = manager.of("ada"), manager.of("ben"), manager.of("root", sees_all=True)
    sweep = ada.ablations.create("hers", SETTINGS, {"seed": [0, 1]})
    started = ada.ablations.run_missing(sweep)["started"]
    assert len(started) == 2
    assert {ada.get(run_id)["owner"] for run_id in started} == {"ada"}
    assert [one["sweep_id"] for one in admin.ablations.all()] == [sweep]
    assert ben.ablations.all() == []
    rename = partial(ben.ablations.rename, title="his")
    for verb in (ben.ablations.get, ben.ablations.board, ben.ablations.run_missing, ben.ablations.delete, rename):
        with pytest.raises(InputError, match="no ablation"):
            verb(sweep)
    assert ada.ablations.get(sweep)["title"] == "hers"
    paths.limits(manager.store.folder).write_text('same_runs = "off"', encoding="utf-8")
    limits._read.cache_clear()
    his = ben.ablations.create("his", SETTINGS, {"seed": [0, 1]})
    assert ben.ablations.run_missing(his)["reused"] == []  # nobody learns what others have run


# ---- what is documented is so


def test_the_documented_file_is_one_and_names_every_limit() -> None:
    text = (Path(__file__).parents[1] / "docs" / "SERVER.md").read_text(encoding="utf-8")
    example = next(block for block in text.split("```toml\n")[1:] if block.startswith("admins")).partition("```")[0]
    values = tomllib.loads(example)
    assert set(values) == {field.alias or name for name, field in Limits.model_fields.items()}
    assert limits.parse(values).queue == values["queue"]
    assert f"tag `{limits.KEEP}`" in text


def test_the_app_is_bound_to_this_machine_and_protected() -> None:
    server = tomllib.loads((Path(__file__).parents[1] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]
    assert (server["address"], server["enableXsrfProtection"], server["enableCORS"]) == ("127.0.0.1", True, True)
