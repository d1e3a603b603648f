"""Which weights stay, and which of those still matter."""
