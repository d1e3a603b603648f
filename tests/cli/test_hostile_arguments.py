"""The command line as a hostile or hurried user would use it, generated from its own declarations: one line, exit 2, nothing written."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_masks
import fake_runs
import pytest

from appcore import paths
from appcore.cli import main as module
from appcore.config import RunConfig, build
from appcore.engine import threads
from appcore.errors import InputError
from appcore.planning.ablation_grid import all_options
from appcore.runner import slots
from appcore.storage.store import Store

REACHED = "these settings would run"
BYTES = os.fsdecode(b"\xff\xfe")  # as a terminal or a script hands over what is not UTF-8
SMALL = ["--arch", "mlp", "--limit-train", "60", "--limit-test", "20"]
WORDS = [
    *("", " ", "-", "-1", "-0", "0", "0.5", "1", "1e3", "1e400", "-1e400", "1e-400", "nan", "-NaN", "inf", "-inf", "Infinity", "1_000"),
    *("0x10", "1,5", ",", "9" * 30, "9" * 5000, "\u0663", "\uff11\uff12", "\u2167", "\u00bd", "\u00b2", "\u2212" + "1", "None", "null"),
    *("true", "[]", "{}", "\u202e5", "5\n6", "5\x00", "\x1b[2J", "$(id)", "'; DROP TABLE runs; --", "%s%n", "../..", "a" * 5000),
    *("\U0001f9e0", BYTES, f"images:{BYTES}", "images:", "images:\x00", "torchvision:", f"torchvision:{BYTES}"),
]
PARSER = module._parser()  # to make it takes nine tenths of the time that a refusal does, and there are thousands of these
IDS = ["2020", "", " ", "%", "_", "*", "\n", BYTES, "../..", "a" * 5000, "' OR 1=1 --", "\x00", "\U0001f9e0"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the command is called in; nothing may be left there."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(paths.STORE_VARIABLE, str(folder / "store" / "runs.db"))
    monkeypatch.delenv(paths.DATA_VARIABLE, raising=False)
    return folder


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The settings with which a run would have begun: none begins here."""
    found: list[RunConfig] = []

    def rehearse(config: RunConfig, _: object) -> None:
        found.append(config)
        raise InputError(REACHED)

    monkeypatch.setattr(module, "_rehearse", rehearse)
    return found


@pytest.fixture
def refused(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the command; its one line of error."""
    monkeypatch.setattr(module, "_parser", lambda: PARSER)

    def call(*words: str) -> str:
        before = {path: path.lstat().st_mtime_ns for path in home.rglob("*")}
        capsys.readouterr()
        code = module.main(list(words))
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), (words, code, said)
        assert said.err.startswith("error: ") and said.err.count("\n") == 1 and said.err.strip().isprintable(), (words, said.err)
        assert len(said.err) < 2100 and "Traceback" not in said.err
        assert {path: path.lstat().st_mtime_ns for path in home.rglob("*")} == before, words
        return said.err

    return call


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    (verbs,) = [action for action in PARSER._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(verbs.choices)


def needs(verb: str) -> list[str]:
    """What a verb cannot do without, with values that lead nowhere."""
    return [
        word for action in parsers()[verb]._actions if action.required for word in [*action.option_strings[:1], f"nothing-{action.dest}"]
    ]


def flags_of(verb: str) -> Iterator[argparse.Action]:
    return (action for action in parsers()[verb]._actions if action.option_strings and not isinstance(action, argparse._HelpAction))


# ---- numbers and words for every setting


@pytest.mark.thorough
@pytest.mark.parametrize("name", RunConfig.model_fields)
def test_no_value_of_a_setting_gets_past_its_declaration(name: str, refused: Callable[..., str], tried: list[RunConfig]) -> None:
    flag = "--option" if name == "options" else f"--{name.replace('_', '-')}"
    for word in WORDS:
        tried.clear()
        said = refused(
            "run", *(other for other in SMALL if flag not in SMALL or other not in (flag, SMALL[SMALL.index(flag) + 1])), f"{flag}={word}"
        )
        if tried:
            assert REACHED in said
            assert_is_allowed(name, getattr(tried[0], name))
        else:
            assert name.rstrip("s") in said.replace("-", "_") or "argument" in said, (word, said)


def assert_is_allowed(name: str, value: Any) -> None:
    """Whether a value lies where its field says, whatever way it was written."""
    field = RunConfig.model_fields[name]
    if isinstance(value, float):
        assert math.isfinite(value)
    for rule in field.metadata:
        assert value >= getattr(rule, "ge", value) and value <= getattr(rule, "le", value)
        assert getattr(rule, "gt", None) is None or value > rule.gt
        assert getattr(rule, "lt", None) is None or value < rule.lt
    build({name: value})
    str(value).encode()  # no database takes half characters
    assert "\0" not in str(value)


@pytest.mark.thorough
@pytest.mark.parametrize("name", all_options())
def test_no_value_of_a_parameter_gets_past_its_declaration(name: str, refused: Callable[..., str], tried: list[RunConfig]) -> None:
    owner = next(
        (f"--{field}", choice.name)
        for field, kind in module.flags._MENUS.items()
        for choice in module.plugins.choices(kind).values()
        if name in choice.options
    )
    about = all_options()[name]
    for word in [*WORDS, "1e999", "-1e999", "NaN", "[" * 100_000, '{"a": 1}', '"\\ud800"']:
        tried.clear()
        said = refused("run", *SMALL, *owner, "--option", f"{name}={word}")
        if tried and name in tried[0].options:
            value = tried[0].options[name]
            assert type(value) in (type(about["default"]), int) and (isinstance(value, str) or math.isfinite(value))
            assert not isinstance(value, (int, float)) or about.get("ge", value) <= value <= about.get("le", value)
        assert tried or "option" in said


def test_settings_that_fit_each_other_are_all_that_is_left() -> None:
    """The test above lets pass what the program lets pass: it does pass something."""
    assert build({"seed": "1_000"}).seed == 1000


# ---- verbs


@pytest.mark.thorough
@pytest.mark.parametrize("verb", parsers())
def test_a_verb_names_what_it_lacks_and_what_it_does_not_know(verb: str, refused: Callable[..., str]) -> None:
    if needs(verb):
        assert refused(verb).count(verb)
    for word in ("--sparsity", "--sparsity=1", "-x", f"--{BYTES}", "extra", "", BYTES):
        assert refused(verb, *needs(verb), word)
    for action in flags_of(verb):
        if action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction):
            assert action.option_strings[0] in refused(
                verb, *(word for word in needs(verb) if word != action.option_strings[0]), action.option_strings[0]
            )
            short = action.option_strings[0][:-1]
            if short not in PARSER._option_string_actions and len(short) > 3:
                refused(verb, *needs(verb), short, "1")


def test_of_a_flag_given_twice_the_last_one_counts_and_a_warning_says_so(
    home: Path, tried: list[RunConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    """As with most programs, so that an alias can be overridden."""
    module.main(
        ["run", *SMALL, "--seed", "1", "--seed=2", "--flip", "--no-flip", "--pruner", "force", "--option", "rounds=3", "--option=rounds=4"]
    )
    assert (tried[0].seed, tried[0].flip, tried[0].options) == (2, False, {"rounds": 4})
    said = capsys.readouterr().err.splitlines()
    assert said[:-1] == [f"warning: {flag} is given more than once; the last one counts" for flag in ("--seed", "--flip")]
    assert module.main(["list", "--json", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert not list(home.iterdir())


@pytest.mark.thorough
@pytest.mark.parametrize("verb", ["show", "resume", "stop", "export", "check"])
def test_a_run_that_is_not_there_is_named(verb: str, refused: Callable[..., str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def words(run_id: str) -> list[str]:
        return {"export": [verb, run_id, "--to", "out"], "check": [verb, "--run", run_id]}.get(verb, [verb, run_id])

    assert "no store yet" in refused(*words("2020"))
    store = Store()
    mine = [fake_runs.write(store) for _ in range(2)]
    there = Store(home.parent / "elsewhere.db")
    theirs = fake_runs.write(there)
    while theirs in mine:
        theirs = fake_runs.write(there)
    for run_id in [*IDS, theirs]:
        assert "no run" in refused(*words(run_id)), run_id
    said = refused(*words(mine[0][:2]))
    assert "fits several runs" in said and all(run_id in said for run_id in mine)


def test_json_says_the_problem_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    for words in (["run", "--seed", "x"], ["show", "2020"], ["fly"], ["run", "--option", "a=1"]):
        assert module.main([*words, "--json"]) == 2
        said = capsys.readouterr()
        assert said.err == f"error: {json.loads(said.out)['error']}\n"
    assert module.main(["run", "--json=yes"]) == 2 and "json" in json.loads(capsys.readouterr().out)["error"]
    assert not list(home.iterdir())


def test_notes_of_a_run_are_said_without_json_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store()
    run_id = fake_runs.write(store)
    store.update(run_id, notes=["val/ is read as test/.", "two\nlines"])
    assert module.main(["show", run_id]) == 0
    assert capsys.readouterr().out.endswith("\nnote: val/ is read as test/.\nnote: two lines\n")


# ---- files and folders


@pytest.fixture
def odd(home: Path) -> dict[str, str]:
    """Paths that are no bundle and no backup."""
    (home / "empty").write_bytes(b"")
    (home / "text").write_text("hello")
    (home / "folder").mkdir()
    (home / "loop").symlink_to("loop")
    os.mkfifo(home / "pipe")
    names = {name: name for name in ("empty", "text", "folder", "loop", "pipe", "not there", "empty/inside", BYTES, "a" * 5000)}
    return {**names, "nothing": "", "home of nobody": "~nobody-of-that-name/x", "device": "/dev/null", "endless": "/dev/zero", "root": "/"}


def exportable() -> str:
    """A made-up run that has all that an export needs."""
    store = Store()
    run_id = fake_masks.write(store, megabatches=1)
    store.update(run_id, progress=None)
    return run_id


@pytest.mark.parametrize("verb", ["import", "restore"])
def test_a_file_that_is_none_is_named(verb: str, refused: Callable[..., str], odd: dict[str, str]) -> None:
    for name, path in odd.items():
        assert refused(verb, path), name


@pytest.mark.thorough
@pytest.mark.parametrize("verb", ["export", "backup"])
def test_a_place_that_cannot_be_written_is_named(verb: str, refused: Callable[..., str], odd: dict[str, str]) -> None:
    run_id = exportable()
    words = [verb, run_id, "--to"] if verb == "export" else [verb, "--to"]
    own = ("text", "device", "loop") if verb == "export" else ("folder", "root")
    for name in ("empty/inside", "a" * 5000, "nothing", "home of nobody", *own):
        said = refused(*words, odd[name])
        assert odd[name][:20] in said or "--to" in said, (name, said)


# ---- the environment


ODD_VALUES = ["sqlite:///~nobody-of-that-name/x", BYTES, "a" * 5000, "/dev/null/x", "~nobody-of-that-name/x", "x\ny", "://", "."]


@pytest.mark.thorough
@pytest.mark.parametrize("variable", [name for name in vars(paths) if name.endswith("_VARIABLE")] + ["FOLDER_VARIABLE", "SLOTS_VARIABLE"])
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: ascii(value[:12]))
def test_no_value_of_a_variable_is_a_traceback(
    variable: str, value: str, home: Path, tried: list[RunConfig], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = getattr(paths, variable, None) or getattr(module.plugins, variable, None) or getattr(slots, variable)
    monkeypatch.setenv(name, value)
    for words in (
        ["list"],
        ["list", "--json"],
        ["show", "2020"],
        *(["run", *SMALL, "--dataset", name] for name in ("digits", "mnist", "images:x")),
    ):
        code = module.main(words)
        said = capsys.readouterr()
        errors = [line for line in said.err.splitlines() if not line.startswith(("warning: ", "no runs yet"))]
        assert code in (0, 2) and len(errors) == (code == 2), (words, said)
        assert all(line.startswith("error: ") and line.isprintable() for line in errors)
    assert not list(home.iterdir())


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "9999", "9" * 5000, BYTES, " "])
def test_a_number_of_threads_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.THREADS_VARIABLE, value)
    with pytest.raises(InputError, match=threads.THREADS_VARIABLE):
        threads._all_threads()
    assert os.environ[threads.THREADS_VARIABLE] == value
    for fine in ("1", "3", ""):
        monkeypatch.setenv(threads.THREADS_VARIABLE, fine)
        assert threads._all_threads() >= 1


# ---- bytes that are not UTF-8 where they can be used


@pytest.mark.thorough
def test_files_and_folders_with_such_names_work(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["run", *SMALL, "--megabatches", "1", "--epochs", "1"]) == 0
    run_id = Store().runs()[0]["run_id"]
    assert module.main(["export", run_id, "--to", BYTES]) == 0
    assert module.main(["backup", "--to", f"{BYTES}.zip"]) == 0
    for verb, source in (("import", f"{BYTES}/{run_id}.zip"), ("restore", f"{BYTES}.zip")):
        monkeypatch.setenv(paths.STORE_VARIABLE, str(home / verb / BYTES / "runs.db"))
        assert module.main([verb, source]) == 0
        capsys.readouterr()
        assert module.main(["list", "--json"]) == 0
        assert run_id in capsys.readouterr().out


def test_images_below_such_a_name_are_refused_before_a_run_is_made(refused: Callable[..., str], home: Path) -> None:
    for split in ("train", "test"):
        for label in "ab":
            (home / BYTES / split / label).mkdir(parents=True)
    assert "not Unicode" in refused("run", *SMALL, "--dataset", f"images:{BYTES}")
    assert "not Unicode" in refused("check", "--quick", "--dataset", f"images:{BYTES}")
