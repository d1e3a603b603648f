"""Steps from one version of the store to the next, one file each: vN.py with `upgrade(op)`, written once and never edited.

A step spells out its columns itself, for `schema` moves on. New tables, and columns that may be empty, need no step: a store gets
those that it lacks when it is opened. Everything else does: columns that must hold something, renaming, converting, dropping.
"""
