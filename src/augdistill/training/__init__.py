"""Training: what a batch is, the one loop, its checkpoints, and where it runs."""
