"""A verdict on each of the paper's claims, from a study's results alone.

How the levels work together:
- Every test is two-sided: a claim may be supported or contradicted, and either is wrong if there is nothing. All words
  of a claim are read off one interval for each part, of level 1 - a (`decisions` says how). A wrong word needs an
  interval that misses the truth: a claim without effect is `supported` or `contradicted: opposite` in at most a share a
  of studies, and "no difference" is upheld or refuted in at most a share a of those whose truth is the margin itself.
- The k-th look is tested at alpha_k = 0.05 / 2^k. The first has k = 1, 0.025: all looks together spend at most 0.05,
  and nothing has to be promised beforehand about how many there will be.
- a is alpha_k divided by Holm's count over the study's family of claims: the family's smallest p at alpha_k / m, the
  next at alpha_k / (m - 1), and so on. A claim's p is the smallest level at which it gets any word. Claims that the
  study's design makes `descriptive` or impossible to ask are not counted; claims that lack data are.
- Parts within a claim: all are needed, so the largest p counts (intersection-union) and nothing is divided; where one
  part is enough (a difference beyond the margin of "no difference"; `mixed`), a is divided by the number of parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from augdistill.claims.expansion import Contrast, Spec, expand
from augdistill.claims.parts import Part, Predictions, judge_part
from augdistill.claims.printed import Numbers, agrees_with_print, load_published, printed_numbers
from augdistill.claims.samples import Runs, describe, main_arms
from augdistill.claims.schema import Claim, Claims, Study
from augdistill.claims.verdict import Verdict
from augdistill.claims.wording import explain
from augdistill.stats import decisions as de
from augdistill.stats.power import blocks_needed

NAN = float("nan")


def judge(
    results: pd.DataFrame,
    meta: Mapping[str, Any],
    claims: Claims,
    *,
    predictions: Predictions | None = None,
    seed: int = 0,
) -> list[Verdict]:
    """Return a verdict for every claim, in the order of the claims.

    results: one row per run and metric, with columns study, role, model, teacher_aug, student_aug, block, student_seed,
    test_set, metric, value, status, run, precision. meta: name, blocks, claims (the family), augs, students, dataset,
    test_set (what "in distribution" is); optional margins, looks, base (the ladder's first strategy).
    `predictions` serves the crossed bootstrap, whose draws follow from `seed`. Raises ConfigError for a bad meta.
    """
    study = Study.from_meta(meta, claims)
    runs = Runs(main_arms(results[results["study"] == study.name]))
    numbers = printed_numbers(load_published())
    drafts = [
        _draft(claim, study, claims, runs, numbers, predictions, np.random.default_rng([seed, number]))
        for number, claim in enumerate(claims.claims)
    ]
    levels = {draft.claim.id: _levels(draft) for draft in drafts if draft.word == de.UNDECIDED}
    decided = de.decide(levels, de.look_level(study.looks))
    return _with_exclusions([_final(draft, decided.get(draft.claim.id), len(levels)) for draft in drafts])


def join(studies: Sequence[Sequence[Verdict]]) -> list[Verdict]:
    """Return the verdicts of several studies as one list by claim: those that test it, or one that says which does.

    A claim is one by what it says, whatever it is called in another study's file.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in (verdict for verdicts in studies for verdict in verdicts):
        by_claim.setdefault(repr(verdict.claim), []).append(verdict)
    joined = []
    for same in by_claim.values():
        tested = [verdict for verdict in same if verdict.word != de.NOT_TESTED]
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
) -> Verdict:
    """A verdict whose word is `undecided` where the family's tests are to find it."""
    margin = study.margin(claim)
    blank = Verdict(
        study.name, claim, de.NOT_TESTED, False, "", (), (), NAN, NAN, NAN, study.looks, de.look_level(study.looks),
        0, margin, None, agrees_with_print(claim, claims, numbers, margin), claim.studies, (),
    )  # fmt: skip
    if claim.id not in study.claims:
        return blank
    specs, left_out = expand(claim.parts, claim, study, claims)
    if not specs:
        return replace(blank, warnings=("the study has none of the strategies and students it compares",))
    parts = tuple(judge_part(spec, claim, margin, runs, predictions, rng) for spec in specs)
    beside = tuple(
        judge_part(spec, claim, margin, runs, None, rng) for spec in expand(claim.beside, claim, study, claims)[0]
    )
    word = de.DESCRIPTIVE if len(study.augs) < claim.strategies else de.UNDECIDED
    warnings = (*_about_design(claim, study, claims, specs, left_out), *_about_runs(specs, parts, runs, study))
    return replace(blank, word=word, parts=parts, beside=beside, warnings=tuple(dict.fromkeys(warnings)))


def _levels(draft: Verdict) -> de.Levels:
    above, below, within, outside = (
        np.array([getattr(part, name) for part in draft.parts]) for name in ("above", "below", "within", "outside")
    )
    if draft.claim.kind == "equivalence":
        return de.equivalence_levels(within, outside)
    return de.difference_levels(above, below, within)


def _final(draft: Verdict, decided: tuple[str, float, float] | None, family: int) -> Verdict:
    """The verdict with its word, deciding intervals, blocks needed and explanation."""
    if decided is None:
        parts = tuple(replace(part, word=draft.word) for part in draft.parts)
        return replace(draft, line=explain(draft), parts=parts)
    word, p_holm, level = decided
    divisor = len(draft.parts) if word == de.MIXED or (word, draft.claim.kind) == (de.OPPOSITE, "equivalence") else 1
    parts = tuple(_with_word(part, draft.claim.kind, level / divisor) for part in draft.parts)
    beside = tuple(_with_word(part, draft.claim.kind, level) for part in draft.beside)
    inside = all(part.within <= level / 2 for part in parts)
    final = replace(
        draft,
        word=word,
        negligible=word == de.SUPPORTED and draft.claim.kind != "equivalence" and inside,
        parts=parts,
        beside=beside,
        p=float(de.claim_p(_levels(draft))),
        p_holm=p_holm,
        level=level,
        family=family,
        blocks_needed=_blocks_needed(draft, level / 2),
    )
    return replace(final, line=explain(final))


def _with_exclusions(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, with a warning where two claims are supported that exclude each other."""
    supported = {verdict.claim.id for verdict in verdicts if verdict.word == de.SUPPORTED}
    found = []
    for verdict in verdicts:
        others = sorted(supported.intersection(verdict.claim.excludes)) if verdict.claim.id in supported else []
        text = [
            f"claim {other}, also supported, excludes it: the difference is real and within the margin"
            for other in others
        ]
        found.append(replace(verdict, warnings=(*verdict.warnings, *text)))
    return found


def _with_word(part: Part, kind: str, level: float) -> Part:
    one = {name: np.array([getattr(part, name)]) for name in ("above", "below", "within", "outside")}
    if kind == "equivalence":
        levels = de.equivalence_levels(one["within"], one["outside"])
    else:
        levels = de.difference_levels(one["above"], one["below"], one["within"])
    return replace(part, word=de.word_at(levels, level), deciding=part.interval(level))


def _blocks_needed(draft: Verdict, level: float) -> int | None:
    """The blocks that the most demanding part needs; None for rank correlations and where a part has no s.d."""
    if draft.claim.kind == "rank":
        return None
    equivalence = draft.claim.kind == "equivalence"
    needed = [
        blocks_needed(
            part.margin, part.sd_limit, level, parts=len(draft.parts), pairs=part.pairs, equivalence=equivalence
        )
        for part in draft.parts
    ]
    known = [count for count in needed if count is not None]
    return max(known) if len(known) == len(needed) else None


def _about_design(claim: Claim, study: Study, claims: Claims, specs: list[Spec], left_out: list[str]) -> list[str]:
    """Warnings about what the study's design makes of the claim."""
    warnings = []
    if claim.dataset and study.dataset != claim.dataset:
        warnings.append(f"exploratory: the claim is about {claim.dataset}, the study about {study.dataset}")
    if study.base != "baseline":
        warnings.append(f"exploratory: judged on top of {study.base}")
    if left_out:
        warnings.append(f"not in this study: {'; '.join(left_out)}")
    models = {arm.model for spec in specs if isinstance(spec, Contrast) for pair in spec.pairs for arm in pair}
    models |= {arm.model for spec in specs if not isinstance(spec, Contrast) for arm in spec.y.arms}
    for model, stand_in in claims.stand_ins.items():
        if stand_in in models:
            warnings.append(f"{stand_in} stands in for {model}")
    return warnings


def _about_runs(specs: list[Spec], parts: tuple[Part, ...], runs: Runs, study: Study) -> list[str]:
    """Warnings about blocks that are not there yet, runs that are lost, and arms of unequal precision."""
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
