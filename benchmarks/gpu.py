"""All that a GPU has to show, in parts that take less than eight minutes together; benchmarks/gpu.sh runs it where packages are missing.

    python benchmarks/gpu.py [--device cuda] [--out gpu] [--work FOLDER] [--images cifar10.zip] [--parts NAME ...] [--tiny]

Each part is a process with a time limit. What it measures is written down at once, so a part that fails or does not end is reported with
what it had, and the others go on; the same command goes on where it was cut off. Writes gpu.json, gpu.md and light bundles into `--out`.
`--device cpu --tiny` rehearses all of it in some minutes, without a number to quote.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(Path(__file__).parent), str(ROOT)]  # at the end: a module of the tests may have the name of one here

import precision  # noqa: E402
import torch  # noqa: E402
from tables import Kept, table  # noqa: E402

from appcore.bench import front_doors, machine, timing, whole_runs  # noqa: E402
from appcore.bench.timing import Row  # noqa: E402
from appcore.config import RunConfig, build  # noqa: E402
from appcore.engine import loop  # noqa: E402
from appcore.engine.digests import digest  # noqa: E402
from appcore.engine.state import RunState  # noqa: E402
from appcore.paths import STORE_VARIABLE  # noqa: E402
from appcore.planning.plan import check, plan  # noqa: E402
from appcore.planning.stream_sizes import samples  # noqa: E402
from appcore.recordings import catalog, study  # noqa: E402
from appcore.runner.driver import drive  # noqa: E402
from appcore.runner.slots import SHARE_VARIABLE  # noqa: E402
from appcore.statuses import STARTABLE  # noqa: E402
from appcore.storage.store import Store  # noqa: E402
from appcore.transfer import bundle_export  # noqa: E402

INTERRUPTED = "interrupted"
MOST = 470.0  # s for all parts
PATIENCE = 4  # a rehearsal may be on two busy cores
GRACE = 10.0  # s before the end of a part at which it ends what it started, and s that it has after its end
BENCH = machine.QUICK
TINY_BENCH = machine.Size(2, 2, 1, {"resnet20": 130}, 1, whole_runs.Size({"resnet20": 80}, 1, 40, 2, 10), front_doors.QUICK)
ROWS = tuple(known.name for known in study.STUDIES[8].recordings(augmentation=(False,)))  # as `python -m appcore study` runs them
FULL = {"image_size": 0, "limit_train": 0, "limit_test": 0, "batch_size": 128, "lr": 0.1, "precision": "fp32"}
TINY = {"limit_train": 64, "limit_test": 20, "megabatches": 2, "image_size": 8, "precision": "fp32"}


@dataclass(frozen=True)
class Setting:
    """What all parts know."""

    out: str
    work: str
    device: str
    images: str
    is_tiny: bool
    seconds: float = 0.0  # of the part

    @property
    def store(self) -> Path:
        return Path(self.work, "store", "runs.db")


@dataclass(frozen=True)
class Part:
    """One question: how long it may take (s), and what answers it, line by line."""

    name: str
    title: str
    seconds: float
    work: Callable[[Setting, Kept], None]


# ---- parts


def tests(setting: Setting, kept: Kept) -> None:
    """The tests that need a GPU; without one they skip themselves."""
    if not find_spec("pytest"):
        kept("none", lambda: line(what="tests", measured="left out: pytest is not there"))
        return

    def run() -> dict[str, Any]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine/test_cuda.py"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr)
        return line(what="tests/engine/test_cuda.py", measured=done.stdout.strip().splitlines()[-1]) | {"output": done.stdout[-8000:]}

    kept("cuda", run)


def step(setting: Setting, kept: Kept) -> None:
    """A training step as it is, as one CUDA graph, and compiled."""
    sizes = [("resnet20", 8)] if setting.is_tiny else [("resnet20", 64), ("resnet20", 512), ("resnet18", 128)]
    for arch, images in sizes:
        for dtype in ("fp32", "bf16"):
            kept(f"graph {arch} {images} {dtype}", partial(_faster, setting, arch, images, dtype, "one CUDA graph", _graphed))
    arch, images = sizes[0]
    for dtype in ("fp32", "bf16"):  # last: the compiler takes tens of seconds
        kept(f"compiled {arch} {images} {dtype}", partial(_faster, setting, arch, images, dtype, "compiled", _compiled))


def _faster(setting: Setting, arch: str, images: int, dtype: str, name: str, change: Callable) -> dict[str, Any]:
    what = f"{name} / as it is, a step of {arch}, batch {images}, {dtype}"
    if change is _graphed and setting.device != "cuda":
        return of_row(Row(what, setting.device, "x of the time"), remark="needs a GPU")
    plain, other = (machine.Trainer(arch, images, setting.device, is_masked=True, precision=dtype) for _ in range(2))
    begun = time.perf_counter()
    changed = change(other, setting.device)
    prepared = time.perf_counter() - begun
    for _ in range(_WARM):  # as many steps as the other one has made
        plain.step()
    times = timing.interleaved({"plain": plain.step, "other": changed}, 3 if setting.is_tiny else 50, setting.device)
    same = digest(plain.model.state_dict()) == digest(other.model.state_dict())
    remark = f"as it is {images / statistics.median(times['plain']):,.0f} images/s; prepared in {prepared:.1f} s; "
    remark += "the same weights afterwards" if same else "other weights afterwards"
    row = Row(what, setting.device, "x of the time", values=[b / a for a, b in zip(times["plain"], times["other"], strict=True)])
    return of_row(row, remark=remark)


_WARM = 3


def _graphed(trainer: Any, device: str) -> Callable[[], None]:
    """The step as a graph, after as many ordinary ones as its memory needs; capturing computes nothing."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM):
            trainer.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        trainer.step()
    return graph.replay


def _compiled(trainer: Any, device: str) -> Callable[[], None]:
    model = trainer.model
    trainer.model = torch.compile(model, backend="inductor" if device == "cuda" else "aot_eager")
    for _ in range(_WARM):
        trainer.step()
    trainer.model.state_dict = model.state_dict  # without the prefix of the compiler
    return trainer.step


def bf16(setting: Setting, kept: Kept) -> None:
    """Runs at both precisions, paired by seed."""
    changes = {"limit_train": 64, "limit_test": 20, "epochs": 1} if setting.is_tiny else {"epochs": 4}
    with machine.some_images(100 if setting.is_tiny else 5_000) as (dataset, about):
        for arch in ["resnet20"] if setting.is_tiny else ["resnet20", "resnet18"]:
            work = partial(precision.pairs, arch, 2, dataset, device=setting.device, **changes)
            for row in _of_pairs(arch, setting.device, about, kept(f"pairs {arch}", lambda work=work: {"pairs": work()})["pairs"]):
                kept(row.what, partial(of_row, row))


def _of_pairs(arch: str, device: str, about: str, found: dict[str, list]) -> Iterator[Row]:
    pairs = list(zip(found["fp32"], found["bf16"], strict=True))
    yield Row(f"test accuracy, bf16 - fp32, {arch}", device, "points", note=about, values=[100 * (b[0] - a[0]) for a, b in pairs])
    for name in ("fp32", "bf16"):
        yield Row(f"training, {name}, {arch}, batch 64", device, "images/s", values=[run[1] for run in found[name]])
    yield Row(f"speed, bf16 / fp32, {arch}, batch 64", device, "x", values=[b[1] / a[1] for a, b in pairs])
    same = found["again"][0][2] == found["bf16"][0][2]
    yield Row(f"a bf16 run repeated ends with the same bits, {arch}", device, "(1: yes)", values=[float(same)])


def side_by_side(setting: Setting, kept: Kept) -> None:
    """One, two and eight processes that train at once on the one device."""
    settings = {"arch": "resnet20", "megabatches": 1, "tau": 2.0, "pruner": "magnitude", "precision": "fp32"}
    settings |= {"batch_size": 128, "device": setting.device, "epochs": 6}
    settings |= {"limit_train": 64, "limit_test": 20, "epochs": 1} if setting.is_tiny else {}
    counts = (1, 2) if setting.is_tiny else (1, 2, 8)
    with machine.some_images(100 if setting.is_tiny else 5_000) as (dataset, _):
        speeds = {count: kept(f"{count}", partial(_together, count, settings | {"dataset": dataset}))["speed"] for count in counts}
    for count in counts[1:]:
        row = Row(f"{count} runs side by side / one alone, images/s of all", setting.device, "x", values=[speeds[count] / speeds[1]])
        kept(row.what, partial(of_row, row))


def _together(count: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Images per second of `count` processes that begin to train at the same time."""
    command = [sys.executable, __file__, "--train", json.dumps(settings)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for process in running:
        process.stdout.readline()  # has read its images
    begun = time.perf_counter()
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    images = sum(int(process.communicate()[0]) for process in running)
    speed = images / (time.perf_counter() - begun)
    what = f"{count} processes, resnet20, batch {settings['batch_size']}: all that a run does, images/s of all"
    return line(what=what, measured=f"{speed:,.0f}") | {"speed": speed}


def train(settings: dict[str, Any]) -> None:
    """A process of `side_by_side`: says when it is ready, waits for a line, and says how many images it trained on."""
    state = RunState.create(build(settings))
    warm = RunState.create(build({**settings, "limit_train": 300, "epochs": 1}))
    for _ in loop.run(warm, plan(warm.config)):  # what a process does once
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in loop.run(state, plan(state.config)):
        pass
    print(state.samples_seen)


def six_rows(setting: Setting, kept: Kept) -> None:
    """APP, OSP and dense at the densities of the paper and of the released code: six runs side by side, resumable, and their bundles."""
    path = setting.images or next((str(path) for _, path in sorted(machine.REAL_IMAGES.items(), reverse=True) if path.exists()), "")
    if not path:
        kept("none", lambda: line(run="left out: no zip of CIFAR-10 is there (--images)"))
        return
    end, store = time.monotonic() + setting.seconds - 2 * GRACE, Store(setting.store)
    settings = {"dataset": f"images:{path}", "device": setting.device} | (TINY if setting.is_tiny else FULL)
    settings["epochs"] = _epochs([_row(name, settings) for name in ROWS], setting)
    run_ids = {name: _run_of(store, name, _row(name, settings).anchored()) for name in ROWS}
    waiting = [run_id for run_id in run_ids.values() if store.get(run_id)["status"] in STARTABLE]
    driving = [subprocess.Popen([sys.executable, __file__, "--drive", str(setting.store), run_id]) for run_id in waiting]
    while time.monotonic() < end and any(process.poll() is None for process in driving):
        time.sleep(0.2)
    for process in driving:
        process.terminate()
    for process in driving:
        process.wait(GRACE)
    kept.forget()
    for name, run_id in run_ids.items():
        kept(name, partial(_ended, store, name, run_id))
        anywhere = {**store.get(run_id)["config"], "dataset": f"images:{Path(path).name}"}  # without the folder of this machine
        bundle_export.light_bundle(store, run_id, Path(setting.out, f"{name}.zip"), {"config": anywhere})
    done = sum(store.get(run_id)["status"] == "done" for run_id in run_ids.values())
    store.close()
    if done < len(run_ids):
        raise SystemExit(f"{done} of {len(run_ids)} runs are done; the same command goes on with the others")


def _row(name: str, settings: dict[str, Any]) -> RunConfig:
    """The settings of a recording, on other images and at another size."""
    return build({**catalog.recording(name).config(0).model_dump(mode="json"), **settings})


def _epochs(configs: list[RunConfig], setting: Setting) -> int:
    """As many epochs in each megabatch as the part has time for, by the speed that runs had side by side; 1 where it was not measured."""
    speeds = {int(line["key"]): line["value"]["speed"] for line in _lines(setting.work, "side-by-side") if line["key"].isdecimal()}
    if setting.is_tiny or not speeds:
        return 1
    images = sum(sum(samples(config, check(config))) for config in configs)
    return max(1, int(0.6 * setting.seconds * max(speeds.values()) / images))


def _run_of(store: Store, name: str, config: RunConfig) -> str:
    """The run of these settings that is there, or a new one."""
    known = [row["run_id"] for row in store.runs() if (row["title"], row["fingerprint"]) == (name, config.fingerprint)]
    return known[0] if known else store.create_run(config, plan_length=len(plan(config)), title=name)


def _ended(store: Store, name: str, run_id: str) -> dict[str, Any]:
    """What a run has come to, also one that has not ended."""
    row, ends = store.get(run_id), store.megabatches(run_id)
    cells = {"run": catalog.recording(name).title, "status": row["status"], "epochs": row["config"]["epochs"]}
    if len(ends):
        gaps = " ".join(f"{100 * gap:.0f}" for gap in ends["clean_gap"])
        last, seen = ends.iloc[-1], ends["samples_seen"].iloc[-1] / ends["seconds"].sum()
        cells |= {"megabatches": len(ends), "density": f"{last['density_mask']:.3f}", "test accuracy": f"{100 * last['test_accuracy']:.1f}"}
        cells |= {"gap by megabatch": gaps, f"CER of {ends['test_images'].sum():,}": f"{last['cer']:,}", "images/s": f"{seen:,.0f}"}
    return line(**cells)


def drive_one(store: str, run_id: str) -> None:
    """A process of `six_rows`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops the run, resumable
    os.environ[SHARE_VARIABLE] = "1"
    drive(Store(Path(store)), run_id)


def bench(setting: Setting, kept: Kept) -> None:
    """The rows of `python -m appcore bench` for this device."""
    size = TINY_BENCH if setting.is_tiny else BENCH
    with machine.some_images(max(size.images.values())) as (dataset, _):
        for row in machine.rows(size, setting.device, dataset):
            kept(row.what, partial(of_row, row))


def pages(setting: Setting, kept: Kept) -> None:
    """Compare with the six runs, drawn without a browser."""
    if not find_spec("streamlit"):
        kept("none", lambda: line(what="pages", measured="left out: streamlit is not there"))
        return
    os.environ[STORE_VARIABLE] = f"sqlite:///{setting.store.absolute()}"
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.query_params["runs"] = ",".join(row["run_id"] for row in Store(setting.store).runs())
    for turn in ("first", "again"):
        begun = time.perf_counter()
        app.switch_page("pages/compare.py").run()
        if app.exception:
            raise RuntimeError(app.exception[0].message)
        row = Row(f"Compare with the six runs, {turn}", setting.device, "s", values=[time.perf_counter() - begun])
        kept(row.what, partial(of_row, row))


PARTS = (
    Part("tests", "Tests that need a GPU", 60, tests),
    Part("side-by-side", "Runs side by side", 50, side_by_side),
    Part("six-rows", "The six rows", 150, six_rows),
    Part("bf16", "bfloat16 against fp32", 50, bf16),
    Part("step", "A step as it is, as a graph, compiled", 60, step),
    Part("bench", "bench", 70, bench),
    Part("pages", "Pages", 20, pages),
)


# ---- what is kept of a part, and the report


def line(**cells: Any) -> dict[str, Any]:
    """A line of the table, by column."""
    return {"cells": cells}


def of_row(row: Row, remark: str = "") -> dict[str, Any]:
    """A line of the table, and every value behind it."""
    return line(what=row.what, measured=row.value, goal=row.goal, remark=remark or row.note) | {"row": row.plain()}


def _lines(work: str, name: str) -> list[dict[str, Any]]:
    path = Path(work, f"{name}.jsonl")
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def carried_out(part: Part, setting: Setting) -> dict[str, Any]:
    """Run a part in a process of its own, which ends when its time is over; says how it ended."""
    command = [sys.executable, __file__, "--part", part.name, "--setting", json.dumps(asdict(setting))]
    log, begun = Path(setting.work, f"{part.name}.log"), time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(setting.seconds)
            ended = "done" if code == 0 else f"failed: {_last_line(log)}"
        except subprocess.TimeoutExpired:
            ended = f"not done after {setting.seconds:.0f} s"
        except KeyboardInterrupt:
            ended = INTERRUPTED
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None or number == signal.SIGKILL:
                _signal(process.pid, number)
                time.sleep(1.0 if number == signal.SIGTERM else 0.0)
        process.wait()
    return {"part": part.name, "title": part.title, "limit": setting.seconds, "seconds": time.monotonic() - begun, "ended": ended}


def _signal(group: int, number: int) -> None:
    """To all processes that a part has started, its own included."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def report(found: dict[str, Any]) -> str:
    """All parts as Markdown."""
    about, versions = found["machine"], ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    text = ["# What the GPU showed" if found["device"] == "cuda" else "# A rehearsal without a GPU: no number here says anything"]
    text.append(
        f"{about['gpu'] or 'no GPU'}; {about['processor']}, {about['threads']} threads; {versions}; {found['date']}; `{found['command']}`"
    )
    parts = [[part["part"], f"{part['limit']:.0f} s", f"{part['seconds']:.0f} s", part["ended"]] for part in found["parts"]]
    text.append(table("", ["part", "at most", "took", "ended"], parts).strip())
    for part in found["parts"]:
        cells = [line["value"]["cells"] for line in part["lines"] if "cells" in line["value"]]
        heads = list(dict.fromkeys(head for one in cells for head in one))
        if cells:
            text.append(table(f"## {part['title']}", heads, [[one.get(head, "") for head in heads] for one in cells]))
    return "\n\n".join(text) + "\n"


def main() -> None:
    """Carry out the parts that are not done, and write the report after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="where the report and the bundles go [gpu]")
    parser.add_argument("--work", type=Path, help="where all else goes, and what goes on from it [work in --out]")
    parser.add_argument(
        "--images", default="", help="zip of CIFAR-10, for the six rows [cifar10.zip or cifar10-small.zip in ../shared/data]"
    )
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS], default=[part.name for part in PARTS])
    parser.add_argument("--seconds", type=float, default=0.0, help=f"for all of it [{MOST:.0f}; a rehearsal has {PATIENCE} times as long]")
    for hidden in ("--part", "--setting", "--train"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--drive", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(json.loads(args.train))
    elif args.drive:
        drive_one(*args.drive)
    elif args.part:
        setting = Setting(**json.loads(args.setting))
        (part,) = (part for part in PARTS if part.name == args.part)
        part.work(setting, Kept(str(Path(setting.work, f"{part.name}.jsonl"))))
    else:
        all_parts(args)


def all_parts(args: argparse.Namespace) -> None:
    """Every part in turn, each within what is left of the time."""
    begun, work = time.monotonic(), args.work or args.out / "work"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the part that goes on ends too, and what it had is kept
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU is here; --device cpu --tiny rehearses without one")
    work.mkdir(parents=True, exist_ok=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (work / "store").mkdir(exist_ok=True)
    before = json.loads((args.out / "gpu.json").read_text(encoding="utf-8"))["parts"] if (args.out / "gpu.json").exists() else []
    ended = {part["part"]: part for part in before}
    for part in PARTS:
        left = (args.seconds or MOST * (PATIENCE if args.tiny else 1)) - (time.monotonic() - begun)
        if part.name in args.parts and ended.get(part.name, {}).get("ended") != "done" and left > GRACE:
            limit = min(part.seconds * (PATIENCE if args.tiny else 1), left)
            setting = Setting(str(args.out.absolute()), str(work.absolute()), args.device, args.images, args.tiny, limit)
            ended[part.name] = carried_out(part, setting)
            print(f"{part.name}: {ended[part.name]['ended']}, {ended[part.name]['seconds']:.0f} s", flush=True)
        _write(args, [ended[part.name] | {"lines": _lines(str(work), part.name)} for part in PARTS if part.name in ended])
        if ended.get(part.name, {}).get("ended") == INTERRUPTED:
            raise SystemExit("interrupted; the same command goes on")
    print((args.out / "gpu.md").read_text(encoding="utf-8"))


def _write(args: argparse.Namespace, parts: list[dict[str, Any]]) -> None:
    versions = {"Python": platform.python_version(), **{name: metadata.version(name) for name in ("torch", "torchvision")}}
    if torch.version.cuda:
        versions["CUDA"] = torch.version.cuda
    found: dict[str, Any] = {"machine": timing.machine(), "versions": versions, "device": args.device, "is_rehearsal": args.tiny}
    command = " ".join(["benchmarks/gpu.sh", f"--device {args.device}", *(["--tiny"] if args.tiny else [])])
    found |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "command": command, "parts": parts}
    (args.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (args.out / "gpu.md").write_text(report(found), encoding="utf-8")


if __name__ == "__main__":
    main()
