"""Figures as pure functions: a DataFrame goes in, a plotly Figure comes out. Knows neither streamlit nor torch nor the store."""

from .axes import AXES, View
from .curves import accuracy, errors, gap, loss
from .findings import PAIRING, early_names, early_shares, final_table, pairing, setting_differences, setting_text, who_prunes_early
from .layers import early_layers, kept_by_layer
from .looks import colour_of, labels, looks, word
from .maps import difference_map, sparsity_map
from .meter import disagreements, truth_meter
from .plan import staircase
from .profile import profile
from .style import METHOD_COLOURS, short_layer, template

__all__ = [
    "AXES",
    "METHOD_COLOURS",
    "PAIRING",
    "View",
    "accuracy",
    "colour_of",
    "difference_map",
    "disagreements",
    "early_layers",
    "early_names",
    "early_shares",
    "errors",
    "final_table",
    "gap",
    "kept_by_layer",
    "labels",
    "looks",
    "loss",
    "pairing",
    "profile",
    "setting_differences",
    "setting_text",
    "short_layer",
    "sparsity_map",
    "staircase",
    "template",
    "truth_meter",
    "who_prunes_early",
    "word",
]
