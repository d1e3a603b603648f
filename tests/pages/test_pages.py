"""Each page opened with an empty store and with queued, running, finished, failed and lost runs; forms, links, verbs. No browser."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from packaging.version import Version
from PIL import Image
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from appcore import installation
from appcore.config import RunConfig
from appcore.names import MOST_TITLE
from appcore.service import manager
from appcore.storage.store import Store
from appcore.ui.app import page_files
from appcore.ui.settings import form
from appcore.ui.words import format, run_status

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are tested without importing torch in the background."""
    box = types.ModuleType("_appcore_warm_up")
    box.thread = None
    monkeypatch.setitem(sys.modules, "_appcore_warm_up", box)


@pytest.fixture
def store() -> Store:
    """The store that the pages of this test see."""
    return manager.shared().store


def opened(page: str, **query: str) -> AppTest:
    """A page by a link to it, as the first one of a session."""
    app = AppTest.from_file(APP, default_timeout=60)
    if page != "home":
        app.session_state["_goto"] = (page, query)  # through app.py, as in a browser
    app.run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """Everything that is written on a page."""
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "success", "info")
    texts = [str(item.value) for kind in kinds for item in getattr(app, kind)]
    return "\n".join([*texts, *(str(metric.label) + " " + str(metric.value) for metric in app.metric), *_other(app)])


def _other(app: AppTest) -> list[str]:
    return [str(getattr(item.proto, "text", "")) for item in app.get("progress")] + [str(item.proto.label) for item in app.get("page_link")]


def test_start_page_with_an_empty_store() -> None:
    app = opened("home")
    assert "No runs yet" in words(app)
    assert app.button(key="start").label == "Start SNIP versus magnitude"


def test_start_page_lists_the_newest_runs_with_their_states(store: Store) -> None:
    fake_runs.write(store, title="A finished one")
    fake_runs.write(store, title="A broken one", until=20, status="failed")
    fake_runs.keep_alive(store, fake_runs.write(store, title="A busy one", until=20, status="running"))
    text = words(opened("home"))
    for expected in ("A finished one", "A broken one", "A busy one", "Done", "Failed", "Running", "96.7"):
        assert expected in text


@pytest.mark.thorough
def test_what_has_been_run_is_shown_and_run_again_where_that_is_wanted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair on Start and the form: a second press shows the run that there is, unless *Run it again* is on."""
    called: list[str] = []
    monkeypatch.setattr(manager.Manager, "start", lambda self, configs, **options: called.append("start") or known[: len(configs)])
    once = {"runs": [], "reused": []}
    monkeypatch.setattr(manager.Manager, "start_once", lambda self, configs, **options: called.append("once") or once | {"runs": known})
    usual = {name: getattr(RunConfig(), name) for name in ("megabatches", "epochs")}
    first = fake_runs.write(store, pruner="snip", **usual)
    assert "has been run already" not in words(opened("home"))  # one of the pair
    assert "has been run already" in words(opened("run"))
    known = [first, fake_runs.write(store, pruner="magnitude", **usual)]
    for page in ("home", "run"):
        for is_wanted in (False, True):
            app = opened(page)
            assert "has been run already" in words(app)
            app.toggle(key="form_again").set_value(is_wanted).run()
            app.button(key="start").click().run()
    assert called == ["once", "start"] * 2


def test_run_page_without_a_run_is_the_form_with_plan_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = {"samples": 31_032, "training_flops": 4.68e11, "seconds": 16.0, "memory_bytes": 465e6, "measured_on": "a few steps"}
    monkeypatch.setattr(manager.Manager, "estimate", lambda self, config: cost)
    app = opened("run")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Training images": "31,032",
        "Training FLOPs, dense": "468 GFLOP",
        "Time": "≈ 16 s",
        "Peak memory": "≈ 465 MB",
    }
    assert not app.button(key="start").disabled


@pytest.fixture
def launch_form(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(
        manager.Manager,
        "estimate",
        lambda self, config: {**dict.fromkeys(("samples", "training_flops", "memory_bytes"), 1), "seconds": 1.0},
    )
    return opened("run")


@pytest.mark.thorough
def test_only_settings_that_matter_are_shown(launch_form: AppTest) -> None:
    keys = {item.key for item in launch_form.number_input}
    assert "form_buffer_size" not in keys
    assert [item.key for item in launch_form.select_slider] == ["form_tau"]
    launch_form.selectbox(key="form_replay").select("buffer").run()
    assert launch_form.number_input(key="form_buffer_size").value == 1000
    launch_form.selectbox(key="form_method").select("dense").run()
    assert not launch_form.select_slider


def test_every_field_of_the_configuration_can_be_set(launch_form: AppTest) -> None:
    kinds = ("selectbox", "number_input", "toggle", "text_input", "select_slider")
    shown = {item.key for kind in kinds for item in getattr(launch_form, kind)}
    defaults = form.RunConfig().model_dump()
    expected = {f"form_{name}" for name in form.RunConfig.model_fields if name != "options" and form.is_relevant(name, defaults)}
    assert expected <= shown


def test_every_field_has_help_with_its_limits(launch_form: AppTest) -> None:
    for kind in ("selectbox", "number_input", "toggle"):
        for item in getattr(launch_form, kind):
            assert item.proto.help or item.key == "projector", item.key  # which is no field, but on every page
    assert "From 1 to 1,000" in launch_form.number_input(key="form_megabatches").proto.help


def test_bad_input_is_told_at_the_field_and_start_is_locked(launch_form: AppTest) -> None:
    launch_form.number_input(key="form_megabatches").set_value(1000).run()
    assert "need at least as many" in words(launch_form) or "leave" in words(launch_form)
    assert launch_form.button(key="start").disabled
    launch_form.number_input(key="form_megabatches").set_value(4).run()
    assert not launch_form.button(key="start").disabled
    launch_form.text_input(key="form_lr_drops").set_value("0.4, zebra").run()
    assert "lr_drops" in words(launch_form)
    assert not launch_form.exception


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"method": "cs", "granularity": "filter"}, "granularity"),
        ({"method": "ll-bu", "granularity": "2:4"}, "granularity"),
        ({"method": "osp", "semantics": "released-code"}, "semantics"),
        ({"dataset": "digits", "split": "0.2"}, "split"),
        ({"lr_schedule": "one-cycle", "lr_warmup": "0.1"}, "lr_warmup"),
        ({"class_order": "1,0"}, "class_order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_that_is_wrong_is_there_where_it_would_have_no_effect(settings: dict[str, str], field: str) -> None:
    app = opened("run", **settings)
    (message,) = form.check(form.address.read(settings)[1])[1][field]
    assert message in words(app) and app.button(key="start").disabled
    assert f"form_{field}" in {item.key for kind in ("selectbox", "number_input", "text_input") for item in getattr(app, kind)}
    more = next(item for item in app.expander if item.label == "More settings")
    assert more.proto.expanded


@pytest.mark.thorough
def test_groups_over_the_whole_network_come_with_what_to_know_of_them() -> None:
    note = "a small layer can lose all of its own"
    assert note in words(opened("run", granularity="filter"))
    for settings in ({"granularity": "filter", "scope": "layer"}, {"granularity": "2:4"}, {}, {"granularity": "filter", "method": "dense"}):
        assert note not in words(opened("run", **settings))


def test_own_images_ask_for_a_path_and_a_bad_one_is_told(launch_form: AppTest) -> None:
    launch_form.selectbox(key="form_dataset").select("images:").run()
    launch_form.text_input(key="form_argument_dataset").set_value("/no/such/folder").run()
    assert "/no/such/folder" in words(launch_form)
    assert launch_form.button(key="start").disabled
    assert not launch_form.exception


def test_a_set_without_test_images_is_offered_a_split(launch_form: AppTest, tmp_path: Path) -> None:
    for name in (f"{label}/{number}.png" for label in ("cat", "dog") for number in range(10)):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / name)
    assert "form_split" not in {item.key for item in launch_form.number_input}  # digits have test images
    launch_form.selectbox(key="form_dataset").select("images:").run()
    launch_form.text_input(key="form_argument_dataset").set_value(str(tmp_path / "pictures")).run()
    assert "or set split" in words(launch_form) and launch_form.button(key="start").disabled
    launch_form.number_input(key="form_split").set_value(0.2).run()
    launch_form.number_input(key="form_megabatches").set_value(1).run()
    assert not launch_form.button(key="start").disabled and not launch_form.exception, words(launch_form)
    assert launch_form.query_params["split"] == "0.2"


def test_a_torchvision_classifier_is_asked_for_by_name(launch_form: AppTest) -> None:
    launch_form.selectbox(key="form_arch").select("torchvision:").run()
    assert "unknown name" not in words(launch_form) and launch_form.button(key="start").disabled  # nothing was typed yet
    launch_form.text_input(key="form_argument_arch").set_value(" mobilenet_v3_small ").run()
    assert launch_form.query_params == {"arch": "torchvision:mobilenet_v3_small"}
    assert not launch_form.button(key="start").disabled and not launch_form.exception
    launch_form.selectbox(key="form_arch").select("resnet20").run()
    assert launch_form.query_params == {}


def test_imagenet_that_is_not_there_is_told_with_its_place(launch_form: AppTest) -> None:
    launch_form.pills(key="form_preset_gpu").select("few-shot-540").run()
    assert r"train/n01440764/\*.JPEG" in words(launch_form) and launch_form.button(key="start").disabled
    assert not launch_form.exception and "form_image_size" in {item.key for item in launch_form.number_input}


def test_settings_of_the_user_survive_a_change_of_the_data_set_and_recipes_do_not(launch_form: AppTest) -> None:
    launch_form.number_input(key="form_seed").set_value(7).run()
    launch_form.selectbox(key="form_dataset").select("mnist").run()
    assert launch_form.query_params == {"seed": "7", "dataset": "mnist"}
    assert "also sets" in words(launch_form)  # what another recipe changes is said
    launch_form.selectbox(key="form_dataset").select("digits").run()
    assert launch_form.query_params == {"seed": "7"}


def test_start_hands_the_chosen_settings_to_the_manager(launch_form: AppTest, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def start(self: Any, configs: list[dict], **_: Any) -> dict[str, list[str]]:
        started.extend(configs)
        return {"runs": [fake_runs.write(store)], "reused": []}

    monkeypatch.setattr(manager.Manager, "start_once", start)
    launch_form.selectbox(key="form_pruner").select("magnitude").run()
    launch_form.button(key="start").click().run()
    assert started == [{"pruner": "magnitude"}]
    assert not launch_form.exception


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("state", "expected", "verb"),
    [
        ("running", "Running", "Pause"),
        ("queued", "Queued", "Pause"),
        ("paused", "Paused", "Resume"),
        ("stopped", "Stopped", "Resume"),
        ("failed", "the disk is full", "Try again"),
        ("lost", "ended without a word", "Resume"),
        ("done", "Done", "Pause"),
    ],
)
def test_run_page_shows_each_state_and_what_can_be_done(store: Store, state: str, expected: str, verb: str) -> None:
    run_id = fake_runs.write(store, until=None if state == "done" else 40, status=state)
    if state in ("running", "queued", "paused"):
        fake_runs.keep_alive(store, run_id)
    app = opened("run", run=run_id)
    assert expected in words(app)
    labels = {button.label: button.disabled for button in app.button}
    assert verb in labels
    assert labels["Stop"] == (state in ("stopped", "failed", "lost", "done"))


def test_a_failed_run_shows_its_reason_and_keeps_the_traceback_folded(store: Store) -> None:
    app = opened("run", run=fake_runs.write(store, until=40, status="failed"))
    assert [item.value for item in app.error] == ["RuntimeError: the disk is full; free some space and resume"]
    assert "Traceback" in app.code[0].value
    assert "Traceback" in [item.label for item in app.expander]


def test_numbers_of_a_finished_run_are_those_of_the_store(store: Store) -> None:
    run_id = fake_runs.write(store)
    last = store.megabatches(run_id).iloc[-1]
    shown = {metric.label: metric.value for metric in opened("run", run=run_id).metric}
    assert shown["Test accuracy"] == format.percent(last["test_accuracy"])
    assert shown["CER"] == str(last["cer"])
    assert shown["Sparsity"] == "63.4\u00a0%"
    assert shown["Time"] == "34 s"


def test_a_run_that_is_not_there_is_told_in_one_line() -> None:
    app = opened("run", run="20990101-000000-abcd")
    assert "20990101-000000-abcd" in app.error[0].value


@pytest.mark.thorough
def test_fields_for_titles_hold_all_that_a_title_may_have(store: Store) -> None:
    run_id = fake_runs.write(store)
    fields = {item.key: item.proto.max_chars for page in (opened("run"), opened("run", run=run_id)) for item in page.text_input}
    assert fields["form_title"] == fields[f"title-{run_id}"] == MOST_TITLE


def test_buttons_send_commands(store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running"))
    app = opened("run", run=run_id)
    app.button(key="stop").click().run()
    assert store.command(run_id) == "stop"
    assert "Stopping" in words(app)


@pytest.mark.parametrize(
    ("torch", "torchvision", "requires", "expected"),
    [
        ("2.15.0", "0.30.0", ["torch==2.15.0"], None),
        ("2.15.0+cpu", "0.30.0+cpu", ["torch==2.15.0"], None),
        ("2.15.0", "0.29.0", ["numpy", "torch==2.14.0"], "torch 2.15.0 and torchvision 0.29.0 do not match"),
        ("2.15.0+cpu", "0.30.0+cu130", ["torch==2.15.0"], "one is built for cpu, the other for cu130"),
    ],
)
def test_a_mismatched_installation_is_told_in_one_sentence(torch: str, torchvision: str, requires: list[str], expected: str | None) -> None:
    found = installation._mismatch(Version(torch), Version(torchvision), requires)
    assert (found is None) == (expected is None)
    assert expected is None or (expected in found and "pip install -r requirements.txt" in found)


def test_the_app_says_it_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "mismatch", lambda: "torch 1 and torchvision 2 do not match; install the pair again.")
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert [item.value for item in app.error] == ["torch 1 and torchvision 2 do not match; install the pair again."]
    assert not app.title


def test_silence_of_a_running_run_is_called_stalled() -> None:
    progress = {"samples_seen": 10, "updated": "2026-01-01T00:00:00+00:00", "images_per_second": 1000.0, "megabatch": 0, "epoch": 0}
    run = {"status": "running", "command": None, "progress": progress, "config": {"batch_size": 64}}
    assert run_status.state(run, run_status.datetime.fromisoformat("2026-01-01T00:00:05+00:00")) == "running"
    assert run_status.state(run, run_status.datetime.fromisoformat("2026-01-01T00:01:00+00:00")) == "stalled"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format.duration(34), "34 s"),
        (format.duration(320), "5 min 20 s"),
        (format.duration(7800), "2 h 10 min"),
        (format.about(87), "1 min 30 s"),
        (format.flops(4.68e11), "468 GFLOP"),
        (format.count(14_553), "14,553"),
        (format.percent(0.63361), "63.4\u00a0%"),
        (format.points(-0.021), "-2.1 points"),
        (format.points(-0.0004), "+0.0 points"),  # no negative zero
        (format.size(2.3e9), "2.3 GB"),
    ],
)
def test_numbers_as_text(text: str, expected: str) -> None:
    assert text == expected


_SURVIVORS = """
import gc, time, types
from appcore import installation
time.sleep = lambda seconds: None
installation._import(types.ModuleType("box"), ("appcore.engine.loop",), lambda: None)
before = gc.get_stats()[2]["collections"]
kept = [[index] for index in range(100_000)]
print(gc.get_stats()[2]["collections"] - before)
"""


@pytest.mark.slow
def test_what_redrawn_pages_leave_behind_is_found_soon_after_the_start() -> None:
    """Python looks through everything once a quarter as many objects survived as lived the last time: torch's must not count."""
    found = subprocess.run(
        [sys.executable, "-c", _SURVIVORS], cwd=Path(APP).parent, capture_output=True, text=True, timeout=120, check=True
    )
    assert int(found.stdout) >= 1


@pytest.mark.thorough
@pytest.mark.parametrize("page", page_files.found())
def test_a_broken_store_is_one_line_on_every_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database at all, whatever its name says" * 40)
    monkeypatch.setenv("APPCORE_STORE", str(broken))
    app = AppTest.from_file(APP, default_timeout=60)
    app.session_state["_goto"] = (page, {"run": "20260101-000000-aaaa"} if page == "run" else {})  # through app.py, as in a browser
    app.run()
    assert not app.exception
    is_said = any("broken.db" in error.value and "\n" not in error.value for error in app.error)
    assert is_said == (page not in ("playground", "glossary"))  # which ask for nothing in it


@pytest.mark.thorough
def test_a_changed_setting_is_told_to_the_browser_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told again later it could come when Back has been pressed meanwhile, and there would be no way forward."""
    app, told = opened("run"), list[str]()
    send = QueryParams._send_query_param_msg
    monkeypatch.setattr(QueryParams, "_send_query_param_msg", lambda params: (told.append(params.to_dict().get("seed", "")), send(params)))
    app.number_input(key="form_seed").set_value(7).run()
    assert told == ["7"]
    app.run()  # as when the costs are known
    assert told == ["7"]
    app.query_params["seed"] = "8"  # a link to the page that it stands on: only the page can say it
    app.run()
    assert told == ["7", "8"]
