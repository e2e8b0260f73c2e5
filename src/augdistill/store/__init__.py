"""Runs by identity, in their folders."""
