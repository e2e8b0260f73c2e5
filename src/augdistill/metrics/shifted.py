"""What numbers under shift are called, which no table of metrics computes: their evaluations compute them."""

import re
from typing import Literal

from augdistill.metrics.entry import Metric
from augdistill.metrics.table import METRICS
from augdistill.metrics.unknown import FOUND, SCORES
from augdistill.shift import LABELS

INDEXED = re.compile(r"(\w+)\[([^\]]+)\]")  # a metric under one corruption, at one radius: accuracy[fog]


def _entry(label: str, better: Literal["higher", "lower"] = "higher", percent: bool = True) -> Metric:
    return Metric(label, "share", better, lambda p: float("nan"), percent=percent)


SHIFTED: dict[str, Metric] = {
    "robust_accuracy": _entry("Accuracy under attack"),
    "noise_accuracy": _entry("Accuracy under noise of the same size"),
    "transfer_accuracy": _entry("Accuracy under a transferred attack"),
    "mean_corruption_error": _entry("Corruption error, of the base’s", "lower"),
    **{
        f"{what}_{score}": _entry(f"{FOUND[what]}, {SCORES[score]}", "lower" if what == "fpr95" else "higher", False)
        for what in FOUND
        for score in SCORES
    },
}


def entry_under(name: str) -> Metric | None:
    """Return what is known of a metric under shift, of accuracy[fog] what is of accuracy; None for another name."""
    if name in SHIFTED:
        return SHIFTED[name]
    found = INDEXED.fullmatch(name)
    of = METRICS.get(found[1]) or SHIFTED.get(found[1]) if found else None
    if found is None or of is None:
        return None
    where = LABELS.get(found[2], f"{found[2]}/255")
    return Metric(f"{of.label}, {where}", of.unit, of.better, of.compute, digits=of.digits, percent=of.percent)
