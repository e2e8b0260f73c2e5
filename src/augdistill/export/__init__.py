"""Finished models leave: written in the formats of others, checked there, and measured."""
