"""How questions are asked: one file for each way of answering, and the one place that takes answers."""
