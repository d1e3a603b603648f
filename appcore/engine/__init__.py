"""Training and pruning as a loop of events; torch lives here."""
