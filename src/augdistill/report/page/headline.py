"""The answer at the top of the page: does augmenting the teacher hurt the student, by how much, how sure are we?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from augdistill.base.text import capitalised, pluralise
from augdistill.claims.verdict import Verdict
from augdistill.report.figures.forest import in_words
from augdistill.report.page.factors import FACTOR_QUESTION, factors_answer
from augdistill.report.sentences import head, outcome_words, sentences
from augdistill.results import labels
from augdistill.results.cells import Cells
from augdistill.results.effects import Effect, effects
from augdistill.results.study import SavedStudy
from augdistill.results.sweeps import best, sweeps
from augdistill.stats.decisions import ALPHA, CONTRADICTED, NOT_TESTED, SUPPORTED

MAIN_CLAIM = "2"
BEST_QUESTION = "Which of the values that were tried is best?"
QUESTION = "Does augmenting the teacher hurt the student?"
MOST_LISTED = 3  # verdicts in an answer; of more it gives the counts
MOST_BESIDE = 2  # sentences after the answer, which has one
HURTS, HELPS, DEPENDS, OPEN = "hurts", "helps", "depends", "open"


@dataclass(frozen=True)
class Headline:
    """One study's answer in a few words, its tone, and the sentences that give size and certainty."""

    study: str
    tone: str
    answer: str
    sentences: tuple[str, ...]


def headline(saved: SavedStudy, cells: Cells, verdicts: Sequence[Verdict]) -> Headline:
    """Return a study's answer; `verdicts` are its own."""
    found = effects(saved, cells)
    tested = [effect for effect in found if effect.is_tested]
    if (settings := best_setting(saved, cells)) is not None:
        return Headline(saved.name, OPEN, *settings)
    if saved.design.factors:
        is_shown, answer, said = factors_answer(saved, cells)
        return Headline(saved.name, DEPENDS if is_shown else OPEN, answer, said)
    main = None if saved.has_own_claims else _main(verdicts, saved.name)
    if main:
        tone, answer = _from_claim(main, f"on {labels.test_set(saved.test_set)}")
        said = tuple(sentences(main)[1:])
    else:
        tone, answer = _answer(saved, found, tested)
        said = (*_size(found), *_certainty(saved, tested))
    if saved.question is None:
        return Headline(saved.name, tone, answer, said[:MOST_BESIDE])
    return Headline(saved.name, OPEN, _of_claims(saved, verdicts), (f"{QUESTION} {answer}", *said)[:MOST_BESIDE])


def question(studies: Sequence[SavedStudy]) -> str:
    """Return what the page of these studies asks: their question if they have one, else that of every page."""
    asked = {study.question or own_question(study) for study in studies}
    return (asked.pop() or QUESTION) if len(asked) == 1 else QUESTION


def own_question(study: SavedStudy) -> str | None:
    """Return what a study of a kind of its own asks, None for what every page asks."""
    if study.plan.adopted and study.variants != [""]:
        return BEST_QUESTION
    return FACTOR_QUESTION if study.design.factors else None


def best_setting(saved: SavedStudy, cells: Cells) -> tuple[str, tuple[str, ...]] | None:
    """The answer of runs that no study planned: which of the values that were tried is best; None where none vary."""
    found = best(sweeps(saved, cells)) if saved.plan.adopted else None
    if found is None:
        return None
    one, aug, at, cell = found
    values = labels.variant(",".join(f"{key}={value:g}" for key, value in zip(one.keys, at, strict=True)))
    tried = sum(len(points) for each in sweeps(saved, cells) for points in each.points.values())
    spread = f" ± {cell.shown(cell.sd)}" if cell.n > 1 else ""
    answer = f"{values}: {labels.model(one.student)} students of the {labels.strategy(aug)} teacher reach "
    answer += f"{cell.shown(cell.mean)}{spread} % on {labels.test_set(saved.test_set)}, the most."
    return answer, (f"The best of {tried} looks better than it is: the choice was made on these very numbers.",)


def _of_claims(saved: SavedStudy, verdicts: Sequence[Verdict]) -> str:
    """The answer to a question of the study's own: what became of its claims."""
    mine = [verdict for verdict in verdicts if verdict.study == saved.name and verdict.outcome != NOT_TESTED]
    if not mine:
        return "The study tests no claim; its tables and figures have the numbers."
    if len(mine) <= MOST_LISTED:
        return " ".join(
            f"{capitalised(verdict.claim.text.rstrip('.'))}: {_uncapitalised(head(verdict))}." for verdict in mine
        )
    counts = Counter(_uncapitalised(outcome_words(verdict.outcome)) for verdict in mine)
    return f"Of {len(mine)} claims: {', '.join(f'{count} {words}' for words, count in counts.most_common())}."


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]


def _answer(saved: SavedStudy, found: Sequence[Effect], tested: Sequence[Effect]) -> tuple[str, str]:
    """Tone and answer, after Holm over all effects of the study."""
    if not found:
        return OPEN, "Not known yet: no two strategies have students in good health to compare."
    if not tested:
        return OPEN, "Not known yet: a test needs at least two blocks."
    clear = [effect for effect in tested if effect.p_holm <= ALPHA]
    down, up = sum(effect.value < 0 for effect in clear), sum(effect.value > 0 for effect in clear)
    as_configured = ", as configured" if len(saved.variants) > 1 else ""
    where = f"on {labels.test_set(saved.test_set)}{as_configured}"
    total = len(tested)
    if not clear:
        which = f"none of {total} differences stands" if total > 1 else "the one difference does not stand"
        return OPEN, f"Not shown {where}: {which} out from the scatter."
    if down and up:
        return DEPENDS, f"It depends {where}: of {total} differences {down} are clear losses and {up} clear gains."
    who = "in every pairing" if len(clear) == total else f"in {len(clear)} of {total} pairings"
    if down:
        return HURTS, f"Yes, {where}: it hurts {who} of strategy and student."
    return HELPS, f"No, {where}: it helps {who} of strategy and student, and clearly hurts in none."


def _size(found: Sequence[Effect]) -> list[str]:
    """The largest loss and the largest gain, in one sentence."""
    if not found:
        return []
    lowest, highest = min(found, key=lambda effect: effect.value), max(found, key=lambda effect: effect.value)
    said = [f"largest loss: {in_words(lowest)}"] if lowest.value < 0 else []
    said += [f"largest gain: {in_words(highest)}"] if highest.value > 0 else []
    return [f"{capitalised('; '.join(said))}."] if said else []


def _certainty(saved: SavedStudy, tested: Sequence[Effect]) -> list[str]:
    """How many blocks this rests on, and how many differences survive."""
    if not tested:
        return []
    clear = sum(effect.p_holm <= ALPHA for effect in tested)
    fewest = min(effect.blocks for effect in tested)
    return [
        f"{clear} of {pluralise(len(tested), 'difference')} from students of the {labels.strategy(saved.base)} "
        f"teacher remain significant at 5 % over {pluralise(fewest, 'block')} (Welch, Holm)."
    ]


def _main(verdicts: Sequence[Verdict], study: str) -> Verdict | None:
    """What the study says of the paper's main claim, if it was tested."""
    mine = (verdict for verdict in verdicts if verdict.study == study and verdict.claim.id == MAIN_CLAIM)
    asked = (verdict for verdict in mine if verdict.outcome != NOT_TESTED and verdict.deciding)
    return next((verdict for verdict in asked if all(part.p == part.p for part in verdict.deciding)), None)


def _from_claim(verdict: Verdict, where: str) -> tuple[str, str]:
    """Tone and answer of the planned test of the main claim."""
    if verdict.outcome == SUPPORTED:
        little = ", but by less than matters" if verdict.negligible else ""
        return HURTS, f"Yes, {where}: students of mixing teachers lose accuracy{little}."
    if verdict.outcome == CONTRADICTED:
        return HELPS, f"No, {where}: students of mixing teachers gain accuracy."
    words = head(verdict)
    return OPEN, f"{words} {where}." if words == "Not settled" else f"{words} ({where})."
