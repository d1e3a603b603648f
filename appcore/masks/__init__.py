"""Masks: which weights are kept, and which of those are still connected."""
