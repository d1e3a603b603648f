"""What would happen in a run, from its settings alone; no torch."""
