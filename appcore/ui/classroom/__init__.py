"""A class: the page that phones open (door.py), and what the teacher sees of it (panel.py)."""
