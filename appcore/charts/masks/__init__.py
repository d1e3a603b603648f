"""Figures and sentences of the masks of a run."""
