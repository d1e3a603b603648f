"""Widgets for settings, and the form made of them."""
