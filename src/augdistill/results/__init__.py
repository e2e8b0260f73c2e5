"""Saved results as tables of numbers."""
