"""Migrations from one version of the store to the next, one file each: vN.py with `upgrade(op)`, written once and never edited.

A migration spells out its columns itself, because `schema` will change. New tables and nullable columns need none: a store gets
those that it lacks when it is opened. Everything else does: columns that are not nullable, renaming, converting, dropping.
"""
