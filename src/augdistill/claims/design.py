"""What is to be said beside a verdict: about the study's design, its runs, and claims that exclude each other."""

from collections.abc import Sequence
from dataclasses import replace

from augdistill.claims.arms import Arm
from augdistill.claims.expansion import Contrast, Spec
from augdistill.claims.parts import Part
from augdistill.claims.samples import Runs, describe
from augdistill.claims.schema import Claim, Claims, Study
from augdistill.claims.verdict import Verdict
from augdistill.stats.decisions import SUPPORTED

BUDGET = ("epochs", "batch_size", "inputs", "stop_accuracy")  # last words of the keys that decide how long one trains


def exclusions(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts, with a warning where two claims are supported that exclude each other."""
    supported = {verdict.claim.id for verdict in verdicts if verdict.outcome == SUPPORTED}
    found = []
    for verdict in verdicts:
        others = sorted(supported.intersection(verdict.claim.excludes)) if verdict.claim.id in supported else []
        text = [
            f"claim {other}, also supported, excludes it: the difference is real and within the margin"
            for other in others
        ]
        found.append(replace(verdict, warnings=(*verdict.warnings, *text)))
    return found


def about_design(claim: Claim, study: Study, claims: Claims, specs: list[Spec], left_out: list[str]) -> list[str]:
    """Return warnings about what the study's design makes of the claim."""
    warnings = []
    if claim.dataset and study.dataset != claim.dataset:
        warnings.append(f"exploratory: the claim is about {claim.dataset}, the study about {study.dataset}")
    if study.base != "baseline":
        warnings.append(f"exploratory: judged on top of {study.base}")
    contrasts = [spec for spec in specs if isinstance(spec, Contrast)]
    for words in dict.fromkeys(unequal(*pair) for spec in contrasts for pair in spec.pairs):
        if words:
            warnings.append(f"arms of unequal {words} are compared")
    if left_out:
        warnings.append(f"not in this study: {'; '.join(left_out)}")
    models = {arm.model for spec in specs if isinstance(spec, Contrast) for pair in spec.pairs for arm in pair}
    models |= {arm.model for spec in specs if not isinstance(spec, Contrast) for arm in spec.y.arms}
    for model, stand_in in claims.stand_ins.items():
        if stand_in in models:
            warnings.append(f"{stand_in} stands in for {model}")
    return warnings


def unequal(plus: Arm, minus: Arm) -> str:
    """Return in what two arms differ that makes their contrast one of budget or of students' augmentation; else ""."""
    keys = sorted({one.partition("=")[0] for one in plus.changed ^ minus.changed})
    budget = [key for key in keys if key.rpartition(".")[2] in BUDGET]
    augmented = [key for key in keys if key.startswith(("student_aug.", "aug."))]
    own = {arm.student_aug or "baseline" for arm in (plus, minus) if arm.role != "teacher"}
    if len(own) > 1:
        augmented.append("student_aug")
    parts = [("budget", budget), ("augmentation", augmented)]
    return " and ".join(f"{what} ({', '.join(names)})" for what, names in parts if names)


def about_runs(specs: list[Spec], parts: Sequence[Part], runs: Runs, study: Study) -> list[str]:
    """Return warnings about blocks that are not there yet, runs that are lost, and arms of unequal precision."""
    warnings = [warning for part in parts for warning in part.warnings]
    arms = {arm: None for spec in specs if isinstance(spec, Contrast) for pair in spec.pairs for arm in pair}
    least = min(part.blocks for part in parts)
    if least < study.blocks:
        warnings.append(f"interim: {least} of {study.blocks} blocks in the smallest arm")
    precisions = {describe(arm): runs.precisions(arm) for arm in arms}
    if len(set().union(*precisions.values())) > 1:
        listed = ", ".join(f"{name} {'/'.join(sorted(found))}" for name, found in precisions.items() if found)
        warnings.append(f"arms differ in precision: {listed}")
    return warnings
