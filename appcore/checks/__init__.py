"""Known-truth checks: what the literature says, tested at small scale through the engine itself, one file per experiment.

A file offers `NUMBER`, `TITLE` and `measure(lab: Lab) -> Finding`. See base.py.
"""
