"""`python -m appcore VERB`: runs, the library, backups, checks of this machine. Bad input is answered before torch is imported.

Exit code 0 done, 1 failed, 2 bad input (one line on stderr, nothing written), 130, 143 or 129 interrupted by Ctrl-C, SIGTERM or SIGHUP
(resumable).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

from .. import installation, paths, plugins, quotas
from ..config import RunConfig, build, is_unicode
from ..datasets.base import Description
from ..errors import InputError
from ..names import counted
from ..recordings import catalog, shipped
from ..runner.slots import SHARE_VARIABLE
from ..statuses import ACTIVE
from ..trackers import sink
from . import check as checks
from . import dashboard, endings, flags, sweep
from . import study as studies
from .terminal import STOP_SECONDS, answer, follow, one_line, result_text

_DESCRIPTION = "Train networks on data streams while pruning them, and see what happens."
_CLOSING = (
    "Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP (resumable). APPCORE_STORE names "
    "the store, APPCORE_DATA the data folder."
)


# Errors of a path rather than of a disk: another path is the remedy.
_OF_NAMES = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage block."""
        raise InputError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    try:
        with endings.raised(), _own_variables():
            return _carry_out(given)
    except InputError as error:
        return _say(given, one_line(error.message), 2)
    except ModuleNotFoundError as error:
        if (error.name or __package__).partition(".")[0] == __package__.partition(".")[0]:
            raise
        return _say(given, f"the package {error.name} is not installed; run: {installation.INSTALL}", 1)
    except OSError as error:  # of a file or folder that the command or its environment names; what runs need is judged where they run
        if error.filename is None:
            raise
        return _say(given, one_line(f"{os.fsdecode(error.filename)}: {error.strerror}"), 2 if error.errno in _OF_NAMES else 1)
    except KeyboardInterrupt as error:
        return endings.code_of(getattr(error, "number", 0))


@contextmanager
def _own_variables() -> Iterator[None]:
    """What a command says by variables holds for it and its workers, not for the next one in this process."""
    before = {name: os.environ.get(name) for name in (SHARE_VARIABLE, sink.VARIABLE)}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _carry_out(given: list[str]) -> int:
    parser = _parser()
    args = parser.parse_args(given, argparse.Namespace(out=sys.stdout))
    _warn_of_repeats(given)
    for problem in plugins.problems():
        print(f"warning: {one_line(problem)}", file=sys.stderr)
    if getattr(args, "share", False):
        os.environ[SHARE_VARIABLE] = "1"
    if "log" in args:
        log = os.environ.get(sink.VARIABLE, "") if args.log is None else args.log
        sink.chosen(log, Path())  # before anything is written
        os.environ[sink.VARIABLE] = log
    if "command" not in args:
        parser.print_help()
        return 0
    with redirect_stdout(sys.stderr) if vars(args).get("json") else nullcontext():  # what anything else prints, e.g. a plug-in, is no JSON
        return args.command(args)


def _say(given: list[str], problem: str, code: int) -> int:
    """Report a problem in one line, and as a document to those who wanted one."""
    print(f"error: {problem}", file=sys.stderr)
    if any(word.partition("=")[0] == "--json" for word in given):
        print(json.dumps({"error": problem}))
    return code


def _warn_of_repeats(given: list[str]) -> None:
    """Say which flags are given twice: the last one counts, so that an alias with flags can be overridden."""
    names = [word.partition("=")[0].replace("--no-", "--", 1) for word in given if word.startswith("--")]
    for flag in [flag for flag, count in Counter(names).items() if count > 1 and flag != "--option"]:
        print(f"warning: {one_line(flag)} is given more than once; the last one counts", file=sys.stderr)


def _program() -> str:
    """How this program was called: by the name that pip installs, or as a module."""
    return installation.DISTRIBUTION if Path(sys.argv[0]).stem == installation.DISTRIBUTION else "python -m appcore"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_program(), description=_DESCRIPTION, epilog=_CLOSING, allow_abbrev=False)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def verb(name: str, command: Any, help: str, argument: str = "", meaning: str = "", *, prints: bool = True) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}", allow_abbrev=False)
        added.set_defaults(command=command)
        if argument:
            added.add_argument(argument.lower(), metavar=argument, help=meaning, type=flags.file if argument == "FILE" else str)
        if prints:
            added.add_argument("--json", action="store_true", help="print one JSON document on stdout and nothing else")
        return added

    dashboard.add(verb("dashboard", dashboard.start, "open the app in a browser", prints=False))
    run = "id of a run, or its beginning where that is unique"
    flags.add(verb("run", _run, "start a run and wait for its end"))
    sweep.add(verb("sweep", _sweep, "run every combination of values, or search among them; the same command again completes it"))
    verb("list", _list, "list all runs, newest first")
    verb("show", _show, "show one run: settings, status, numbers so far", "RUN", run)
    verb("log", _print_log, "print what the worker process of a run has printed", "RUN", run)
    resume = verb("resume", _resume, "go on with a run that was stopped, failed or lost, and wait for its end", "RUN", run)
    flags.add_share(resume)
    flags.add_log(resume)
    verb("stop", _stop, "stop a run, whichever process drives it; it can be resumed", "RUN", run)
    gone = verb("delete", _delete, "delete an ended run with its files, for good; asks before it does", "RUN", run)
    gone.add_argument("--yes", action="store_true", help="do not ask")
    export = verb("export", _export, "write a run's settings, numbers, masks, weights and bundle into a folder", "RUN", run)
    export.add_argument("--to", required=True, type=flags.path, metavar="DIR", help="folder to write into; made when it is not there")
    export.add_argument("--light", action="store_true", help="without weights: numbers and masks only, a tenth of the size or less")
    verb("import", _import, "add a run from a bundle that export wrote", "FILE", "RUN.zip of an export")
    backup = verb("backup", _backup, "write every run of the store, with its files, into one file; runs may go on")
    backup.add_argument(
        "--to", required=True, type=flags.path, metavar="FILE", help="file to write, e.g. backup.zip; replaced when it is there"
    )
    verb("restore", _restore, "put a backup into an empty store, of SQLite or PostgreSQL", "FILE", "a file that backup wrote")
    doctor = verb("doctor", _doctor, "check packages, devices, store, checkpoints and data sets")
    safely = "mend what can be mended safely; no run that can be read and no whole checkpoint is touched"
    doctor.add_argument("--repair", action="store_true", help=safely)
    bench = verb("bench", _bench, "measure this machine: masked steps, prune points, and the engine against the published style")
    bench.add_argument("--quick", action="store_true", help="fewer rounds, some minutes")
    record = verb("record", _record, "make the recorded runs that come with the program; what was interrupted goes on")
    record.add_argument("names", nargs="*", default=[], metavar="NAME", help="recordings to make [all that are not made yet]")
    record.add_argument("--list", action="store_true", help="say which there are, and which are made")
    record.add_argument("--anew", action="store_true", help="also those that are made already")
    record.add_argument("--images", type=flags.file, metavar="FILE", help="zip of CIFAR-10 [../shared/data/cifar10-small.zip]")
    record.add_argument("--to", type=flags.path, metavar="DIR", help="folder of their files [that of the package]")
    record.add_argument("--work", type=flags.path, metavar="DIR", help="folder in which they train [recordings, beside the runs]")
    flags.add_share(record)
    studies.add(verb("study", _study, "run the study of APP, OSP and dense at two densities; what was interrupted goes on"))
    check = verb("check", _check, "test what the literature says, at small scale; or the sanity card of a finished run")
    checks.add(check)
    flags.add_share(check)
    return parser


# ---- verbs


def _run(args: argparse.Namespace) -> int:
    from ..planning.plan import check
    from ..planning.relevance import is_relevant

    config = build(flags.settings(args)).anchored()  # as the run will keep it, so that both share the data
    found = check(config)
    note = quotas.remark(config.granularity, config.scope, config.densities)
    if note and is_relevant("granularity", config.model_dump()):
        print(f"note: {note}", file=sys.stderr)
    is_here = plugins.find("launchers", args.launcher).literals.get("IN_THIS_PROCESS", False)
    shared = _rehearse(config, found) if is_here else None
    manager = _manager()
    code = follow(manager, lambda: manager.start([config.model_dump()], launcher=args.launcher)[0], args)
    del shared
    return code


def _sweep(args: argparse.Namespace) -> int:
    return sweep.carry_out(args, _manager)


def _resume(args: argparse.Namespace) -> int:
    manager = _manager()
    run_id = _find(manager, args.run)

    def begin() -> str:
        manager.resume(run_id)
        return run_id

    return follow(manager, begin, args)


def _list(args: argparse.Namespace) -> int:
    manager = _manager()
    runs, unreadable = manager.store.survey() if manager.store.exists() else ([], [])
    for one in unreadable:
        print(f"left out: {one_line(str(one))}", file=sys.stderr)
    lines = [
        f"{row['run_id']}  {row['status']:8s}  {row['method']:6s} {row['pruner']:10s} {row['arch']:12s} {one_line(row['dataset'])}"
        for row in runs
    ]
    if runs or args.json:
        answer(args, runs, "\n".join(lines))
    elif not unreadable:
        print("no runs yet; start one with: python -m appcore run", file=sys.stderr)
    return 0


def _show(args: argparse.Namespace) -> int:
    manager = _manager()
    result = manager.result(_find(manager, args.run))
    settings = [f"{name}: {one_line(str(value))}" for name, value in result["config"].items()]
    answer(args, result, "\n".join([*settings, result_text(result)]))
    return 0


def _print_log(args: argparse.Namespace) -> int:
    manager = _manager()
    run_id = _find(manager, args.run)
    found = manager.log(run_id)
    if found is None:
        raise InputError(f"run {run_id} has no log here: no worker process of its own drove it, or that printed nothing", "run_id")
    if found["is_cut"]:
        print(f"left out: all but the end of {found['size']:,} bytes", file=sys.stderr)
    answer(args, {"run_id": run_id, **found}, found["text"].rstrip("\n"))
    return 0


def _stop(args: argparse.Namespace) -> int:
    manager = _manager()
    run_id = _find(manager, args.run)
    manager.stop(run_id)
    status = manager.wait(run_id, timeout=STOP_SECONDS) or manager.get(run_id)["status"]
    answer(args, {"run_id": run_id, "status": status}, f"run {run_id}: {status}")
    if status in ACTIVE:
        print(f"run {run_id} was sent stop and has not answered within {STOP_SECONDS:.0f} s", file=sys.stderr)
    return 1 if status in ACTIVE else 0


def _delete(args: argparse.Namespace) -> int:
    manager = _manager()
    if not manager.store.exists():
        raise InputError(f"no run {args.run!r}: there is no store yet at {paths.store_file(manager.store.url)}", "run_id")
    run_id = manager.store.find(args.run)
    if not args.yes:
        if not sys.stdin.isatty():
            raise InputError(f"run {run_id} would be deleted for good; say --yes where nobody can be asked")
        print(f"Delete run {one_line(run_id)} with all its files, for good? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise InputError(f"run {run_id} was left as it is")
    manager.delete(run_id)
    answer(args, {"run_id": run_id, "deleted": True}, f"run {run_id}: deleted")
    return 0


def _export(args: argparse.Namespace) -> int:
    from ..transfer.bundle_export import export

    manager = _manager()
    run_id = _find(manager, args.run)
    files = export(manager.store, run_id, args.to, lambda remark: print(one_line(remark), file=sys.stderr), light=args.light)
    answer(args, {"files": files}, "\n".join(files))
    return 0


def _import(args: argparse.Namespace) -> int:
    run_id = _manager().import_bundle(args.file)
    answer(args, {"run_id": run_id}, f"run {run_id}")
    return 0


def _backup(args: argparse.Namespace) -> int:
    from ..transfer.backup import backup

    manager = _manager()
    if not manager.store.exists():
        raise InputError(f"there is no store yet at {paths.store_file(manager.store.url)}; there is nothing to back up")
    found = backup(manager.store, args.to)
    if found["left_out"]:
        print(f"left out, not the program's: {counted(found['left_out'], 'file')} in the folders of runs", file=sys.stderr)
    answer(args, found, f"{counted(found['runs'], 'run')}, {counted(found['files'], 'file')}, {found['bytes']:,} bytes: {args.to}")
    return 0


def _restore(args: argparse.Namespace) -> int:
    from ..transfer.backup import restore

    store = _manager().store
    found = restore(store, args.file)
    if code := found.get("code"):
        where = paths.restored_code(store.folder, "*").parent
        print(f"not allowed to run yet: {counted(code, 'Python file')} of networks in {where}; read them first", file=sys.stderr)
    saved = f"; saved views and presets: {found['saved']}" if "saved" in found else ""
    answer(args, found, f"{counted(found['runs'], 'run')} {'is' if found['runs'] == 1 else 'are'} back{saved}")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from .doctor import examine

    findings = examine(repair=args.repair)
    answer(args, findings, "\n".join(f"{'ok  ' if found['ok'] else 'FAIL'}  {found['name']}: {found['text']}" for found in findings))
    return 0 if all(finding["ok"] for finding in findings) else 1


def _bench(args: argparse.Namespace) -> int:
    _check_torch()
    from ..bench.machine import measure
    from ..bench.timing import table

    found = measure(quick=args.quick)
    answer(args, found, table(found))
    return 0


def _record(args: argparse.Namespace) -> int:
    from . import record

    to = Path(args.to) if args.to else shipped.FOLDER
    if args.list:
        found = record.listed(to)
        lines = [
            f"{one['name']:24s} {len(one['made'])} of {len(one['runs'])}  {one['seconds']:6.0f} s  {one['bytes']:9,} bytes  {one['title']}"
            for one in found
        ]
        answer(args, found, "\n".join(lines))
        return 0
    _check_torch()
    work = Path(args.work) if args.work else record.default_work()
    made = record.record(args.names or catalog.names(), args.images or record.IMAGES, work, to, anew=args.anew)
    answer(args, {"runs": made}, "\n".join(made) or "all are made already")
    return 0


def _study(args: argparse.Namespace) -> int:
    _check_torch()
    return studies.carry_out(args)


def _check(args: argparse.Namespace) -> int:
    _check_torch()

    def find(name: str) -> tuple[Any, str]:
        manager = _manager()
        return manager.store, _find(manager, name)

    return checks.carry_out(args, find)


# ---- internal


def _manager() -> Any:
    from ..service.manager import shared

    return shared()


def _find(manager: Any, name: str) -> str:
    """The id of the run whose id begins with `name`."""
    if not manager.store.exists():
        raise InputError(f"no run {name!r}: there is no store yet at {paths.store_file(manager.store.url)}", "run_id")
    if not is_unicode(name):
        raise InputError(f"no run {name!r}: an id has digits, letters a to f and hyphens", "run_id")
    return manager.get(name)["run_id"]


def _check_torch() -> None:
    from ..installation import mismatch

    if problem := mismatch():
        raise InputError(problem)


def _rehearse(config: RunConfig, found: Description) -> Any:
    """Check what could fail at the start of a run: device, data, network. Returns the data, which the run then shares."""
    _check_torch()
    from ..engine import network_check
    from ..engine.stream import load_data, pick_device

    device = pick_device(config.device)
    network_check.check(config, found)
    return load_data(config, device)
