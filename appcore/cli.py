"""`python -m appcore`: run, list, show, resume, stop, export, import, doctor, bench. Flags of `run` derive from RunConfig.

Exit code 0 done, 1 failed, 2 bad input (one line on stderr, nothing written), 130 interrupted (resumable).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, NoReturn, get_origin

from .config import InputError, RunConfig, build
from .presets import PRESETS

_ENDED = {"done": 0, "failed": 1, "lost": 1, "stopped": 130}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage block."""
        raise InputError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; returns the exit code."""
    try:
        args = _parser().parse_args(argv)
        return args.command(args)
    except InputError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m appcore", description=__doc__.splitlines()[0], allow_abbrev=False)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def verb(name: str, command: Any, help: str, as_json: bool = True) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(command=command)
        if as_json:
            added.add_argument("--json", action="store_true", help="print one JSON document on stdout and nothing else")
        return added

    run = verb("run", _run, "start a run and wait for its end")
    _add_settings(run)
    run.add_argument("--launcher", default="thread", help="where the training happens: thread (in this process) or process")
    verb("list", _list, "all runs, newest first")
    verb("show", _show, "one run: settings, status, numbers so far").add_argument("run", metavar="RUN")
    verb("resume", _resume, "go on with a run that was stopped, failed or lost").add_argument("run", metavar="RUN")
    verb("stop", _stop, "stop a run, whichever process drives it; it can be resumed").add_argument("run", metavar="RUN")
    export = verb("export", _export, "write a run's settings, numbers, masks and weights into a folder, with a bundle to import elsewhere")
    export.add_argument("run", metavar="RUN")
    export.add_argument("--to", required=True, metavar="DIR")
    verb("import", _import, "add a run from a bundle that export wrote").add_argument("file", metavar="FILE")
    verb("doctor", _doctor, "check packages, devices, store and data sets")
    bench = verb("bench", _bench, "measure this machine: engine against the published style")
    bench.add_argument("--quick", action="store_true", help="fewer rounds and smaller networks, under three minutes")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", metavar="NAME", help=f"start from: {', '.join(PRESETS)}")
    for name, field in RunConfig.model_fields.items():
        flag, help = f"--{name.replace('_', '-')}", f"{field.description} (default: {_shown(field.default)}, or the data set's recipe)"
        if name == "options":
            parser.add_argument("--option", action="append", metavar="NAME=VALUE", help="parameter of a plug-in; may be repeated")
        elif field.annotation is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help.replace("%", "%%"))
        else:
            parser.add_argument(flag, metavar=name.upper(), help=help.replace("%", "%%"))


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """RunConfig fields that were given on the command line, on top of the preset's."""
    if args.preset is not None and args.preset not in PRESETS:
        raise InputError(f"preset: unknown name {args.preset!r}; choose one of {', '.join(PRESETS)}", "preset")
    values = dict(PRESETS[args.preset].settings) if args.preset else {}
    for name, field in RunConfig.model_fields.items():
        given = getattr(args, name, None)
        if given is not None:
            values[name] = [part for part in given.split(",") if part] if get_origin(field.annotation) is tuple else given
    if args.option:
        values["options"] = dict(map(_option, args.option))
    return values


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"option: {text!r} must look like NAME=VALUE, e.g. rounds=100", "options")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _manager() -> Any:
    from .manager import shared

    return shared()


def _run(args: argparse.Namespace) -> int:
    config = build(settings(args))
    if args.launcher not in ("thread", "process"):
        raise InputError(f"launcher: unknown name {args.launcher!r}; choose one of thread, process", "launcher")
    manager = _manager()
    (run_id,) = manager.start([config.model_dump()], launcher=args.launcher)
    return _follow(manager, run_id, args.json)


def _resume(args: argparse.Namespace) -> int:
    manager = _manager()
    run_id = manager.get(args.run)["run_id"]
    manager.resume(run_id)
    return _follow(manager, run_id, args.json)


def _follow(manager: Any, run_id: str, as_json: bool) -> int:
    """Show progress on stderr until the run ends, then its result; Ctrl-C stops the run, which stays resumable."""
    from tqdm import tqdm

    print(f"run {run_id}", file=sys.stderr)
    try:
        with tqdm(total=100, unit="%", file=sys.stderr, disable=not sys.stderr.isatty(), bar_format="{l_bar}{bar}| {postfix}") as bar:
            while not manager.wait(run_id, timeout=0.2):
                _advance(bar, manager.get(run_id))
    except KeyboardInterrupt:
        print(f"stopping; resume with: python -m appcore resume {run_id}", file=sys.stderr)
        manager.stop(run_id)
        manager.wait(run_id, timeout=20.0)
    row = manager.get(run_id)
    if row["error"]:
        print(f"error: {row['error']}", file=sys.stderr)
    _print_result(manager.result(run_id), as_json)
    return _ENDED.get(row["status"], 130)


def _advance(bar: Any, row: dict[str, Any]) -> None:
    progress = row["progress"] or {}
    if progress.get("samples_total"):
        bar.n = 100 * progress["samples_seen"] / progress["samples_total"]
        rate = progress.get("images_per_second")
        bar.set_postfix_str(
            f"megabatch {progress['megabatch'] + 1}, epoch {progress['epoch'] + 1}" + (f", {rate:.0f} images/s" if rate else "")
        )


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    print(f"run {result['run_id']}: {result['status']}")
    print("megabatch  density requested / effective / alive   train    val   test  gap (points)  CER")
    for row in result["megabatches"]:
        densities = "  ".join(f"{row[f'density_{kind}']:.4f}" for kind in ("requested", "effective", "alive"))
        accuracies = "  ".join(f"{100 * row[f'{part}_accuracy']:5.1f}" for part in ("train", "val", "test"))
        print(f"{row['megabatch']:9d}            {densities}      {accuracies}  {100 * row['generalization_gap']:12.1f}  {row['cer']}")


def _list(args: argparse.Namespace) -> int:
    runs = _manager().runs()
    if args.json:
        print(json.dumps(runs, default=str))
        return 0
    for row in runs or []:
        print(f"{row['run_id']}  {row['status']:8s}  {row['method']:6s} {row['pruner']:10s} {row['arch']:12s} {row['dataset']}")
    if not runs:
        print("no runs yet; start one with: python -m appcore run", file=sys.stderr)
    return 0


def _show(args: argparse.Namespace) -> int:
    manager = _manager()
    row = manager.get(args.run)
    result = manager.result(row["run_id"])
    if not args.json:
        print("\n".join(f"{name}: {value}" for name, value in result["config"].items()))
        if row["error"]:
            print(f"error: {row['error']}")
    _print_result(result, args.json)
    return 0


def _stop(args: argparse.Namespace) -> int:
    manager = _manager()
    run_id = manager.get(args.run)["run_id"]
    manager.stop(run_id)
    deadline = time.monotonic() + 60
    while (status := manager.get(run_id)["status"]) in ("queued", "running", "paused") and time.monotonic() < deadline:
        time.sleep(0.1)
    print(json.dumps({"run_id": run_id, "status": status}) if args.json else f"run {run_id}: {status}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from .bundle import export

    manager = _manager()
    files = export(manager.store, manager.get(args.run)["run_id"], args.to)
    print(json.dumps({"files": files}) if args.json else "\n".join(files))
    return 0


def _import(args: argparse.Namespace) -> int:
    from .bundle import import_bundle

    run_id = import_bundle(_manager().store, args.file)
    print(json.dumps({"run_id": run_id}) if args.json else f"run {run_id}")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from .doctor import examine

    findings = examine()
    if args.json:
        print(json.dumps(findings))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding['ok'] else 'FAIL'}  {finding['name']}: {finding['text']}")
    return 0 if all(finding["ok"] for finding in findings) else 1


def _bench(args: argparse.Namespace) -> int:
    from .bench import measure

    table = measure(quick=args.quick)
    print(json.dumps(table) if args.json else "\n".join(f"{row['what']}: {row['value']}" for row in table["rows"]))
    return 0
