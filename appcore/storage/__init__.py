"""Where runs are kept: rows, checkpoints and masks; no torch, no plug-ins."""
