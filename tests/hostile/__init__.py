"""Inputs made to do harm: nothing in them is run, nothing leaves its folder, and each is refused in one line."""
