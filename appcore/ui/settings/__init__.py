"""Settings as widgets, and the form made of them."""
