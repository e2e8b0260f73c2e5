"""A factorial study on disk, of two factors in two blocks, whose runs were never trained."""

from pathlib import Path

import saved_studies
from augdistill.results.study import SavedStudy

FACTORS = (
    "+study.factors={rate: {low: {optim.lr: 0.02}, high: {optim.lr: 0.05}},"
    "soft: {low: {distillation.temperature: 4}, high: {distillation.temperature: 20}}}"
)


def write_factors(outputs: Path) -> SavedStudy:
    """Write it below `outputs` and return it as the report reads it."""
    return saved_studies.write_study(outputs, "study=tiny", "study.blocks=2", FACTORS)
