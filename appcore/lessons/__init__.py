"""Lessons: plug-ins, one file each. What a file needs is said in base.py; its questions in questions.py; its numbers in numbers.py."""
