"""The store: rows in a database, checkpoints and masks as files; no torch, no plug-ins."""
