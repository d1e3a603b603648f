"""Figures of what a class answered."""
