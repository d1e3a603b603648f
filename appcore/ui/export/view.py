"""The parts of the Export page: choice of a run, its files, and the reality check. Asks the manager, computes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from appcore.analysis import run_library
from appcore.charts import reality_check as figures
from appcore.names import counted, tail
from appcore.transfer import model_formats, sparse_sizes

from ..app import page
from ..widgets import download, live_chart, run_search
from ..widgets.run_picker import not_here
from ..words import run_status, run_text
from ..words.text import harmless, plain

PARTS = ("Model", "Numbers", "Figures")
NOTICEABLE = 0.03  # as in transfer.reality_check, which is not imported here
ABOUT = {
    "dense": "One tensor for each parameter; pruned weights are 0. Loads into the plain network.",
    "prune": "weight_orig and weight_mask, as torch.nn.utils.prune names them: pruning can go on elsewhere.",
    "masks": "One bool tensor for each pruned layer: True is kept.",
    "onnx": "For other runtimes. Normalisation is folded into the convolutions; any number of images.",
    "shrunk": "Without the channels that pruned filters left idle: really smaller, with the same answers.",
}
# Lines as short as the card of a phone; what is longer is broken between words (style.css).
_FILE = 'file = "{file}"\n'
_LOAD = """state = model.state_dict()  # keeps versions
state.update(load_file(file))
model.load_state_dict(state)"""
_RUN = f"""from onnx.reference import ReferenceEvaluator
{_FILE}network = ReferenceEvaluator(file)
network.run(None, {{{{"images": images}}}})"""
CODE = {
    "dense": f"from safetensors.torch import load_file\n{_FILE}{_LOAD}",
    "prune": f"""from safetensors.torch import load_file
from torch.nn.utils.prune import identity
{_FILE}for one in layers:
    identity(one, "weight")
{_LOAD}
for one in layers:  # else only when it is called
    one.weight = one.weight_orig * one.weight_mask""",
    "masks": f"from safetensors.torch import load_file\n{_FILE}masks = load_file(file)",
    "onnx": _RUN,
    "shrunk": f"""{_RUN}
# or in torch, with a batch of images
import appcore
network = appcore.load("{{run}}")
small = appcore.shrink(network, images)""",
}
_MARKS = {
    True: ":green[:material/check_circle:\u00a0holds]",
    False: ":red[:material/error:\u00a0differs]",
    None: ":gray[:material/help:\u00a0unknown]",
}


def pick(everything: dict[str, dict[str, Any]]) -> str | None:
    """The run of the address (?run=), changed by the picker; without one, the newest finished run."""
    if "run" not in st.query_params:
        named = [run_id for run_id in (*page.requested("runs"), page.taken_up()) if run_id in everything]
        done = named or [run_id for run_id, run in everything.items() if run["saved"] is not None and run["status"] == "done"]
        st.query_params["run"] = (done or list(everything))[0]
    asked = st.query_params["run"]
    st.session_state["export_run"] = asked if asked in everything else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        offered = run_search.offered(everything, [asked], "export_run")
        words = run_text.options({key: everything[key] for key in offered})
        st.selectbox("Run", offered, format_func=words.__getitem__, key="export_run", on_change=_picked, width=420)
    if asked not in everything:
        not_here([asked])
    return st.session_state["export_run"]


def pick_part() -> str:
    """Which of the three parts of the page is shown: the model, numbers, figures."""
    return st.segmented_control(
        "Part",
        PARTS,
        default=PARTS[0],
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )


def belonging(everything: dict[str, dict[str, Any]], run_id: str) -> list[dict[str, Any]]:
    """The runs whose numbers are shown: those of the address (?runs=), else those started together with this one, or its other seeds."""
    asked = [everything[other] for other in page.requested("runs") if other in everything]
    if asked:
        return asked
    run = everything[run_id]
    together = [other for other in everything.values() if run["group_id"] and other["group_id"] == run["group_id"]]
    alike = run_library.likeness(run["config"])
    return together or [other for other in everything.values() if run_library.likeness(other["config"]) == alike]


def _picked() -> None:
    st.query_params.pop("runs", None)
    st.query_params["run"] = st.session_state["export_run"]


def what_it_is(run: dict[str, Any], cursor: int) -> None:
    """Which state of the run is exported."""
    last = cursor >= run["segments"]
    state = "its final weights" if last else f"its checkpoint after {cursor} of {counted(run['segments'], 'step')} of the plan"
    st.markdown(f"{run_status.markdown(run)} &nbsp; {run_text.summary(run)}")
    st.caption(f"Exported are {state}." + ("" if last else " A later checkpoint replaces these files."))


def nothing_yet(run: dict[str, Any]) -> None:
    """Why there is no model to export, and what to do."""
    with st.container(border=True, key="no-model"):
        if run_status.is_active(run):
            st.markdown(f"#### No checkpoint yet  \n{run_status.sentence(run)} The first checkpoint appears here by itself.")
        elif run["status"] == "done":
            st.markdown(
                "#### The weights of this run are not on this machine  \nIts rows are in the store, its checkpoint is not: it came without "
                "one, as recorded runs and light bundles do. Import its whole bundle, or repeat the run, to have it here."
            )
        else:
            st.markdown(f"#### It ended before its first checkpoint  \n{run_status.sentence(run)}")
        st.page_link(page.link("run"), label="Open the run", icon=":material/play_circle:", query_params={"run": run["run_id"]})


def files(run: dict[str, Any], state: dict[str, Any]) -> None:
    """A card for each format: what it contains, and buttons to make and download it."""
    st.subheader("Files", anchor=False)
    with st.grid(2, min_column_width=290, gap="small", key="cards"):
        for what in model_formats.offered(run["config"]):
            with st.container(border=True, height="stretch", key=f"card-{what}"):
                st.markdown(f"**{model_formats.FORMATS[what]}**  \n:small[{ABOUT[what]}]")
                _card(run, what, state)


def _card(run: dict[str, Any], what: str, state: dict[str, Any]) -> None:
    job, path = state["jobs"].get(what, {}), state["files"].get(what)
    if reason := model_formats.can_be_made(what):
        st.caption(f":material/info: {harmless(reason)}")
    elif job.get("status") in ("queued", "working"):
        st.caption(f":material/hourglass_top: {harmless(job['words'])} …")
    elif path:
        _download(run, what, Path(path))
    else:
        if job.get("status") == "failed":
            st.caption(f":red[:material/error: {harmless(job['words'])}]")
        st.button("Make", icon=":material/build:", key=f"make-{what}", on_click=_start, args=(run["run_id"], what), width="stretch")


def _download(run: dict[str, Any], what: str, path: Path) -> None:
    name = f"{what}-{tail(run['run_id'])}{path.suffix}"
    download.button(
        f"Download · {size(path.stat().st_size)}",
        path.read_bytes,
        name,
        "application/octet-stream",
        icon=":material/download:",
        key=f"get-{what}",
        type="primary",
        width="stretch",
    )
    st.code(CODE[what].format(file=name, run=run["run_id"]), language=None, wrap_lines=True)


def size(count: int) -> str:
    """Bytes as text with two or three digits."""
    return f"{count / 1e6:.3g} MB" if count >= 1e6 else f"{count / 1e3:.3g} kB"


def _start(run_id: str, what: str) -> None:
    try:
        page.manager().exports.start(run_id, what)
    except ValueError as error:
        st.toast(harmless(str(error)), icon=":material/error:")


def is_busy(state: dict[str, Any]) -> bool:
    """Whether something is being made."""
    return any(job["status"] in ("queued", "working") for job in state["jobs"].values())


def reality(run: dict[str, Any], state: dict[str, Any]) -> None:
    """The button to measure on this machine, and the results."""
    st.subheader("Reality check", anchor=False)
    job, found = state["jobs"].get("reality", {}), state["reality"]
    with st.container(gap="xsmall"):  # always there: an element inserted above a chart would make the browser rebuild it
        if job.get("status") in ("queued", "working"):
            st.markdown(f":material/hourglass_top: **Measuring:** {harmless(job['words'])} …")
        elif job.get("status") == "failed":
            st.error(harmless(job["words"]), icon=":material/error:")
        if found is None:
            st.markdown(
                "Writes every file, reads it again, compares keys, density and accuracy, counts bytes, and times the network versus a "
                "dense reference, alternating. Where pruned filters leave channels idle, so does the network without them. Takes about "
                "ten seconds for a small network."
            )
    busy = job.get("status") in ("queued", "working")
    st.button(
        "Measure on this machine" if found is None else "Measure again",
        icon=":material/speed:",
        key="measure",
        type="primary" if found is None else "secondary",
        disabled=busy,
        on_click=_start,
        args=(run["run_id"], "reality"),
    )
    if found is not None:
        _found(run, found)


def _found(run: dict[str, Any], found: dict[str, Any]) -> None:
    head, detail = figures.verdict(found, NOTICEABLE)
    with st.container(border=True, key="answer"):
        st.markdown(f"#### {harmless(head)}  \n{harmless(detail)}")
    token = (run["run_id"], found["cursor"], found["latency"][0]["ratio"])
    small = found.get("shrunk_bytes")
    sizes, names = found["bytes"] | ({"shrunk": small} if small else {}), sparse_sizes.WAYS | {"shrunk": figures.SHRUNK}
    with live_chart.grid(2):
        live_chart.chart(
            "weights",
            token,
            lambda: figures.weights(sizes, names, revision=run["run_id"]),
            alt="Bars: bytes of the network raw, compressed, sparse-encoded, and without idle channels",
        )
        live_chart.chart(
            "latency",
            token,
            lambda: figures.latency(found["latency"], revision=run["run_id"]),
            alt="Marks: milliseconds of a forward pass, dense, pruned and shrunk, in torch and where it is installed in onnxruntime",
        )
    machine, rounds = found["machine"], [str(time["rounds"]) for time in found["latency"]]
    where = f"{machine['processor']}, {machine['threads']} of {counted(machine['cores'], 'core')}"
    software = " and ".join(f"{name} {plain(machine[name])}" for name in ("torch", "onnxruntime") if machine[name])
    text = f"{', '.join(rounds[:-1])} and {rounds[-1]} alternating rounds; {software} on {plain(where)}."
    if found["trained_meanwhile"]:
        text += " :orange[A run was training meanwhile: all sides are slower, their ratio is still fair.]"
    st.caption(text)
    st.markdown("**Can the files be trusted?**")
    lines = [f"| {harmless(check['name'])} | {_MARKS[check['is_equal']]} | {harmless(check['text'])} |" for check in found["checks"]]
    st.markdown("\n".join(["| check | | measured |", "|---|---|---|", *lines]))
