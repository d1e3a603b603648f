"""Runs played in time: their moments, and figures that keep still while they fill."""
