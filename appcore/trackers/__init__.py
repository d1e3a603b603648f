"""Trackers: what a run measures is told to other programs as well, while it goes on. One file each, found by its name."""
