"""Figures of what a network gets wrong, and what it forgets."""
