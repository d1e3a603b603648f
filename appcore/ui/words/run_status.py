"""Display of a run's state: a badge, and a sentence on what happened and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import streamlit as st

from appcore.names import counted
from appcore.planning import stages
from appcore.statuses import ACTIVE

from . import format
from .text import code, harmless

Colour = Literal["gray", "blue", "orange", "green", "red", "violet"]
_BADGES: dict[str, tuple[str, str, Colour]] = {  # state: (words, icon, colour)
    "queued": ("Queued", ":material/schedule:", "gray"),
    "starting": ("Starting", ":material/hourglass_top:", "blue"),
    "running": ("Running", ":material/play_circle:", "blue"),
    "pausing": ("Pausing", ":material/pause_circle:", "orange"),
    "paused": ("Paused", ":material/pause_circle:", "orange"),
    "resuming": ("Resuming", ":material/play_circle:", "blue"),
    "stopping": ("Stopping", ":material/stop_circle:", "gray"),
    "stalled": ("Stalled", ":material/hourglass_disabled:", "orange"),
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "stopped": ("Stopped", ":material/stop_circle:", "gray"),
    "lost": ("Lost", ":material/link_off:", "orange"),
    "recorded": ("Recorded", ":material/album:", "violet"),
}
_COMMANDED = {"pause": "pausing", "resume": "resuming", "stop": "stopping", "preempt": "stopping"}
_QUIET_SECONDS = 15.0


def is_active(run: Mapping[str, Any]) -> bool:
    """Whether a run may still change by itself."""
    return run["status"] in ACTIVE


def is_only_read(run: Mapping[str, Any]) -> bool:
    """Whether this user can look at a run and not change it: a recorded one, or one that somebody shares."""
    return bool(run.get("recorded") or run.get("is_shared"))


def state(run: Mapping[str, Any], now: datetime | None = None) -> str:
    """The displayed state: the status, with extra names for a waiting command, a start without a step yet, and a missing heartbeat; and
    for a run that came with the program."""
    if run.get("recorded"):
        return "recorded"
    if run["command"] and is_active(run):
        return _COMMANDED.get(run["command"], run["status"])
    if run["status"] == "running" and not (run["progress"] or {}).get("samples_seen"):
        return "starting"
    return "stalled" if run["status"] == "running" and _silence(run, now) > _patience(run) else run["status"]


def _silence(run: Mapping[str, Any], now: datetime | None) -> float:
    """Seconds without a step, until the last heartbeat: both times are of one clock, that of the run's process. Ours may be hours off."""
    updated = (run["progress"] or {}).get("updated")
    if not updated:
        return 0.0
    moment = datetime.fromtimestamp(updated, UTC) if isinstance(updated, (int, float)) else datetime.fromisoformat(updated)
    return (run.get("heartbeat") or (now or datetime.now(UTC)).timestamp()) - moment.timestamp()


def _patience(run: Mapping[str, Any]) -> float:
    """Seconds without news before a run counts as silent: ten usual steps, and at least a pause such as an evaluation."""
    speed = (run["progress"] or {}).get("images_per_second") or 0.0
    return max(_QUIET_SECONDS, 10 * run["config"]["batch_size"] / speed if speed else 4 * _QUIET_SECONDS)


def word(run: Mapping[str, Any]) -> str:
    """The displayed state as a word."""
    return _BADGES[state(run)][0]


def badge(run: Mapping[str, Any]) -> None:
    """The badge of a run."""
    words, icon, colour = _BADGES[state(run)]
    st.badge(words, icon=icon, color=colour)


def markdown(run: Mapping[str, Any]) -> str:
    """The badge as markdown, for use inside a line of text."""
    words, icon, colour = _BADGES[state(run)]
    return f":{colour}-badge[{icon} {words}]"


def sentence(run: Mapping[str, Any], position: int | None = None, waits_for: str = "", ahead: Sequence[str] = ()) -> str:
    """What happened, and what to do next, as Markdown. `waits_for`: the other program that the run waits for, if any; `ahead`: the titles
    of the runs that wait before it."""
    name = state(run)
    done = f"{run['cursor']} of {counted(run['segments'], 'step')} of the plan done"
    if name == "queued" and waits_for:
        return f"Waiting until another program on this machine has trained: {harmless(waits_for)}. It begins by itself after that."
    if name == "queued":
        place = f"position {position} in the queue" if position else "about to start"
        before = f", behind {harmless(', '.join(ahead))}" if ahead else ", behind the run that trains now" if position else ""
        return f"Waiting: {place}{before}. Runs on one device take turns; pausing or stopping another one lets this one start."
    if name == "recorded":
        return recorded(run)
    texts = {
        "starting": "Loading the data and building the network; the first step follows in a few seconds.",
        "running": _place(run),
        "pausing": "Pausing after the step that is under way.",
        "paused": f"Paused. {done}; Resume carries on with the same bits.",
        "resuming": "Carrying on from the last checkpoint.",
        "stopping": "Stopping after this step; a checkpoint is kept.",
        "stalled": f"No step for {format.duration(_silence(run, None))}: the machine may be busy. Wait, or stop and resume later.",
        "done": f"Finished {format.age(run['created'])}; every number below is final.",
        "failed": harmless(run["error"] or "The run ended with an error."),
        "stopped": harmless(run["error"] or f"Stopped. {done}; Resume carries on from the last checkpoint with the same bits."),
        "lost": f"Its process ended without a word (closed or killed). {done}; Resume carries on from the last checkpoint.",
    }
    return texts[name]


def recorded(run: Mapping[str, Any]) -> str:
    """When, where and how a recorded run was made, as Markdown."""
    about, versions = run["recorded"], run["versions"] or {}
    programs = ", ".join(f"{name} {versions[name]}" for name in ("appcore", "torch") if name in versions)
    return (
        f"Recorded on {about['date'][:10]} in {format.duration(about['seconds'])}: {harmless(about['machine'])}; {harmless(programs)}. "
        f"Its numbers and masks came with the program, its weights did not. Again: {code(about['command'])}"
    )


def _place(run: Mapping[str, Any]) -> str:
    progress, config = run["progress"] or {}, run["config"]
    if progress.get("megabatch") is None or progress.get("epoch") is None:
        return "The first step follows in a few seconds."
    return f"{_stage(run)}, epoch {progress['epoch'] + 1} of {config['epochs']}."


def _stage(run: Mapping[str, Any]) -> str:
    """The megabatch and round under way, of how many."""
    progress, known = run["progress"] or {}, stages.of_run(run)
    parts = [f"megabatch {progress['megabatch'] + 1} of {run['config']['megabatches']}"] if known.word != "round" else []
    if known.are_rounds:
        now = known.at({"segment": 0, **progress})
        parts.append(f"round {known.places[now][1]} of {known.places[-1][1]}")
    words = ", ".join(parts)
    return words[0].upper() + words[1:]


def share_done(run: Mapping[str, Any]) -> float:
    """Fraction of the run that is done, by images where their number is known."""
    if run["status"] == "done":
        return 1.0
    progress = run["progress"] or {}
    total = progress.get("samples_total") or 0
    share = (progress.get("samples_seen") or 0) / total if total else run["cursor"] / max(run["segments"], 1)
    return min(1.0, max(0.0, share))
