"""Launchers: where runs are carried out, one file for each choice."""
