"""Imports go down: each module of appcore may import lower floors, or its own without a circle. Names are as documented."""

import ast
from pathlib import Path

import appcore

ROOT = Path(appcore.__file__).parent
FLOORS = [
    {"config", "presets", "events", "seeds", "plugins", "paths", "spread", "limits", "interrupts", "repeats"},
    {
        "datasets",
        "models",
        "pruners",
        "schedules",
        "methods",
        "masks",
        "maskfacts",
        "masktime",
        "quotas",
        "whatif_view",
        "metrics",
        "flops",
    },
    {
        "plan",
        "whatif",
        "loading",
        "stream",
        "state",
        "training",
        "layouts",
        "pruning",
        "prunepoint",
        "summary",
        "engine",
        "estimate",
        "relevance",
        "timeline",
        "sweeps",
        "sanity",
    },
    {
        "store",
        "schema",
        "database",
        "liveness",
        "checkpoint",
        "driver",
        "launchers",
        "queues",
        "manager",
        "results",
        "worker",
        "jobs",
        "work",
        "scoring",
        "pace",
        "failures",
        "rows",
        "labels",
        "sweeptable",
        "sweeping",
        "upgrading",
        "migrations",
        "exporting",
        "exports",
        "packing",
        "reality",
        "bundle",
        "unbundle",
        "parts",
        "backup",
        "portable",
        "access",
    },
    {
        "cli",
        "flags",
        "terminal",
        "__main__",
        "doctor",
        "repairs",
        "checks",
        "bench",
        "bench_runs",
        "reproduce",
        "timing",
        "charts",
        "ui",
        "report",
        "library",
        "outcomes",
    },
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def imports(path: Path) -> set[str]:
    """Top-level appcore modules that a file imports, wherever in the file."""
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {(*above, *name.split("."))[0] for name in names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("appcore."):
            found.add(node.module.split(".")[1])
    return found


def modules() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").parts[0]
        if name != "__init__":
            graph.setdefault(name, set()).update(imports(path) - {name, "__init__"})
    public = set(appcore.__all__)  # `from .. import run` names the package itself, which may be used from every floor that runs things
    return {name: others - public for name, others in graph.items()}


def test_every_module_has_a_floor_and_imports_downward() -> None:
    graph = modules()
    assert set(graph) <= set(FLOOR), f"give these a floor: {set(graph) - set(FLOOR)}"
    upward = [(name, other) for name, others in graph.items() for other in others if FLOOR[other] > FLOOR[name]]
    assert not upward


def test_no_circles_on_a_floor() -> None:
    graph = modules()

    def reach(name: str, seen: tuple[str, ...]) -> None:
        assert name not in seen, " -> ".join((*seen, name))
        for other in graph[name]:
            if FLOOR[other] == FLOOR[name]:
                reach(other, (*seen, name))

    for name in graph:
        reach(name, ())


def test_public_names() -> None:
    assert sorted(appcore.__all__) == ["InputError", "RunConfig", "run"]
    assert all(hasattr(appcore, name) for name in appcore.__all__)
