"""The command line: `python -m appcore VERB`."""
