"""What pages show of a network beside its numbers: its graph, its answers, and how right it is when it is cut."""
