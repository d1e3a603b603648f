"""What each chart shows, how it is read, and what would be surprising in it: one entry per chart, by its name.

Words that the glossary explains become links where the text is shown.
"""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """Three sentences about a chart."""

    what: str
    how: str
    surprise: str


_ACCURACY = Reading(
    "Accuracy over training: validation images during it, test images after each megabatch.",
    "A dip at the start of a megabatch is the pruning, or new data; what counts is how fast the curve is back and where it ends.",
    "A curve that does not come back after a prune point, or a test accuracy far below validation.",
)
_GAP = Reading(
    "Training accuracy minus validation accuracy, in percentage points.",
    "High: the network knows its training images better than new ones. Near 0: it does not overfit, or has not learned yet.",
    "A large negative gap for long: then training images are harder, as augmented ones are.",
)
_LOSS = Reading(
    "Cross-entropy in nats for each image: what training makes smaller.",
    "A falling curve still learns. On a logarithmic scale equal steps are equal factors.",
    "A validation loss that rises while accuracy rises too: the network grows too sure of its mistakes.",
)
_ERRORS = Reading(
    "The CER: wrong test images, summed over the megabatches.",
    "The lower curve was right more often on the way. A flat piece is a megabatch with few errors.",
    "Curves that cross: who is better at the end was worse before.",
)
_KEPT = Reading(
    "The share of its weights that each layer keeps, from the input down to the output.",
    "Long bars were spared, short ones were cut. One density for the whole network may hide a layer that is nearly empty.",
    "A layer with nothing left where no shortcut leads around it: no signal passes, a collapse.",
)
_OVERLAP = Reading(
    "How many weights two masks have in common: the IoU, beside the random baseline of masks with the same counts.",
    "Above the baseline the two agree more than chance would have it; 100 % are the same weights.",
    "An overlap below the baseline: the two avoid each other's weights.",
)

READINGS = {
    "accuracy": _ACCURACY,
    "gap": _GAP,
    "loss": _LOSS,
    "errors": _ERRORS,
    "staircase": Reading(
        "The sparsity at each megabatch: as planned, and as counted from the mask.",
        "Each step is a prune point. The marks should lie on the steps, but where these are shares of FLOPs or of the way to densities of "
        "layers.",
        "A mark beside its step, or a ring: requested, mask and alive density disagree.",
    ),
    "plan": Reading(
        "The sparsity that the settings ask for at each megabatch, before anything runs.",
        "Each step is a prune point; its height is the share of the prunable weights that is removed by then, or of what the axis names.",
        "A last step lower than the final sparsity that you asked for.",
    ),
    "truth-meter": Reading(
        "Four densities of one network: requested, of the mask, of the tensors in forward, and alive.",
        "Equal bars: the network is as sparse as it was asked to be. A shorter alive bar: kept weights that reach no output.",
        "A bar of the forward pass above that of the mask: pruned weights still compute.",
    ),
    "layers-map": Reading(
        "The sparsity of each layer after each megabatch.",
        "Read a row from left to right: how one layer is thinned out. Read a column: who pays at one moment.",
        "A row that turns dark at once while its neighbours stay light.",
    ),
    "profile": Reading(
        "The time of the run by what it was spent on.",
        "Training should be the longest bar; scoring is what the pruner costs.",
        "Scoring or evaluation longer than training: look at the scoring share or at the size of the test set.",
    ),
    "early-layers": Reading(
        "The share of the early layers' weights that each run keeps.",
        "The lower curve prunes the early layers harder. At equal sparsity, what is spared here is cut further down.",
        "Curves that change places: the criterion's taste depends on how far the training has come.",
    ),
    "mirrored": _KEPT,
    "kept-by-layer": _KEPT,
    "difference-map": Reading(
        "For each layer and megabatch, the share that the first run keeps minus that of the second, in points.",
        "Blue: the first keeps more; orange: the second does; pale: they agree.",
        "A layer whose colour changes from one megabatch to the next.",
    ),
    "same-by-layer": _OVERLAP,
    "same-weights": _OVERLAP,
    "differences": Reading(
        "Each experiment minus the baseline at the same seed, with the 95 % interval of the mean over seeds.",
        "An interval that leaves out 0 is a difference that is hard to put down to luck.",
        "A wide interval around a large mean: one seed does it alone.",
    ),
    "ticket": Reading(
        "Accuracy at the end of each round against the weights left: the ticket, its control, the dense network.",
        "A ticket wins where its curve is above the control and no lower than dense.",
        "A control that is as good: then the mask matters and the rewound values do not.",
    ),
    "filter-strips": Reading(
        "The filters of each layer, sorted by the share of their weights that is kept.",
        "An even strip is pruned everywhere alike; one that goes from light to dark loses whole filters.",
        "Crosses in a wide layer: filters without any weight, which could be removed for real.",
    ),
    "moves": Reading(
        "Weights that went and weights that came back in each layer since an earlier snapshot.",
        "Nested masks only lose. What comes back was regrown, or scored again from all weights.",
        "Weights that come back where the method prunes for good.",
    ),
    "alive": Reading(
        "Weights that are kept, and those of them on a path from input to output.",
        "The distance between the two is weight that is kept for nothing.",
        "A layer where much is kept and little is alive: the layer before or after it has collapsed.",
    ),
    "survival": Reading(
        "Of the weights kept at one snapshot, the share that is still kept at the others.",
        "Flat: the mask is settled. Falling: it still moves.",
        "A steep fall late in the stream.",
    ),
    "overlap": _OVERLAP,
    "overlap-by-layer": _OVERLAP,
    "between": _OVERLAP,
    "filters": Reading(
        "Each filter of one layer at each snapshot, by the share of it that is kept.",
        "A row that turns dark is a filter on its way out.",
        "A filter that is empty and comes back.",
    ),
    "kernels": Reading(
        "Each weight of one layer: kept or not.",
        "Look for rows and columns: whole filters or whole inputs that are gone.",
        "A clear pattern where the criterion should know none, as in a random mask.",
    ),
    "what-is-left": Reading(
        "What each layer would keep if the network were cut now, without training.",
        "Compare criteria at one sparsity: who spares the first layer, who empties the last.",
        "A cross at a layer while the whole network keeps much: this cut would be a collapse.",
    ),
    "first-to-die": Reading(
        "The density at which each layer would lose its last weight.",
        "Long bars die early. The line is the density that you have chosen.",
        "A bar beyond the line.",
    ),
    "score-histogram": Reading(
        "How the scores of the weights are distributed, and where the threshold cuts.",
        "Weights left of the threshold go. A steep slope there means that a small change of the sparsity moves many weights.",
        "A threshold inside a tall peak: which of these weights stay is nearly chance.",
    ),
    "weights": Reading(
        "Bytes of the network's tensors: as they are, compressed, and with the zeros left out.",
        "A sparse file is worth it where its bar is clearly shorter than the compressed one.",
        "A sparse file longer than the raw one, as at low sparsity.",
    ),
    "latency": Reading(
        "Milliseconds of a forward pass on this machine: dense, pruned, and shrunk, without the channels that pruned filters leave idle; "
        "in torch and, where it is installed, in onnxruntime.",
        "Overlapping middle halves: no difference. Masks alone make nothing faster; fewer channels do.",
        "A pruned network that is clearly faster though it is not shrunk.",
    ),
    "error-area": Reading(
        "Wrong test images after each megabatch; the area below is the CER.",
        "Less area: better on the way, whoever wins at the end.",
        "A rise in the middle: a megabatch that cost what was known before.",
    ),
    "relative-errors": Reading(
        "How the share of wrong test images changes from one megabatch to the next.",
        "Below 0 the new data helped; above 0 it did harm, or pruning did.",
        "Many steps above 0 with full replay.",
    ),
    "pareto": Reading(
        "Accuracy of each finished run against what it cost to compute.",
        "A run on the line is beaten by none that costs less.",
        "A dense run on the line far to the left.",
    ),
    "timeline": Reading(
        "Which part of the data is trained on at each megabatch.",
        "The diagonal is new data; what lies beside it is replay.",
        "Columns that grow in height: the cost of full replay.",
    ),
    "growth": Reading(
        "Training images so far, repeats counted, by kind of replay.",
        "A straight line costs the same for each megabatch; a bent one ever more.",
        "A budget that bends the line sooner than you planned.",
    ),
    "rule-costs": Reading(
        "Training images of the whole stream, by kind of replay.",
        "Compare with the bar without replay: that is the price of remembering.",
        "A small buffer that costs as much as full replay.",
    ),
    "board": Reading(
        "The runs of the ablation by state, one cell for each combination.",
        "Cells fill while runs finish; a failed one can be tried again.",
        "One column of failed runs: a setting that cannot work.",
    ),
    "heatmap": Reading(
        "Mean and standard deviation over the seeds, for each combination of two settings.",
        "Read along the axis that matters to you; a star is significantly ahead of the others.",
        "A spread as large as the differences: more seeds are needed.",
    ),
    "multiples": Reading(
        "One number against one setting: means with 95 % intervals, and the single runs.",
        "Intervals that do not touch differ; those that overlap may.",
        "A dot far from its interval: one seed went another way.",
    ),
    "class-answers": Reading(
        "What the phones of a class answered to the question of a lesson, without names.",
        "Bars and cells count answers; of drawn curves the dark band holds the middle half. Once it is shown, the truth is marked.",
        "Many who were certain, and wrong: that is what is worth talking about.",
    ),
    "parallel": Reading(
        "Every finished run as a line through its settings and its numbers.",
        "Drag along an axis to keep the runs in that range, here and in the table below; a click on the axis lets go.",
        "Lines that cross between two axes where all others run side by side: one setting turns the order round.",
    ),
    "sensitivity": Reading(
        "Test accuracy when one layer alone is cut and all others keep their weights, without training.",
        "A row that darkens early cannot spare its weights. One that stays light could spare more.",
        "A large layer that falls as far as a small one: it has no weight to spare in spite of its size.",
    ),
    "confusion": Reading(
        "Test images by their class and by the class that the network says.",
        "The diagonal is right. A light cell beside it: two classes that are taken for one another.",
        "A whole column that is light: the network says one class whatever it sees, a collapse.",
    ),
    "first-filters": Reading(
        "The weights of each filter of the first layer, as a picture; grey is 0, and so is a removed weight.",
        "A trained filter shows what it looks for: edges, blobs, colours. An untrained one is noise.",
        "A filter that is grey all over: no weight of it is left.",
    ),
    "known-classes": Reading(
        "Accuracy on the test images of each class, in the order in which classes come, at the end of each megabatch.",
        "A row is dark until its class comes and light afterwards. The network may name any class, also one that has not come.",
        "A row that is dark again later: the class was forgotten for those that came after it.",
    ),
    "forgetting": Reading(
        "Accuracy on images of each megabatch (test images where each has classes of its own), at its end and at later ones.",
        "Read a row from left to right: what was learned from one megabatch stays as light as it was, or darkens.",
        "A row that darkens although its images are replayed: the cuts take what was learned there.",
    ),
}  # fmt: skip


def of(key: str) -> Reading | None:
    """The reading of the chart with this key on a page: compare-accuracy and accuracy-chart are both the accuracy."""
    name = key.removesuffix("-chart").removeprefix("compare-")
    while name:
        if name in READINGS:
            return READINGS[name]
        name = name.rpartition("-")[0]
    return None
