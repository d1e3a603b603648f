"""Runs that come with the program: what they are (catalog), and their light bundles (files/)."""
