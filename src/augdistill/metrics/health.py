"""What to call a trained student: collapsed at chance; with many dead units alone it is named, and kept."""

from augdistill.base.status import COLLAPSED, DEAD

DEAD_UNITS = 0.10  # share of penultimate units that never fire on the training set, above which a student is named
ABOVE_CHANCE = 1.5  # times 1 / K: training accuracy below it is chance


def health(accuracy: float, dead_units: float, classes: int) -> str:
    """Return "collapsed" by training accuracy near chance, "dead units" by too many of them, "" for a sound student."""
    if accuracy < ABOVE_CHANCE / classes:
        return COLLAPSED
    return DEAD if dead_units > DEAD_UNITS else ""
