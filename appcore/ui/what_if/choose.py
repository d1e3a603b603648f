"""Choices on the What if page: the network that is scored, the criteria, and the question. All of it is in the address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from appcore import plugins
from appcore.analysis import what_if
from appcore.analysis.what_if import Density
from appcore.errors import InputError
from appcore.names import RECORDED, apart, display
from appcore.planning import sparsity as sparsities
from appcore.quotas import FLOPS, GRANULARITIES, N_OF_M, WEIGHT, by_layer, fitted
from appcore.recordings import catalog, shipped
from appcore.service.recorded import are_wanted

from ..app import old_links
from ..settings import fields
from ..widgets import run_search, sparsity_slider
from ..widgets.run_picker import not_here
from ..words import run_text, setting_labels
from ..words.text import harmless

DENSITIES = "densities"
SCOPES = {**setting_labels.VALUE_LABELS["scope"], DENSITIES: "densities of layers"}  # of a run, and what a run has in the place of one
_FORMERLY = {"Whole network": SCOPES["global"], "Each layer alike": SCOPES["layer"], "Erdős–Rényi kernel": SCOPES["erk"]}
_GRANULARITIES = setting_labels.VALUE_LABELS["granularity"]
_USUAL = sparsities.of_tau(4.5)
_ITERATIVE = "rounds"  # a criterion with this option scores in several rounds, pruning in between


@dataclass(frozen=True)
class Source:
    """The network that is scored: a fresh one from settings, or a run's newest checkpoint."""

    config: dict[str, Any] | None
    run_id: str | None
    words: str  # Markdown
    is_recorded: bool = False  # its scores came with the program, its data may not be here


def source(everything: Mapping[str, dict[str, Any]]) -> Source:
    """The network of the address: ?run=ID, or arch, dataset and seed."""
    there = [known for known in catalog.SCORED if are_wanted() and shipped.scores(known.name, known.criteria[0]).exists()]
    recorded = {f"{RECORDED}{known.name}": known for known in there}
    names = {
        "": "A fresh network",
        **{key: f"{known.title} · recorded" for key, known in recorded.items()},
    }
    asked = st.query_params.get("run", "")
    st.session_state["what_if_run"] = asked if asked in names or asked in everything else ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = run_search.offered(everything, [asked], "what_if_run")
        names |= run_text.options({key: everything[key] for key in offered})
        st.selectbox("Weights of", list(names), format_func=names.__getitem__, key="what_if_run", on_change=_picked, width=320)
        chosen = st.session_state["what_if_run"]
        found = _recorded(recorded[chosen]) if chosen in recorded else _of_run(everything[chosen]) if chosen else _fresh()
    if asked not in names:
        not_here([asked])
    return found


def _recorded(known: catalog.Scored) -> Source:
    words = f"{harmless(known.title)}, at its initial values; its scores came with the program"
    return Source(known.config.model_dump(mode="json"), None, words, is_recorded=True)


def _picked() -> None:
    if st.session_state["what_if_run"]:
        st.query_params["run"] = st.session_state["what_if_run"]
    else:
        st.query_params.pop("run", None)


def _fresh() -> Source:
    arch, dataset = _menu("Network", "arch", "models", "resnet20"), _menu("Data set", "dataset", "datasets", "digits")
    seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params", width=110)
    words = f"{harmless(display(arch))} on {harmless(display(dataset))}, at its initial values (seed {seed})"
    return Source({"arch": arch, "dataset": dataset, "seed": int(seed)}, None, words)


def _menu(label: str, key: str, kind: str, usual: str) -> str:
    shown = apart(name for name, choice in plugins.choices(kind).items() if not choice.takes_argument)
    old_links.renamed(key, shown)
    places = list(shown)
    return st.selectbox(label, places, index=places.index(usual), format_func=shown.__getitem__, key=key, bind="query-params", width=190)


def _of_run(run: dict[str, Any]) -> Source:
    moments = {"now": "Its newest checkpoint", "start": "Its initial values"}
    when = st.segmented_control(
        "As they were at", list(moments), format_func=moments.__getitem__, default="now", required=True, key="when", bind="query-params"
    )
    if when == "start":
        config = {name: value for name, value in run["config"].items() if name not in ("options", "semantics")}
        return Source(config, None, f"{run_text.summary(run)}, at its initial values")
    return Source(None, run["run_id"], f"{run_text.summary(run)}, at its newest checkpoint")


def criteria() -> list[str]:
    """The picker of criteria to compare; the first one's scores are shown."""
    known = plugins.choices("pruners")
    shown = apart(known)
    old_links.renamed("criteria", {choice.title: shown[name] for name, choice in known.items()})
    return st.multiselect(
        "Criteria",
        list(known),
        default=[name for name in ("snip", "magnitude") if name in known],
        format_func=shown.__getitem__,
        key="criteria",
        bind="query-params",
        help="The scores of the first one are drawn below",
    )


def granularity(source: Source, run: Mapping[str, Any]) -> str:
    """What is ranked and removed as one, at first as in the settings of `run`. Scores that came with the program are those of weights."""
    if source.is_recorded:
        return WEIGHT
    first = run.get("granularity", WEIGHT)
    shown = {name: _GRANULARITIES.get(name, name) for name in dict.fromkeys([*GRANULARITIES, first])}
    old_links.renamed("granularity", shown)  # as a run's settings and the form's address have it
    return st.selectbox(
        setting_labels.label("granularity"),
        list(shown),
        index=list(shown).index(first),
        format_func=shown.__getitem__,
        key="granularity",
        bind="query-params",
        help=fields.help_text("granularity"),
    )


def rounds_note(chosen: list[str]) -> str:
    """A note on criteria that score in several rounds in a run."""
    known = plugins.choices("pruners")
    several = [display(name) for name in chosen if _ITERATIVE in known[name].options]
    if not several:
        return ""
    verb = "scores" if len(several) == 1 else "score"
    note = f"{', '.join(several)} {verb} again and again while cutting in a run; here once, at the weights as they are, so a run differs."
    if chaotic := [display(name) for name in chosen if known[name].literal("CHAOTIC")]:
        note += f" Which weights {' and '.join(chaotic)} then {'keeps' if len(chaotic) == 1 else 'keep'} hinges on rounding."
    return note


def question(sketch: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[Density, str, list[str]]:
    """(density, scope, exempt layers) from the controls; no more can be kept than is left.

    The first scope is that of the settings of `run`, where they count FLOPs or name densities. InputError for densities that cannot be.
    """
    layers, given = [layer["name"] for layer in sketch["layers"]], run.get(DENSITIES, ())
    with st.container(key="what-if-question"):
        left, middle, right = st.columns([4, 2, 3], gap="medium", vertical_alignment="bottom")
    old_links.renamed("scope", _FORMERLY | SCOPES)  # also as a run's settings and the form's address have it
    first = DENSITIES if given else FLOPS if run.get("scope") == FLOPS else "global"
    scope = middle.selectbox(
        "Scope",
        list(SCOPES),
        index=list(SCOPES).index(first),
        format_func=SCOPES.__getitem__,
        key="scope",
        bind="query-params",
        help="Over what the scores are compared",
    )
    if scope == DENSITIES:
        label, help, hint = setting_labels.label(DENSITIES), fields.help_text(DENSITIES), fields.PLACEHOLDERS[DENSITIES]
        typed = left.text_input(label, ", ".join(given), key=DENSITIES, bind="query-params", help=help, placeholder=hint)
        return _densities(typed, layers), "global", []
    is_flops, least = scope == FLOPS, what_if.least_removed(sketch, scope)
    with left:
        removed = sparsity_slider.slider(
            max(_asked(), least),
            key="sparsity",
            label="FLOPs removed" if is_flops else "Removed",
            least=least,
            help=f"Share of the {'dense FLOPs' if is_flops else 'prunable weights'} that the cut removes; arrow keys step",
            on_change=_moved,
        )
    short = {name.removesuffix(".weight"): name for name in layers}
    exempt = right.multiselect("Layers that are not pruned", list(short), key="exempt", bind="query-params", placeholder="None")
    return round(1 - removed, 12), scope, [short[name] for name in exempt]


def _densities(typed: str, layers: list[str]) -> dict[str, float]:
    """The density of each layer, by weight; those that are not named stay as they are."""
    try:
        return fitted(by_layer(typed), layers)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{DENSITIES}: {error}", DENSITIES) from None


def _asked() -> float:
    """The removed fraction in the address; links of earlier versions name what is kept."""
    try:
        if "density" in st.query_params:
            return 1 - min(max(float(st.query_params["density"].removesuffix("%")) / 100, 0.0), 1.0)
        return sparsities.read(st.query_params["sparsity"])
    except (ValueError, KeyError):
        return _USUAL


def _moved() -> None:
    st.query_params.pop("density", None)
    st.query_params["sparsity"] = f"{st.session_state['sparsity']:g}"


def _ranked(granularity: str, left: float) -> str:
    """Sentences on what is ranked; `left`: the share of the weights that can be kept."""
    bound = re.fullmatch(N_OF_M, granularity)
    gone = "" if left == 1 or bound else f"Of its weights {100 * left:.1f} % are left; pruned ones cannot return. "
    if granularity == WEIGHT:
        return f"{gone}Single weights are ranked."
    if bound:
        return f"Single weights are ranked, of every {bound[2]} inputs the best {bound[1]}: at most {100 * left:.1f} % can be kept."
    what = f"Blocks of {granularity}" if "x" in granularity else f"{granularity.capitalize()}s"
    return f"{gone}{what} are ranked by the sum of their weights' scores, and kept whole."


def small_print(source: Source, criteria: list[str], sketch: dict[str, Any], milliseconds: float, granularity: str) -> None:
    """Small print: what was scored, how exact the answer is, and how long it took."""
    what, together = ("groups", "they come as near as whole groups can to") if "starts" in sketch else ("weights", "they always keep")
    st.caption(
        f"Scored: {source.words}, with the scoring images of megabatch {sketch['megabatch'] + 1}. "
        f"{harmless(_ranked(granularity, sketch['density']))} {harmless(rounds_note(criteria))}  \n"
        f"What a layer of up to 4,096 {harmless(what)} keeps is exact; of a larger one it may be off by less than 1 in 100. "
        f"Together {harmless(together)} "
        f"the number asked for, or cost no more than the FLOPs asked for. Answered in {milliseconds:.0f} ms."
    )
