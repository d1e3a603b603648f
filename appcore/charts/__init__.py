"""Figures as pure functions: a DataFrame goes in, a plotly Figure comes out. Knows neither streamlit nor torch nor the store."""

from ..analysis.pairing import PAIRING, pairing
from .axes import AXES, View
from .back_to_back import mirrored
from .comparison_words import (
    early_names,
    early_shares,
    setting_differences,
    setting_text,
    who_is_more_accurate,
    who_prunes_early,
)
from .curves import accuracy, errors, gap, loss
from .density_meter import disagreements, truth_meter
from .final_numbers import BEST, COLUMNS, final_table, mean_text, summary_table
from .heatmaps import difference_map, sparsity_map
from .layers import early_layers, kept_by_layer, network_name, networks, reached
from .masks.mask_history import overlap_by_layer, same_weights
from .phase_profile import profile
from .run_styles import experiment_labels, labels, looks
from .seed_bands import BANDS, DIFFERENCES, bands, differences
from .staircase import planned, staircase
from .style import LEGEND_ROOM, short_layer, template
from .ticket import ticket

__all__ = [
    "AXES",
    "BANDS",
    "BEST",
    "COLUMNS",
    "DIFFERENCES",
    "LEGEND_ROOM",
    "PAIRING",
    "View",
    "accuracy",
    "bands",
    "difference_map",
    "differences",
    "disagreements",
    "early_layers",
    "early_names",
    "early_shares",
    "errors",
    "experiment_labels",
    "final_table",
    "gap",
    "kept_by_layer",
    "labels",
    "looks",
    "loss",
    "mean_text",
    "mirrored",
    "network_name",
    "networks",
    "overlap_by_layer",
    "pairing",
    "planned",
    "profile",
    "reached",
    "same_weights",
    "setting_differences",
    "setting_text",
    "short_layer",
    "sparsity_map",
    "staircase",
    "summary_table",
    "template",
    "ticket",
    "truth_meter",
    "who_is_more_accurate",
    "who_prunes_early",
]
