"""From what was typed to a composed config: what is short is written out, files are found, Hydra composes."""
