"""An outcome for each of the paper's claims, from a study's results alone.

How the levels work together:
- Every test is two-sided: a claim may be supported or contradicted, and either is wrong if there is nothing. All
  outcomes of a claim are read off one interval for each part that decides, of level 1 - a (`stats.decisions` says how).
- Primary claims are tested at the full 0.05, secondary ones by Holm's procedure, a family of its own. Claims that the
  study's design makes `descriptive` or impossible to ask are not counted; claims that lack data are.
- A look at fewer than the planned blocks spends little of a claim's level, the last one the rest (`stats.spending`).
- Parts within a claim: all are needed, so the largest p counts and nothing is divided; where one part is enough
  (refutation in part, a difference beyond the margin of "no difference"), a is divided by the number of parts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from augdistill.claims.design import about_design, about_runs, exclusions
from augdistill.claims.expansion import Contrast, Spec, expand
from augdistill.claims.looks import Looks, family_hash, family_of
from augdistill.claims.parts import Part, judge_part
from augdistill.claims.printed import Numbers, agrees_with_print, load_published, printed_difference, printed_numbers
from augdistill.claims.samples import Predictions, Runs, arms_named
from augdistill.claims.schema import Claim, Claims, Study
from augdistill.claims.verdict import Detectable, LookInfo, Verdict
from augdistill.stats import contrasts as st
from augdistill.stats import decisions as de
from augdistill.stats.power import detectable, probability_above, with_more_blocks

NAN = float("nan")
PRIOR_SD = 2.0
"""points, of the neutral prior of a difference of accuracies"""
Floors = Callable[[str, str], float | None]
"""(run, test set) -> the ECE that a perfectly calibrated model with its confidences would have"""


def judge(
    results: pd.DataFrame,
    meta: Mapping[str, Any],
    claims: Claims,
    *,
    predictions: Predictions | None = None,
    floors: Floors | None = None,
    looks: Looks | None = None,
    hours: float = NAN,
    seed: int = 0,
) -> list[Verdict]:
    """Return a verdict for every claim, in the order of the claims.

    results: one row per run and metric, with columns study, role, model, teacher_aug, student_aug, block, student_seed,
    test_set, metric, value, status, run, precision. meta: name, blocks, claims, augs, students, dataset, test_set (what
    "in distribution" is); optional primary, margins, looks, base (the ladder's first strategy). `looks` are the earlier
    ones, `hours` what one block took, `predictions` serve the images' part of the variance. Raises ConfigError for a
    bad meta.
    """
    study = Study.from_meta(meta, claims)
    runs = Runs(arms_named(results[results["study"] == study.name], claims))
    looks = looks or Looks()
    now = max(1, len({block for places in runs.cells.values() for block, _ in places}))
    planned = looks.planned(study)
    info = LookInfo(len(looks.spending(now)), now, planned, now in looks.frozen.get("looks", study.planned_looks))
    numbers = printed_numbers(load_published())
    drafts = [
        _draft(claim, study, claims, runs, numbers, predictions, np.random.default_rng([seed, number]), info)
        for number, claim in enumerate(claims.claims)
    ]
    family = family_hash(family_of(study, claims))
    level_of = partial(looks.level, now, planned)
    decided: dict[str, de.Decision] = {}
    for is_primary in (True, False):
        tested = [draft for draft in drafts if draft.outcome == de.OPEN and draft.is_primary == is_primary]
        decided |= de.decide({draft.claim.id: _levels(draft) for draft in tested}, level_of)
    changed = looks.changes(family_of(study, claims))
    final = []
    for draft in drafts:
        verdict = _final(draft, decided.get(draft.claim.id), hours)
        verdict = _standing(verdict, looks.decided(draft.claim.id, family, now))
        verdict = _with_floor(verdict, runs, floors) if verdict.parts and draft.claim.metric == "ece" else verdict
        warnings = (*(changed if verdict.outcome != de.NOT_TESTED else ()), *verdict.warnings)
        final.append(replace(verdict, warnings=warnings))
    return exclusions(final)


def join(studies: Sequence[Sequence[Verdict]]) -> list[Verdict]:
    """Return the verdicts of several studies as one list by claim: those that test it, or one that says which does.

    A claim is one by what it says, whatever it is called in another study's file.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in (verdict for verdicts in studies for verdict in verdicts):
        by_claim.setdefault(repr(verdict.claim), []).append(verdict)
    joined = []
    for same in by_claim.values():
        tested = [verdict for verdict in same if verdict.outcome != de.NOT_TESTED]
        joined += tested or [same[0]]
    return joined


def _draft(
    claim: Claim,
    study: Study,
    claims: Claims,
    runs: Runs,
    numbers: Numbers,
    predictions: Predictions | None,
    rng: np.random.Generator,
    look: LookInfo,
) -> Verdict:
    """A verdict whose outcome is `open` where the family's tests are to find it."""
    margin = study.margin(claim)
    printed = agrees_with_print(claim, claims, numbers, margin)
    blank = Verdict(study.name, claim, de.NOT_TESTED, margin, printed, look, claim.studies)
    if claim.id not in study.claims:
        return blank
    specs, left_out = expand(claim.parts, claim, study, claims)
    if not specs:
        return replace(blank, warnings=("the study has none of the strategies and students it compares",))

    def judged(spec: Spec, scored: Predictions | None) -> Part:
        part = judge_part(spec, claim, margin, runs, scored, rng)
        probability = NAN
        if claim.unit == "pt" and claim.kind == "difference" and isinstance(part.contrast, st.Estimate):
            probability = probability_above(part.contrast, part.margin, PRIOR_SD)
        return replace(part, printed=printed_difference(spec, claim, claims, numbers), probability=probability)

    parts = tuple(judged(spec, predictions) for spec in specs)
    secondary = tuple(judged(spec, None) for spec in expand(claim.beside, claim, study, claims)[0])
    contrast = judged(_mean_of(specs), predictions) if claim.contrast and len(specs) > 1 else None
    outcome = de.DESCRIPTIVE if len(study.augs) < claim.strategies else de.OPEN
    shown = (*parts, *([contrast] if contrast else ()))
    warnings = (*about_design(claim, study, claims, specs, left_out), *about_runs(specs, shown, runs, study))
    return replace(
        blank,
        outcome=outcome,
        parts=parts,
        secondary=secondary,
        contrast=contrast,
        is_primary=claim.id in study.primary,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _mean_of(specs: Sequence[Spec]) -> Contrast:
    """The planned contrast of a claim about a group: the mean over its parts."""
    parts = [spec for spec in specs if isinstance(spec, Contrast)]
    first = parts[0]
    pairs = tuple(pair for part in parts for pair in part.pairs)
    return Contrast(f"mean of {len(parts)} parts", pairs, first.pairing, first.metric, first.test_set, None)


def _levels(draft: Verdict) -> de.Levels:
    return _levels_of(draft.claim.kind, draft.deciding)


def _levels_of(kind: str, parts: Sequence[Part]) -> de.Levels:
    above, below, short, within, outside = (
        np.array([getattr(part, name) for part in parts]) for name in ("above", "below", "short", "within", "outside")
    )
    return (
        de.equivalence_levels(within, outside) if kind == "equivalence" else de.difference_levels(above, below, short)
    )


def _final(draft: Verdict, decision: de.Decision | None, hours: float) -> Verdict:
    """The verdict with its outcome, deciding intervals, and what the study could have found."""
    if decision is None:
        return replace(draft, parts=tuple(replace(part, outcome=draft.outcome) for part in draft.parts))
    kind, level, outcome = draft.claim.kind, decision.level, decision.outcome
    one_is_enough = outcome == de.IN_PART or (outcome, kind) == (de.CONTRADICTED, "equivalence")
    share = level / len(draft.deciding) if one_is_enough else level
    parts = tuple(_with_outcome(part, kind, share) for part in draft.parts)
    inside = all(part.within <= level / 2 for part in draft.deciding)
    refuted = tuple(part.label for part in parts if part.outcome == de.CONTRADICTED) if one_is_enough else ()
    return replace(
        draft,
        outcome=outcome,
        negligible=outcome == de.SUPPORTED and kind != "equivalence" and inside,
        refuted=refuted,
        parts=parts,
        secondary=tuple(_with_outcome(part, kind, level) for part in draft.secondary),
        contrast=_with_outcome(draft.contrast, kind, level) if draft.contrast else None,
        p=decision.p,
        level=level,
        step=decision.step,
        tests=decision.tests,
        detectable=_detectable(draft, level, hours) if outcome == de.OPEN else None,
    )


def _standing(verdict: Verdict, earlier: tuple[str, int] | None) -> Verdict:
    """The verdict, or what an earlier look decided: it stands, since its error was spent then."""
    if earlier is None or verdict.outcome != de.OPEN:
        return verdict
    return replace(verdict, outcome=earlier[0], decided_at=earlier[1], detectable=None)


def _with_outcome(part: Part, kind: str, level: float) -> Part:
    return replace(part, outcome=de.outcome_at(_levels_of(kind, [part]), level), deciding=part.interval(level))


def _detectable(draft: Verdict, level: float, hours: float) -> Detectable | None:
    """What the most demanding part would have shown; None for rank correlations and where a part has no s.d."""
    parts = draft.deciding
    known = [part for part in parts if isinstance(part.contrast, st.Estimate) and part.blocks > 1]
    if draft.claim.kind != "difference" or len(known) < len(parts) or not level > 0:
        return None
    found = []
    for factor in (1, 2):
        sizes = []
        for part in known:
            assert isinstance(part.contrast, st.Estimate)
            estimate = with_more_blocks(part.contrast, part.blocks, factor, part.image_variance)
            sizes.append(detectable(estimate, level, parts=len(parts)))
        found.append(max(sizes))
    blocks = min(part.blocks for part in known)
    return Detectable(blocks, found[0], found[1], 2 * blocks * hours)


def _with_floor(verdict: Verdict, runs: Runs, floors: Floors | None) -> Verdict:
    """The verdict with the range of ECE that perfectly calibrated models would have, over the runs compared."""
    arms = {
        arm for part in verdict.parts if isinstance(part.spec, Contrast) for pair in part.spec.pairs for arm in pair
    }
    test_set = verdict.parts[0].test_set
    found = [
        floor
        for arm in arms
        for places in runs.runs(arm, "ece", test_set).values()
        for run in places
        if floors and (floor := floors(run, test_set)) is not None and np.isfinite(floor)
    ]
    return replace(verdict, ece_floor=(min(found), max(found))) if found else verdict
