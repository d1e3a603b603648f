"""Twelve test images with what a run said of them, the confusion of its classes and its first filters, at a checkpoint that is here.

What was said at each cut stands in the rows of the run; pictures and confusion need the data and the network, and are worked out when they
are asked for.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from appcore.analysis import twelve_images
from appcore.analysis.twelve_images import Told
from appcore.charts.mistakes import confusion as figures
from appcore.names import counted
from appcore.planning import stages

from ..app import page, tables
from ..words.text import harmless
from . import live_chart

_ASKED = "_looks"  # run: the cursor whose weights are looked at (None: as it was at the press)
_STYLE = """<style>
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); gap: 0.6rem; }
.pictures figure { margin: 0; padding: 0.35rem; border: 1px solid rgba(122,133,148,0.35); border-radius: 0.4rem; font-size: 0.78rem;
  line-height: 1.35; }
.pictures figure.lost { border: 2px solid #d55e00; }
.pictures img { width: 100%; max-height: 96px; object-fit: contain; image-rendering: pixelated; display: block; margin-bottom: 0.3rem; }
.pictures .mark { font-weight: 700; }
</style>"""


def is_waiting(run_id: str) -> bool:
    """Whether a look that was asked for is still being worked out."""
    return bool(st.session_state.get("_look_waits", {}).get(run_id))


def show(run: Mapping[str, Any], data: tables.Frames, until: int | None) -> None:
    """The images beside what was said of them, and below what the checkpoint shows."""
    run_id = run["run_id"]
    moment = data.once(("images", until), lambda: _moment(run, data, until))
    reply = _look(run_id)
    waits = st.session_state.setdefault("_look_waits", {})
    waits[run_id] = reply is not None and reply["state"] in ("waiting", "scoring")
    st.subheader("Twelve test images", anchor=False)
    if moment:
        _words(moment)
    elif data.played:
        st.caption("Nothing was asked about them by this moment.")
    else:
        st.caption("The version that made this run did not record what it said of single images.")
    answer = reply["answer"] if reply and reply["state"] == "ready" else None
    if run.get("recorded"):
        st.caption("The images themselves, and all mistakes, need the data and the weights, which a recorded run came without.")
    elif reply is None:
        _button(run_id)
    elif reply["state"] == "failed":
        st.error(harmless(reply["error"]), icon=":material/error:")
    elif answer is None:
        st.progress(reply.get("share", 0.0), text="Reading the images and the weights; the page goes on by itself.")
    if reply is None or answer is None:
        if moment:
            st.html(_STYLE + _cards(moment.images, None, None, bool(moment.then)))
        return
    images = moment.images if moment and reply["weights"] else twelve_images.told(answer, None)
    st.html(_STYLE + _cards(images, answer["pictures"], answer["classes"], bool(moment and moment.then)))
    _checkpoint(run, reply, answer)


def _moment(run: Mapping[str, Any], data: tables.Frames, until: int | None) -> twelve_images.Moment | None:
    """What was said last, up to a stage of the run (from 0), its stages named as on its other charts."""
    known = stages.of_run(run)
    cuts, ends = (rows if until is None else rows[known.of(rows) <= until] for rows in (data.prunes, data.megabatches))
    return twelve_images.moment(cuts, ends, lambda row: stages.in_words(known.places[known.at(row)], known.word))


def _look(run_id: str) -> dict[str, Any] | None:
    """The state of the look at a run, where one was asked for."""
    asked = st.session_state.get(_ASKED, {})
    if run_id not in asked:
        return None
    try:
        return page.manager().look(run_id, asked[run_id])
    except ValueError as error:
        return {"state": "failed", "error": str(error)}


def _ask(run_id: str) -> None:
    here = page.manager().checkpoints(run_id)
    st.session_state.setdefault(_ASKED, {})[run_id] = here[0] if here else None


def _choose(run_id: str) -> None:
    st.session_state[_ASKED][run_id] = st.session_state[f"look_at_{run_id}"]


def _button(run_id: str) -> None:
    st.button(
        "Show the pictures and all mistakes",
        icon=":material/image_search:",
        key="look",
        on_click=_ask,
        args=(run_id,),
        help="Reads the data and the newest checkpoint and tests it once, in the background, with one thread",
    )


def _words(moment: twelve_images.Moment) -> None:
    right = sum(not one.is_wrong for one in moment.images)
    text = f"{moment.now[0].upper()}{moment.now[1:]} **{right} of {len(moment.images)}** are right"
    if moment.then:
        lost = sum(one.became_wrong for one in moment.images)
        then = sum(one.then is not None and one.then[0] == one.label for one in moment.images)
        text += f"; {moment.then} it was {then}." + (f" **{lost} became wrong.**" if lost else " None became wrong.")
    st.markdown(text if text.endswith(("**", ".")) else f"{text}.")
    st.caption("The same images for every run on this data. Before the first cut of an untrained network its answers are guesses.")


def _cards(images: tuple[Told, ...], pictures: list[np.ndarray] | None, classes: list[str] | None, knows_then: bool) -> str:
    def name(label: int) -> str:
        return html.escape(classes[label] if classes and label < len(classes) else f"class {label}")

    found = []
    for place, one in enumerate(images):
        picture = f'<img alt="test image {one.place}" src="{_png(pictures[place])}">' if pictures else ""
        now = f"{'✗' if one.is_wrong else '✓'} {name(one.now[0])}, {100 * one.now[1]:.0f} %"
        then = "" if one.then is None else f"{'✓' if one.then[0] == one.label else '✗'} {name(one.then[0])}, {100 * one.then[1]:.0f} %"
        lines = [f"<b>{name(one.label)}</b>", f"now {now}", f"before {then}" if then and knows_then else ""]
        lines += ['<span class="mark">became wrong</span>'] if one.became_wrong else []
        shown = "<br>".join(line for line in lines if line)
        found.append(f'<figure class="{"lost" if one.became_wrong else "told"}">{picture}<figcaption>{shown}</figcaption></figure>')
    return f'<div class="pictures">{"".join(found)}</div>'


def _png(pixels: np.ndarray) -> str:
    """An image [height, width, channels] as an address that holds it."""
    target = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, :3]).save(target, "PNG")
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"


def _checkpoint(run: Mapping[str, Any], reply: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """The confusion matrix and the first filters of the checkpoint that was looked at."""
    run_id, cursor = run["run_id"], answer["cursor"]
    if not reply["weights"]:
        st.info("No weights of this run are on this machine, so what follows is of its initial weights: a guess.", icon=":material/info:")
    matrix = twelve_images.confusion(answer["pairs"], len(answer["classes"]))
    where = f"after {counted(cursor, 'segment')} of {run['segments']}" if cursor < run["segments"] else "at the end"
    commonest = [
        f"{answer['classes'][true]} for {answer['classes'][said]} ({images})" for true, said, images in twelve_images.mistakes(matrix)
    ]
    wrong = int(matrix.sum() - np.trace(matrix))
    words = f"Weights {where}: {wrong:,} of {int(matrix.sum()):,} test images are wrong"
    st.caption(harmless(words + (f"; most often {', '.join(commonest)} (class, answer)." if commonest else ".")))
    live_chart.chart(
        "confusion",
        (run_id, reply["key"]),
        lambda: figures.confusion(matrix, answer["classes"], revision=run_id),
        alt="Heatmap: test images by class and by answer",
    )
    if "first" in answer:
        live_chart.chart(
            "first-filters",
            (run_id, reply["key"]),
            lambda: figures.filters(answer["first"]["name"], answer["first"]["weights"], revision=run_id),
            alt="Pictures: the weights of each filter of the first layer",
        )
    here = page.manager().checkpoints(run_id)
    if reply["weights"] and {*here, cursor} != {cursor}:
        st.selectbox(
            "Weights",
            sorted({*here, cursor}, reverse=True),
            index=sorted({*here, cursor}, reverse=True).index(cursor),
            format_func=lambda one: f"after segment {one} of {run['segments']}",
            key=f"look_at_{run_id}",
            on_change=_choose,
            args=(run_id,),
            width=260,
            help="The checkpoints of this run that are on this machine: its two newest, and of one that is done the last",
        )
