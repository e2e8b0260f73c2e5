"""What `augdistill compare` does: a contrast that somebody asks for, from a study's saved results, as plain text."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError, RequestError
from augdistill.claims.comparison import COLUMNS, Comparison, compare
from augdistill.claims.design import unequal
from augdistill.claims.parts import Part
from augdistill.report.page.warnings import arm_text
from augdistill.results import labels
from augdistill.results.frame import with_shared
from augdistill.results.study import SavedStudy

HEADS = ("", "a", "b", "a - b", "95 % interval", "p", "Hedges g", "blocks")


def contrast(
    outputs: Path,
    study: str,
    a: str | None,
    b: str | None,
    metric: str = "accuracy",
    test_set: str | None = None,
    paired: bool | None = None,
    *,
    classes: bool = True,
) -> str:
    """Return a contrast of two arms of a study as a table; ConfigError for arms, a metric or a test set it lacks."""
    arms = arm_of(a, "--a"), arm_of(b, "--b")
    found, where = compared(outputs, study, *arms, metric, test_set, paired)
    return table(found, metric, where, (arms[0].get("variant", ""), arms[1].get("variant", "")), classes=classes)


def compared(
    outputs: Path,
    study: str,
    a: Mapping[str, str],
    b: Mapping[str, str],
    metric: str = "accuracy",
    test_set: str | None = None,
    paired: bool | None = None,
) -> tuple[Comparison, str]:
    """Return arm a minus arm b of a study, and the test set that this is on; raises as `contrast` does."""
    saved, arms = SavedStudy.load(name_of(study), outputs), (a, b)
    results = with_shared(saved.results, saved.plan) if any("variant" in arm for arm in arms) else saved.results
    where = test_set or saved.test_set
    for key, value in (("test_set", where), ("metric", metric)):
        there = list(dict.fromkeys(results[key]))
        if value not in there:
            listed = [name for name in there if "[" not in name]
            raise ConfigError(f"{key}={value} is not in the results{nearest(str(value), there)}: {', '.join(listed)}")
    return compare(results, *arms, metric, where, paired), where


def name_of(study: Any) -> str:
    """Return the one study that `compare NAME` names."""
    if not isinstance(study, str) or Path(study).name != study or study in ("", ".."):
        raise ConfigError(f"{study} is not the name of a study: augdistill compare NAME --a ... --b ...")
    return study


def arm_of(text: Any, option: str) -> dict[str, str]:
    """Return column -> value of "teacher_aug=cutmix,model=lenet"; a variant's own commas stay in its value."""
    if not text:
        raise RequestError(f"which arm is {option}? type {option} teacher_aug=cutmix,model=lenet")
    parts = re.split(rf",(?=(?:{'|'.join(COLUMNS)})=)", str(text))
    if not all("=" in part for part in parts):
        raise ConfigError(f"{option} {text} is not an arm: write COLUMN=VALUE,..., columns {', '.join(COLUMNS)}")
    return {column: value for column, _, value in (part.partition("=") for part in parts)}


def table(found: Comparison, metric: str, test_set: str, variants: tuple[str, str], *, classes: bool) -> str:
    """Return a comparison as aligned text: what is compared, how, and a row overall and for each class."""
    in_points = labels.entry(metric).percent
    unit = "percentage points" if in_points else labels.entry(metric).unit
    how = "paired, block by block" if found.overall.pairs else "unpaired (Welch)"
    rows = [row("overall", found.overall, 100 if in_points else 1, found.overall.p)]
    if classes and found.classes:
        rows += [row(part.label, part, 100, p) for part, p in zip(found.classes, found.p_holm, strict=True)]
        how += "; p of classes by Holm over the classes"
    name = labels.metric(metric)
    words = unequal(*(replace(arm, variant=variant) for arm, variant in zip((found.a, found.b), variants, strict=True)))
    notes = [*([f"arms of unequal {words} are compared"] if words else []), *found.overall.warnings]
    lines = [
        f"{name} on {labels.test_set(test_set)}{f', {unit}' if unit else ''}, means ± s.d. over blocks",
        how,
        *(
            f"{side}: {arm_text((arm.role, arm.model, arm.teacher_aug, arm.student_aug, variant))}"
            for side, arm, variant in zip("ab", (found.a, found.b), variants, strict=True)
        ),
        pd.DataFrame(rows, columns=HEADS).to_string(index=False),
        *([f"no test: {found.overall.reason}"] if found.overall.reason else []),
        *(f"note: {note}" for note in notes),
    ]
    return "\n".join(lines)


def row(label: str, part: Part, scale: float, p: float) -> tuple[str, ...]:
    """Return the cells of one line; empty where there is no number."""
    places = 2 if scale == 100 else 4

    def text(value: float, sd: float = float("nan"), sign: str = "") -> str:
        if value != value:
            return ""
        return f"{scale * value:{sign}.{places}f}" + (f" ± {scale * sd:.{places}f}" if sd == sd else "")

    low, high = part.ci95
    return (
        label,
        text(part.mean_plus, part.sd_plus),
        text(part.mean_minus, part.sd_minus),
        text(part.estimate, sign="+"),
        f"{text(low, sign='+')} to {text(high, sign='+')}" if low == low else "",
        "" if p != p or part.reason else "< 0.0001" if p < 1e-4 else f"{p:.4f}",
        f"{part.hedges_g[0]:+.2f}" if part.hedges_g[0] == part.hedges_g[0] else "",
        f"{part.n_plus} and {part.n_minus}",
    )
