"""The machines that drive runs of this store, what runs on each and when it was last heard of; and those that an engine has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from appcore import plugins
from appcore.names import counted
from appcore.storage import heartbeat

from ..app import page
from ..words import format, run_status
from ..words.text import harmless, plain

_SHOWN = 30  # runs of a machine, and nodes of an engine
_LOST = "Resume carries it on from its last checkpoint, on any machine."


def hosts(found: Mapping[str, Any]) -> None:
    """Every machine with active runs of this store; nothing where there is no other than this one."""
    if all(host["is_here"] for host in found["hosts"]):
        return
    st.subheader("All machines of this store", anchor=False)
    for number, host in enumerate(found["hosts"]):
        with st.container(border=True, gap="xsmall", key=f"host-{number}"):
            colour, icon, words = _state(host)
            state = f":{harmless(colour)}-badge[:material/{harmless(icon)}: {harmless(words)}]"
            st.markdown(f"**{plain(host['host'])}** &nbsp; {state} &nbsp; :small[{plain(_about(host), 300)}]")
            if host["state"] == "gone":
                st.caption(f"No sign of life for {format.duration(host['quiet'])}: what ran there is lost. {_LOST}")
            if host["state"] == "quiet":
                st.caption(f"After {heartbeat.LOST_SECONDS:.0f} s without a sign of life what runs there counts as lost. {_LOST}")
            for run in host["runs"][:_SHOWN]:
                _run(run)
            left = len(host["runs"]) - _SHOWN
            if left > 0:
                st.caption(f"and {left:,} more")
            if host["others"]:
                st.caption(f"and {counted(host['others'], 'run')} of others")


def nodes(found: Mapping[str, Any]) -> None:
    """The nodes of engines to which this program is connected."""
    for launcher, listed in found["nodes"].items():
        st.subheader(f"{plain(_name(launcher))}: its nodes", anchor=False)
        with st.container(border=True, gap="xsmall", key=f"nodes-{launcher}"):
            for node in sorted(listed, key=lambda node: not node["is_alive"])[:_SHOWN]:
                state = ":green-badge[:material/check_circle: Alive]" if node["is_alive"] else ":red-badge[:material/link_off: Dead]"
                st.markdown(f"**{plain(node['host'])}** &nbsp; {state} &nbsp; :small[{plain(_has(node))}]")
            if len(listed) > _SHOWN:
                st.caption(f"and {len(listed) - _SHOWN:,} more")
    if found["silent"]:
        silent = format.duration(found["silent"])
        st.caption(f":material/hourglass_disabled: The engine has not answered for {silent}. Runs say by themselves how they are.")


def named(run: Mapping[str, Any]) -> None:
    """Link to a run, its state and how far it is: the beginning of its line."""
    label = f"**{plain(run['title'] or run['run_id'], 70)}**"
    st.page_link(page.link("run"), label=label, query_params={"run": run["run_id"]}, width=340)
    st.markdown(f":small[{run_status.markdown(run)} {100 * run_status.share_done(run):.0f}\u00a0%]", width="content")


def why_it_waits(run: Mapping[str, Any]) -> str:
    """Why a run waits that was given to an engine."""
    said = plugins.find("launchers", run["launcher"]).literals.get("WAITS_UNTIL") or "its engine begins it"
    return f"until {said}; kept by process {run['pid']} on {run['host']}"


def _has(node: Mapping[str, Any]) -> str:
    """What a node brings, which an engine forgets of a dead one."""
    if not node["is_alive"]:
        return "what ran there is placed again"
    return " · ".join([counted(round(node["cores"]), "core"), counted(round(node["gpus"]), "GPU"), format.size(node["memory"])])


def _name(launcher: str) -> str:
    return plugins.find("launchers", launcher).short


def _state(host: Mapping[str, Any]) -> tuple[str, str, str]:
    """Colour, icon and words of the badge of a machine."""
    return {
        "answers": ("green", "check_circle", "Answers"),
        "quiet": ("orange", "hourglass_disabled", f"No sign of life for {format.duration(host['quiet'])}"),
        "watched": ("gray", "visibility", "Its clock differs from this one's: being watched"),
        "gone": ("red", "link_off", "Does not answer"),
    }[host["state"]]


def _about(host: Mapping[str, Any]) -> str:
    """What is known of a machine, in words."""
    machine, parts = host["machine"], []
    if machine:
        parts += [counted(machine["cores"], "core"), format.size(machine["memory_total"])]
    count = len(host["runs"]) + host["others"]
    parts.append(counted(count, "run") if count else "drives none")
    if host["waiting"]:
        parts.append(f"{counted(host['waiting'], 'run')} wait in queues there" if host["waiting"] > 1 else "1 run waits in a queue there")
    if host["is_here"]:
        parts.append("this machine")
    elif host["state"] == "answers":
        parts.append(f"last sign of life {format.duration(host['quiet'])} ago")
    return " · ".join(parts)


def _run(run: Mapping[str, Any]) -> None:
    """One run of a machine: link, state, and where exactly, since when and whose."""
    machine = (run["progress"] or {}).get("machine") or {}
    facts = [machine.get("device", ""), f"launcher {run['launcher']}" if run["launcher"] else "", f"process {run['pid']}"]
    facts += [f"started {format.age(run['created'])}", f"by {run['owner']}" if run["owner"] else ""]
    with st.container(horizontal=True, vertical_alignment="center"):
        named(run)
        st.markdown(f":small[{harmless(' · '.join(filter(None, facts)))}]", width="content")
