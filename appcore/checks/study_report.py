"""docs/STUDY.md: the study of six rows (recordings/study.py), from the light bundles of its runs alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from .. import files
from ..analysis.measures import MEASURES as NUMBERS
from ..analysis.measures import lower
from ..analysis.pairing import agreeing
from ..analysis.samples import FAILS, HOLDS, UNDECIDED, Sample, above_zero, worst
from ..config import RunConfig
from ..events import MegabatchDone
from ..names import counted
from ..recordings import shipped, study
from ..recordings.study import NEEDED, ROWS
from ..transfer import bundle_recorded, figure_files
from .experiment import markdown

QUESTION = (
    "Anytime Progressive Pruning (APP, arXiv 2204.01640) is reported to have a smaller generalization gap, a higher accuracy and fewer "
    "errors over a stream than one-shot pruning (OSP) and than a dense network, and a gap that rises and falls again over the stream. "
    "The released code, however, ends at about 1.9 % of the weights where the paper names 37 %, and OSP really is at 37 % "
    "(docs/FIDELITY.md, experiment 2). Which of the claims follow from APP, and which from that density?"
)
DESIGN = (
    "Six rows on one stream: APP as the released code runs it (both of its defects reproduced on purpose), APP by the paper's rule and "
    "OSP at 1.9 %, near where that code really ends (its own density is in the tables), "
    "APP and OSP at the 37 % that the paper names, and dense. All rows of one seed have "
    "the same initial weights, order of the stream, validation split, augmentation and scoring images. SNIP ranks the convolutions' "
    "weights; replay is full; the last weights of each megabatch are carried on. The *gap* is the accuracy on 5,000 training images "
    "without augmentation, in evaluation mode, minus that on the test set, both after a megabatch: a clean measure, not the published "
    "one (running training accuracy on augmented images minus the validation accuracy that chose the epoch). *CER* is the sum of the "
    "test errors after all megabatches."
)
READING = (
    "Mean ± standard deviation over seeds; differences are paired by seed, with a 95 % interval by Student's t. *Holds*: the interval "
    "leaves 0 out on the claimed side; *does not hold*: on the other; *undecided*: it contains 0. With fewer than "
    f"{NEEDED} seeds nothing is decided. A gap is non-monotonic where it is larger at the middle of the stream than at its first and at "
    "its last megabatch, places that were fixed before these runs were made. These are many intervals at once: of twenty differences that "
    "are not there, one leaves 0 out by chance."
)
NOT_SHOWN = (
    "Networks: ResNet-20 alone. The published numbers are of ResNet-50 on CIFAR-100, which needs a GPU; nothing is claimed of it here.",
    "Scale: images have {pixels} pixels, and a megabatch is trained for {epochs} where the paper has 50. Longer training "
    "may learn the training images by heart at densities where it does not here.",
    "Data: one data set, CIFAR-10 from JPEG files, close to the original and not equal to it. With all its images every seed has the "
    "same test set, so intervals cover initial values, order, split, augmentation and scoring images, not the choice of data.",
    "Cause: the rows at 1.9 % differ from those at 37 % in density alone, but why a network of that size has a smaller gap (too small to "
    "learn the training images by heart, say) is not tested.",
    "A smaller gap is no merit by itself: it can come from a lower training accuracy. The column of clean train accuracy stands beside it.",
    "Criteria other than SNIP, replay other than full, and pruning by layer.",
)


@dataclass(frozen=True)
class Run:
    """A finished run of the study, as its bundle tells it."""

    row: str
    seed: int
    config: RunConfig
    ends: tuple[MegabatchDone, ...]
    started: Mapping[str, Any]
    totals: Mapping[str, Any]
    versions: Mapping[str, Any]
    made: Mapping[str, Any]


Value = Callable[[Run], float]


@dataclass(frozen=True)
class Measure:
    """A number of a run: how it is read, its unit, and how it is written."""

    title: str
    unit: str
    read: Value
    digits: int = 1
    scale: float = 100.0

    def difference(self, found: Sample) -> str:
        """A difference with its interval."""
        return found.ranging(self.digits, scale=self.scale)


def _gap(end: MegabatchDone) -> float:
    assert end.clean_gap is not None  # of earlier versions only
    return end.clean_gap


def _train(end: MegabatchDone) -> float:
    assert end.clean_train_accuracy is not None
    return end.clean_train_accuracy


_GAP, _ACCURACY = lower(NUMBERS["clean_gap"].title), lower(NUMBERS["test_accuracy"].title)  # of axes and columns

DENSITY = Measure("density at the end, %", "%", lambda run: run.ends[-1].density_mask, 2)
TRAIN = Measure(lower(NUMBERS["clean_train_accuracy"].title), "%", lambda run: _train(run.ends[-1]))
ACCURACY = Measure(_ACCURACY, "points", lambda run: run.ends[-1].test_accuracy)
GAP = Measure("gap at the end, points", "points", lambda run: _gap(run.ends[-1]))
MEAN_GAP = Measure("mean gap, points", "points", lambda run: fmean(map(_gap, run.ends)))
CER = Measure(NUMBERS["cer"].title, "errors", lambda run: run.ends[-1].cer, 0, 1.0)
MEASURES = (DENSITY, TRAIN, ACCURACY, GAP, MEAN_GAP, CER)

# (claim, measure, the row that is claimed to have less, the row that is claimed to have more)
_PUBLISHED = "As published, at unequal densities"
_NAMED = "At the density that the paper names"
_FAIR = "Near the density where the released code ends"
_CAUSE = "Density, or method?"
STATEMENTS = (
    (_PUBLISHED, "gap: released code < OSP at 37 %", GAP, "app-released", "osp"),
    (_PUBLISHED, "gap: released code < dense", GAP, "app-released", "dense"),
    (_PUBLISHED, "test accuracy: released code > OSP at 37 %", ACCURACY, "osp", "app-released"),
    (_PUBLISHED, "test accuracy: released code > dense", ACCURACY, "dense", "app-released"),
    (_PUBLISHED, "CER: released code < OSP at 37 %", CER, "app-released", "osp"),
    (_PUBLISHED, "CER: released code < dense", CER, "app-released", "dense"),
    (_NAMED, "gap: APP to 37 % < OSP at 37 %", GAP, "app", "osp"),
    (_NAMED, "gap: APP to 37 % < dense", GAP, "app", "dense"),
    (_NAMED, "test accuracy: APP to 37 % > OSP at 37 %", ACCURACY, "osp", "app"),
    (_NAMED, "test accuracy: APP to 37 % > dense", ACCURACY, "dense", "app"),
    (_NAMED, "CER: APP to 37 % < OSP at 37 %", CER, "app", "osp"),
    (_FAIR, "gap: APP to 1.9 % < OSP at 1.9 %", GAP, "app-deep", "osp-deep"),
    (_FAIR, "test accuracy: APP to 1.9 % > OSP at 1.9 %", ACCURACY, "osp-deep", "app-deep"),
    (_FAIR, "CER: APP to 1.9 % < OSP at 1.9 %", CER, "app-deep", "osp-deep"),
    (_FAIR, "CER: APP to 1.9 % < dense", CER, "app-deep", "dense"),
    (_CAUSE, "gap: OSP at 1.9 % < OSP at 37 % (density alone)", GAP, "osp-deep", "osp"),
    (_CAUSE, "gap: APP to 1.9 % < APP to 37 % (density alone)", GAP, "app-deep", "app"),
    (_CAUSE, "gap: released code < APP to 1.9 % (the defects, near that density)", GAP, "app-released", "app-deep"),
)


@dataclass(frozen=True)
class Part:
    """The runs of one length of stream, with or without augmentation."""

    length: int
    is_augmented: bool
    runs: tuple[Run, ...]

    @property
    def title(self) -> str:
        return f"T = {self.length}, {'with' if self.is_augmented else 'without'} augmentation"

    @property
    def figure(self) -> str:
        """The name of its figure."""
        return f"study-{self.length}{study.AUGMENTED if self.is_augmented else ''}.svg"

    def by_seed(self, row: str) -> dict[int, Run]:
        return {run.seed: run for run in self.runs if run.row == row}

    def sample(self, row: str, read: Value) -> Sample:
        return Sample.of(read(run) for run in self.by_seed(row).values())

    def difference(self, less: str, more: str, read: Value) -> Sample:
        """`more` - `less`, over the seeds that both have."""
        one, other = self.by_seed(less), self.by_seed(more)
        return Sample.of(read(other[seed]) - read(one[seed]) for seed in sorted(one.keys() & other.keys()))


def parts(folder: Path) -> list[Part]:
    """What the bundles in a folder hold, shorter streams first; also the parts of the study without a run yet."""
    found: dict[tuple[int, bool], list[Run]] = {(length, is_augmented): [] for length in study.STUDIES for is_augmented in (False, True)}
    for run_id, made in shipped.runs(folder).items():
        place = study.place(made["name"])
        if place is None:
            continue
        length, row, is_augmented = place
        record, config, entries = bundle_recorded.read(shipped.read(run_id, folder))
        text = json.loads(record.model_dump_json())
        ends = tuple(sorted((one.megabatch for one in entries if one.megabatch), key=lambda end: end.megabatch))
        known = {name: text[name] or {} for name in ("started", "totals", "versions")}
        found[length, is_augmented].append(Run(row, config.seed, config, ends, made=made, **known))
    return [Part(length, is_augmented, tuple(runs)) for (length, is_augmented), runs in sorted(found.items())]


# ---- tables


def table(folder: Path, length: int) -> str:
    """The six rows for a terminal."""
    found = [part for part in parts(folder) if part.length == length and part.runs]
    blocks = [f"{part.title}\n{_rows(part)}\n\n{_statements(part)}" for part in found]
    return "\n\n".join(blocks) or "nothing was made yet"


def _rows(part: Part) -> str:
    rows = []
    for row in ROWS:
        seeds = sorted(part.by_seed(row.name))
        values = [_text(part.sample(row.name, one.read), one) if seeds else "" for one in MEASURES]
        short = "" if len(seeds) >= NEEDED else ", **not decided yet**"
        rows.append([row.title, *values, f"{len(seeds)}{short}"])
    return markdown(["row", *(one.title for one in MEASURES), "seeds"], rows)


def _text(found: Sample, measure: Measure) -> str:
    mean = f"{measure.scale * found.mean:,.{measure.digits}f}"
    return f"{mean} ± {measure.scale * found.sd:,.{measure.digits}f}" if len(found.values) > 1 else mean


def _statements(part: Part) -> str:
    rows = []
    for group, claim, measure, less, more in STATEMENTS:
        found = part.difference(less, more, measure.read)
        measured = f"{measure.difference(found)} {measure.unit}" if found.values else ""
        rows.append([group, claim, measured, str(len(found.values)), _verdict([found])])
    for row in ROWS:
        rise, fall = (part.sample(row.name, _climb(place)) for place in (0, -1))
        measured = f"{GAP.difference(rise)} over the first, {GAP.difference(fall)} over the last" if rise.values else ""
        claim = f"gap at the middle of the stream above both ends: {row.title}"
        rows.append(["Non-monotonic", claim, measured, str(len(rise.values)), _verdict([rise, fall])])
    head = ["", "statement", "difference as claimed, 95 % interval", "n", "verdict"]
    shown = ["" if place and rows[place - 1][0] == row[0] else row[0] for place, row in enumerate(rows)]
    return markdown(head, [[first, *row[1:]] for first, row in zip(shown, rows, strict=True)])


def _climb(place: int) -> Value:
    """By how much the gap at the middle of the stream is above that at a place."""
    return lambda run: _gap(run.ends[len(run.ends) // 2 - 1]) - _gap(run.ends[place])


def _verdict(found: Sequence[Sample]) -> str:
    if min(len(one.values) for one in found) < NEEDED:
        return f"not decided yet ({len(found[0].values)} of {NEEDED} seeds)"
    short = {HOLDS: "**holds**", FAILS: "**does not hold**", UNDECIDED: "undecided"}
    return short[worst(above_zero(one) for one in found)]


def _by_megabatch(part: Part) -> str:
    """The mean gap at up to ten places of the stream."""
    places = sorted({round(one * (part.length - 1) / 9) for one in range(10)}) if part.length > 10 else range(part.length)
    rows = []
    for row in ROWS:
        runs = list(part.by_seed(row.name).values())
        rows.append([row.title, *(f"{100 * fmean(_gap(run.ends[place]) for run in runs):.0f}" if runs else "" for place in places)])
    return markdown(["gap after megabatch", *(str(place + 1) for place in places)], rows)


# ---- the figure


def figure(part: Part) -> str:
    """The gap and the test accuracy over the stream as SVG: mean over the seeds, with their range as a band."""
    import vl_convert

    values = [
        {"row": _title(run.row), "megabatch": end.megabatch + 1, "measure": title, "value": 100 * value}
        for run in part.runs
        for end in run.ends
        for title, value in ((_GAP, _gap(end)), (_ACCURACY, end.test_accuracy))
    ]
    titles = [row.title for row in ROWS if part.by_seed(row.name)]
    x = {"field": "megabatch", "type": "quantitative", "title": "megabatch", "axis": {"tickMinStep": 1}, "scale": {"zero": False}}
    palette = {"domain": titles, "range": [look for look, row in zip(_COLOURS, ROWS, strict=True) if row.title in titles]}
    legend = {"symbolOpacity": 1, "symbolType": "stroke"}
    colour = {"field": "row", "type": "nominal", "title": None, "sort": titles, "scale": palette, "legend": legend}
    panels = []
    for title in (_GAP, _ACCURACY):

        def of(aggregate: str, title: str = title) -> dict[str, Any]:
            return {"field": "value", "aggregate": aggregate, "title": title, "scale": {"zero": title == _GAP}}

        layers = [
            {"mark": {"type": "area", "opacity": 0.15}, "encoding": {"x": x, "color": colour, "y": of("min"), "y2": of("max")}},
            {"mark": "line", "encoding": {"x": x, "color": colour, "y": of("mean")}},
        ]
        panels.append({"width": 330, "height": 260, "transform": [{"filter": {"field": "measure", "equal": title}}], "layer": layers})
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": {"text": part.title, "anchor": "start"},
        "data": {"values": values},
        "hconcat": panels,
        "config": {"view": {"stroke": None}, "axis": {"gridOpacity": 0.5}},
    }
    return vl_convert.vegalite_to_svg(spec)


_COLOURS = ["#D55E00", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#333333"]  # Okabe and Ito: also for eyes that see fewer colours


def _title(row: str) -> str:
    return study.BY_NAME[row].title


# ---- the document


def write(path: str | Path, folder: Path, command: str) -> None:
    """Write the document, and its figures into `img` beside it."""
    target, found = Path(path), parts(folder)
    files.refuse_store(target, "write")
    with_figures = figure_files.can_make_pdf()
    if with_figures:
        for part in [part for part in found if part.runs]:
            files.write(target.parent / "img" / part.figure, figure(part), "name another file", "write")
    files.write(target, document(found, command, with_figures=with_figures), "name another file", "write")


def document(found: Sequence[Part], command: str, *, with_figures: bool = True) -> str:
    """docs/STUDY.md."""
    intro = f"`{command} --write FILE` wrote this file from the bundles of the runs; do not edit it by hand."
    blocks = ["# Does APP close the generalization gap, or does its density?", intro, "## Question", QUESTION, "## Method", DESIGN]
    blocks += [_settings(found), READING]
    for part in found:
        if not part.runs:
            blocks += [f"## {part.title}: not run yet", _statements(part)]
            continue
        blocks += [f"## {part.title}", _about(part), _rows(part)]
        blocks += [f"![Gap and test accuracy over the stream, {part.title}](img/{part.figure})"] if with_figures else []
        blocks += [_by_megabatch(part), _statements(part)]
    blocks += ["## What it does not show", "\n".join(f"- {text}" for text in _not_shown(found))]
    blocks += ["## To repeat it", _commands(found, command)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _settings(found: Sequence[Part]) -> str:
    lines = []
    for length, (config, run) in _examples(found).items():
        images = "all images"
        if run:
            images = f"{run.started['train_images']:,} training and {run.started['test_images']:,} test images"
        drops = " and ".join(f"{share:.0%}" for share in config.lr_drops)
        lines.append(
            f"- T = {length}: {config.arch}, {images} of CIFAR-10 at {config.image_size} x {config.image_size} pixels, "
            f"{counted(config.epochs, 'epoch')} a megabatch, batch {config.batch_size}, SGD with learning rate {config.lr:g} (times "
            f"{config.lr_gamma:g} after {drops} of a megabatch's epochs, where there are so many), momentum {config.momentum:g}, weight "
            f"decay {config.weight_decay:g}, {config.precision}. Augmentation: crops of the image padded by {config.image_size // 8}, "
            "and flips."
        )
    return "\n".join(lines)


def _examples(found: Sequence[Part]) -> dict[int, tuple[RunConfig, Run | None]]:
    """By length of the stream a run and its settings; the settings that one would have where there is none."""
    examples: dict[int, tuple[RunConfig, Run | None]] = {}
    for part in found:
        usual = study.STUDIES[part.length].recording(ROWS[0], is_augmented=False).config(0)
        if part.runs and (part.length not in examples or examples[part.length][1] is None):
            examples[part.length] = part.runs[0].config, part.runs[0]
        examples.setdefault(part.length, (usual, None))
    return examples


def _about(part: Part) -> str:
    seconds = [run.totals["seconds"] for run in part.runs]
    speed = median(run.totals["images_per_second"] for run in part.runs)
    seeds = [[run for run in part.runs if run.seed == seed] for seed in sorted({run.seed for run in part.runs})]
    paired = [
        len(runs) == 1 or agreeing([{"config": one.config.model_dump(), "hashes": one.started["hashes"]} for one in runs]) == (1, 1)
        for runs in seeds
    ]
    machines = _listed(run.made["machine"] for run in part.runs)
    software = _listed(f"torch {run.versions.get('torch')}" for run in part.runs)
    dates = sorted(run.made["date"][:10] for run in part.runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"{counted(len(part.runs), 'run')}, {sum(seconds) / 3600:.1f} hours by the clock, beside whatever else the machine did; "
        f"{median(seconds) / 60:.0f} minutes and "
        f"{speed:,.0f} training images a second in the median run ({machines}; {software}; {when}). Runs of one seed began alike "
        f"(weights, order, scoring images, data): {sum(paired)} of {counted(len(seeds), 'seed')}."
    )


def _listed(words: Iterable[str]) -> str:
    return " and ".join(sorted(set(words)))


def _not_shown(found: Sequence[Part]) -> list[str]:
    configs = {length: config for length, (config, _) in _examples(found).items()}
    pixels = " and ".join(sorted({f"{config.image_size} x {config.image_size}" for config in configs.values()}))
    epochs = ", ".join(f"{counted(config.epochs, 'epoch')} (T = {length})" for length, config in configs.items())
    return [text.format(pixels=pixels, epochs=epochs) for text in NOT_SHOWN]


def _commands(found: Sequence[Part], command: str) -> str:
    seconds: dict[tuple[int, str], list[float]] = {}
    for part in found:
        for run in part.runs:
            seconds.setdefault((part.length, run.row), []).append(run.totals["seconds"])
    rows = []
    for length in study.STUDIES:
        longer = "" if length == 8 else f" --megabatches {length}"
        for row in ROWS:
            one = seconds.get((length, row.name))
            rows.append([row.title, f"`{command} {row.name}{longer} --to DIR`", f"{median(one) / 60:.0f}" if one else ""])
    whole = (
        f"In its cheapest form, 1,600 images and seed 0, in under five minutes on two cores: `{command} --quick --workers 2`. All of it: "
        f"`{command} --workers 2 --write docs/STUDY.md`, which leaves out what is made already and goes on with what was interrupted; "
        "`--megabatches 100` for the long stream. One row, anew in a folder of one's own (seeds 0, 1 and 2, both augmentations):"
    )
    return f"{whole}\n\n{markdown(['row', 'command', 'minutes by the clock, with one thread'], rows)}"
