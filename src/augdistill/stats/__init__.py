"""Statistics as pure functions over arrays."""
