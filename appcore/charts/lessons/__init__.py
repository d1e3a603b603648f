"""Figures of lessons: numbers with their intervals, and the truth beside an answer."""
