"""The schema: what a config may hold, and which of its fields decide a result.

A config is composed from `conf/` (values), typed, or read back from a run's folder, and held against typed models (in
`groups`, `jobs`, `studies`, `executors` and `commands`) by `checking`. What is common to all datasets, models and
strategies stands in a model; the parameters of one of them are the keyword arguments of its function and stand, all of
them, in its YAML file, against which keys and types are checked. Nothing here is ever instantiated by an import path,
so a config that came with a run folder is only data.

This file holds what needs no pydantic, which takes 0.15 s to import.
"""

from typing import Any

from augdistill.config.places import SECOND_PLACES, choices, conf_dir, parameters

__all__ = ["SECOND_PLACES", "Config", "choices", "conf_dir", "parameters"]

Config = dict[str, Any]  # as composed, not checked yet, or as saved and sent: JSON
