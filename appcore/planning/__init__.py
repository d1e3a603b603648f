"""What a run will do, from its settings alone; no torch."""
