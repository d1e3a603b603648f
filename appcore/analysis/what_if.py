"""What pruning to a density would do, from sketches of scores: how much each layer keeps, the threshold, which layer dies first.

A sketch holds, for each layer, its scores in falling order at some ranks (`ranks`): every rank up to FINE and of small layers, then
steps that grow to at most 0.7 % of the rank and 1/2048 of the layer. Between two of them counts are interpolated. Where groups of weights
are ranked, see what_if_groups.py. numpy and pandas only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..quotas import FLOPS, Costs, boundary, quotas
from . import what_if_groups as groups

POINTS, FINE = 4096, 1024  # most points in a layer's sketch; number of best ranks that are all included
DECADES, BINS = 12, 60

Density = float | Mapping[str, float]  # of all layers together, or of each by its weight's name
# {"layers": [{name, shape, total, eligible, flops}], "ranks": [array], "scores": [array], "order": {...}}; of groups also "starts"
Sketch = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Answer:
    """What is kept at a density: `layers` has layer, total, eligible, kept, exempt; `threshold` is None where each layer has its own."""

    layers: pd.DataFrame
    keep: int
    total: int
    threshold: float | None


def positions(count: int) -> np.ndarray:
    """The ranks (from 0, the highest score) that a sketch of `count` scores holds; first and last are always there."""
    if count <= POINTS:
        return np.arange(count)
    growing, even = np.geomspace(FINE, count - 1, 1024), np.linspace(0, count - 1, 2048)
    return np.unique(np.concatenate([np.arange(FINE), growing.round(), even.round()]).astype(np.int64))


def ordered(ranks: Sequence[np.ndarray], scores: Sequence[np.ndarray], eligible: Sequence[int]) -> dict[str, np.ndarray]:
    """All points of all layers from the highest score down: `layer`, `score`, how many weights a point `stands` for, their sum."""
    layer = np.concatenate([np.full(len(part), place, dtype=np.int32) for place, part in enumerate(ranks)])
    stands = np.concatenate([np.diff(np.append(part, count)) for part, count in zip(ranks, eligible)])
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")  # among equal scores the earlier layer first, as the engine selects
    stands = stands[order].astype(np.int64)
    return {"layer": layer[order], "score": score[order], "stands": stands, "reached": np.cumsum(stands)}


def at_least(ranks: np.ndarray, scores: np.ndarray, count: int, thresholds: np.ndarray, *, above: bool = False) -> np.ndarray:
    """How many of a layer's `count` scores are at least (or strictly above) each threshold."""
    if not count:
        return np.zeros(len(thresholds))
    k = np.searchsorted(-scores, -thresholds, side="left" if above else "right")  # points that qualify
    last, following = np.clip(k - 1, 0, len(ranks) - 1), np.clip(k, 0, len(ranks) - 1)
    between = (ranks[following] - ranks[last] - 1).clip(0)
    fall = scores[last] - scores[following]
    share = np.divide(scores[last] - thresholds, fall, out=np.zeros(len(thresholds)), where=fall > 0)
    found = ranks[last] + 1 + between * np.clip(share, 0.0, 1.0)
    return np.where(k == 0, 0.0, np.where(k == len(ranks), float(count), found))


def answer(sketch: Sketch, density: Density, scope: str = "global", exempt: Sequence[str] = ()) -> Answer:
    """Weights kept in each layer when round(density * n) of the n weights of the layers that are not exempt are kept.

    Scope flops takes `density` for the share of all FLOPs that is left: as many of the highest scores are kept as cost no more. InputError
    where all else costs more. A density for each layer, by weight, keeps that share of each, whatever the scope. Groups are kept whole: as
    many as come nearest to these numbers, or by scope flops cost no more.
    """
    spared = np.array([layer["name"] in set(exempt) for layer in sketch["layers"]])
    total, eligible = (np.array([layer[what] for layer in sketch["layers"]], dtype=np.int64) for what in ("total", "eligible"))
    n = int(total[~spared].sum())
    names, open_layers = [layer["name"] for layer in sketch["layers"]], np.flatnonzero(~spared)
    keep = 0 if isinstance(density, Mapping) else min(round(density * n), int(eligible[~spared].sum()))
    kept, threshold = np.where(spared, eligible, 0), None
    if isinstance(density, Mapping):
        shares = np.array([1.0 if is_spared else density[name] for name, is_spared in zip(names, spared)])
        kept = np.minimum(np.round(shares * total).astype(np.int64), eligible)
        keep = int(kept[~spared].sum())
    elif scope == FLOPS:
        prices = weight_costs(sketch)
        budget = prices.budget(density, {names[i]: int(total[i]) for i in open_layers})
        if budget and len(open_layers):
            kept[~spared], threshold = _ranked(sketch, budget, np.array([prices.each[name] for name in names]), open_layers)
        keep = int(kept[~spared].sum())
    elif keep and scope == "global":
        kept[~spared], threshold = _ranked(sketch, keep, np.ones(len(names), np.int64), open_layers)
    elif keep:
        shapes = {names[i]: tuple(sketch["layers"][i]["shape"]) for i in open_layers}
        found = quotas(shapes, keep, scope, {names[i]: int(eligible[i]) for i in open_layers})
        kept[open_layers] = [found[names[i]] for i in open_layers]
    if "starts" in sketch:
        kept = np.where(spared, kept, groups.whole(sketch, kept, at_most=scope == FLOPS and not isinstance(density, Mapping)))
        keep = int(kept[~spared].sum())
    columns = {"layer": names, "total": total, "eligible": eligible, "kept": kept}
    return Answer(pd.DataFrame({**columns, "exempt": spared}), keep, n, threshold)


def weight_costs(sketch: Sketch) -> Costs:
    """What the weights of a sketch cost, as the engine counts it."""
    return Costs(sketch["forward_flops"], {layer["name"]: layer["flops"] // max(layer["total"], 1) for layer in sketch["layers"]})


def least_removed(sketch: Sketch, scope: str) -> float:
    """The share of the weights, or by scope flops of the FLOPs, that is gone already."""
    if scope != FLOPS:
        return 1 - sketch["density"]
    counts = ({layer["name"]: layer[what] for layer in sketch["layers"]} for what in ("eligible", "total"))
    return 1 - weight_costs(sketch).share(*counts)


def _ranked(sketch: Sketch, budget: int, prices: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Counts of the chosen layers by the highest scores, as many as cost `budget` together, and the lowest score kept.

    `prices`: what a weight costs, for each layer of the sketch; 1 where weights are counted.
    """
    order, inside = sketch["order"], np.zeros(len(sketch["layers"]), dtype=bool)
    inside[chosen] = True
    score, reached = order["score"], order["reached"]
    if not inside.all() or (prices != 1).any():
        mine = inside[order["layer"]]
        score, reached = score[mine], np.cumsum((order["stands"] * prices[order["layer"]])[mine])
    price = prices[chosen]
    guess = min(int(np.searchsorted(reached, budget)), len(score) - 1)
    place = _first(lambda at: price @ _counts(sketch, chosen, score[at]) >= budget, guess, len(score))
    low = float(score[place])
    strictly, with_ties = (_counts(sketch, chosen, score[[place]], above=above)[:, 0] for above in (True, False))
    if price @ strictly <= budget:  # the rest goes to tied scores, in order of position
        ties = with_ties - strictly
        before = np.cumsum(price * ties) - price * ties
        left = np.divide(budget - price @ strictly - before, price, out=ties.copy(), where=price > 0)
        taken = strictly + np.clip(left, 0, ties)
    else:  # the threshold lies within a block
        higher = int(np.searchsorted(-score, -low))  # points above
        base = _counts(sketch, chosen, score[[higher - 1]])[:, 0] if higher else np.zeros(len(chosen))
        taken = base + (strictly - base) * (budget - price @ base) / max(price @ (strictly - base), 1e-12)
    return _whole(taken, budget, price), low


_PROBES = np.array([-4096, -512, -64, -16, -4, -1, 0, 1, 4, 16, 64, 512, 4096])


def _first(holds: Callable[[np.ndarray], np.ndarray], guess: int, count: int) -> int:
    """The first index from which on `holds` is true (the last if none), near the guess; tests many indices at once."""
    low, high, probes = -1, count - 1, guess + _PROBES
    while high - low > 1:
        probes = np.unique(probes[(probes > low) & (probes < high)])
        if not len(probes):
            probes = np.unique(np.linspace(low, high, 14).astype(int)[1:-1])
            probes = probes[(probes > low) & (probes < high)]
        found = holds(probes)
        low = max(low, *probes[~found].tolist(), low)
        high = min(high, *probes[found].tolist(), high)
        probes = probes[:0]
    return high


def _counts(sketch: Sketch, chosen: np.ndarray, thresholds: np.ndarray, *, above: bool = False) -> np.ndarray:
    """Scores of each chosen layer at or above each threshold, [layer, threshold]."""
    layers = sketch["layers"]
    return np.array([at_least(sketch["ranks"][i], sketch["scores"][i], layers[i]["eligible"], thresholds, above=above) for i in chosen])


def _whole(values: np.ndarray, budget: int, prices: np.ndarray) -> np.ndarray:
    """Round these to whole numbers that cost as much, or less where one more would cost too much."""
    found = np.floor(values + 1e-9).astype(np.int64)
    left = budget - int(prices @ found)
    for place in np.argsort(found - values, kind="stable"):
        if values[place] - found[place] > 1e-6 and prices[place] <= left:
            found[place] += 1
            left -= int(prices[place])
    return found


def deaths(sketch: Sketch, scope: str = "global", exempt: Sequence[str] = ()) -> pd.DataFrame:
    """For each layer the density below which it is empty, the first to die first: layer, kept (in all), density, place.

    global, flops: from the rank of each layer's best score. layer, erk: where the layer's share falls under half a weight, or half a group;
    of weights the first is exact.
    """
    places = [i for i, layer in enumerate(sketch["layers"]) if layer["name"] not in set(exempt) and layer["eligible"]]
    n = sum(layer["total"] for layer in sketch["layers"] if layer["name"] not in set(exempt))
    names = [sketch["layers"][i]["name"] for i in places]
    if not places:
        return pd.DataFrame({"layer": [], "kept": [], "density": [], "place": []})
    if scope in ("global", FLOPS):
        best = np.array([sketch["scores"][i][0] for i in places])
        parts = [(sketch["ranks"][i], sketch["scores"][i], sketch["layers"][i]["eligible"], best) for i in places]
        above, reached = np.array([at_least(*part, above=True) for part in parts]), np.array([at_least(*part) for part in parts])
        ties = np.triu(reached - above, 1).sum(0)  # in earlier layers, which are served first
        kept = np.round(above.sum(0) + ties).astype(np.int64) + groups.least(sketch, places, at_most=scope == FLOPS)
    else:
        shapes = {name: tuple(sketch["layers"][i]["shape"]) for name, i in zip(names, places)}
        weight = np.array([sum(shape) if scope == "erk" else np.prod(shape, dtype=float) for shape in shapes.values()])
        kept = np.maximum(1, np.ceil((groups.least(sketch, places) - 0.5) * weight.sum() / weight)).astype(np.int64)
        if "starts" not in sketch:
            first, count = boundary(shapes, scope, {name: sketch["layers"][i]["eligible"] for name, i in zip(names, places)})
            kept[names.index(first)] = count
    frame = pd.DataFrame({"layer": names, "kept": kept, "density": kept / n, "place": places})
    return frame.sort_values("density", ascending=False, kind="stable").reset_index(drop=True)


def costs(sketch: Sketch, found: Answer) -> dict[str, float]:
    """Bytes and forward FLOPs of one image, dense and as it would be. Sparse bytes: 4 for each kept weight and one bit for each of all."""
    flops = np.array([layer["flops"] for layer in sketch["layers"]], dtype=float)
    kept, total = found.layers["kept"].to_numpy(float), found.layers["total"].to_numpy(float)
    others = sketch["parameters"] - total.sum()
    return {
        "flops_dense": float(sketch["forward_flops"]),
        "flops": float(sketch["forward_flops"] - (flops * (1 - kept / total)).sum()),
        "bytes_dense": 4.0 * sketch["parameters"],
        "bytes": 4.0 * (others + kept.sum()) + total.sum() / 8,
    }


def histogram(sketch: Sketch, found: Answer, layer: str | None = None) -> pd.DataFrame:
    """Scores in logarithmic bins, of one layer or of all that are not exempt: low, high, kept, pruned."""
    places = [i for i, row in enumerate(found.layers.to_dict("records")) if (row["layer"] == layer if layer else not row["exempt"])]
    scores = [sketch["scores"][i] for i in places if len(sketch["scores"][i])]
    edges = _edges(np.concatenate(scores)) if scores else np.array([0.0, 1.0])
    kept = pruned = np.zeros(len(edges) - 1)
    for i in places:
        count = sketch["layers"][i]["eligible"]
        reached = at_least(sketch["ranks"][i], sketch["scores"][i], count, edges)
        reached[0], reached[-1] = count, 0
        inside, left = -np.diff(reached), -np.diff(np.minimum(reached, found.layers["kept"].iat[i]))
        kept, pruned = kept + left, pruned + inside - left
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "kept": kept.round(), "pruned": pruned.round()})


def _edges(scores: np.ndarray) -> np.ndarray:
    """Edges of a bin at 0 and of bins at equal ratios above it; mirrored if any score is negative."""
    sizes = np.abs(scores)
    high = float(sizes.max()) or 1.0
    positive = sizes[sizes > 0]
    low = max(float(positive.min()) if len(positive) else high / 10, high * 10.0**-DECADES)
    low = low if low < high else high / 10
    if (scores < 0).any():
        side = np.geomspace(low, high, BINS // 2)
        return np.concatenate([-side[::-1], side])
    return np.concatenate([[0.0], np.geomspace(low, high, BINS)])
