"""Studies: a grid of choices made into stages, each named by its identity."""
