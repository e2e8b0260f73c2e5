"""What a reader must know before believing a study's numbers."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from augdistill.base.status import DEAD, KEPT
from augdistill.base.text import pluralise
from augdistill.metrics import due
from augdistill.results import labels
from augdistill.results.cells import PAPERS_ALPHA, PAPERS_TEMPERATURE, distils_as_the_paper
from augdistill.results.frame import place_of
from augdistill.results.study import Place, SavedStudy
from augdistill.store.evaluations import sources

PAPERS_WIDTH = 64
MOST_LISTED = 6
FEW_IMAGES = 2000
ABOVE = r"(?<!\S)/\S*/(?=\S)"  # of an absolute path, all but its last part


def study_warnings(saved: SavedStudy) -> list[str]:
    """Return the warnings of a study, the gravest first."""
    return [
        *_lost(saved),
        *_few_images(saved),
        *_incomplete(saved),
        *_notes(saved),
        *_protocol(saved),
        *_precision(saved),
        *_mixed(saved),
        *_skipped(saved),
        *_design(saved),
    ]


def shared_runs(saved: SavedStudy, others: Sequence[SavedStudy]) -> Iterator[str]:
    """Runs that stand in other studies of the same page too, so that what these say is not independent."""
    own = {place.folder for place in saved.places}
    for other in others:
        if shared := own & {place.folder for place in other.places}:
            yield (
                f"{len(shared)} of {pluralise(len(own), 'run')} are runs of {other.name} too: where both studies"
                f" answer by them, that is one piece of evidence, not two; results.csv has each run once."
            )


def _lost(saved: SavedStudy) -> Iterator[str]:
    """Runs that diverged, collapsed, are missing, or are kept with many dead units, by arm."""
    totals = Counter(place.arm for place in saved.places)
    for status in ("diverged", "collapsed", "missing", DEAD):
        counts = Counter(place.arm for place in saved.places if place.status == status)
        if not counts:
            continue
        listed = [f"{arm_text(arm)} {count} of {totals[arm]}" for arm, count in counts.items()]
        more = f", and {len(listed) - MOST_LISTED} more arms" if len(listed) > MOST_LISTED else ""
        word = "with dead units" if status == DEAD else status
        runs = f"{pluralise(sum(counts.values()), 'run')} {word}"
        yield f"{runs} of {len(saved.places)}: {', '.join(listed[:MOST_LISTED])}{more}."


def _few_images(saved: SavedStudy) -> Iterator[str]:
    """A test set so small that the choice of its images matters, which intervals over blocks do not show."""
    finished = (place.folder for place in saved.places if place.run is not None and place.status in KEPT)
    correct = next((found for folder in finished if (found := saved.correct(folder, saved.test_set)) is not None), None)
    if correct is not None and len(correct) < FEW_IMAGES:
        points = 100 / len(correct)
        yield (
            f"{labels.test_set(saved.test_set)} has {len(correct)} images, {points:.2f} points each, and intervals over"
            " blocks do not show the chance in which images they are."
        )


def _incomplete(saved: SavedStudy) -> Iterator[str]:
    """Metrics that evaluations lack because they are newer than these, and what adds them."""
    results = saved.results[["run", "test_set", "metric"]].itertuples(index=False)
    held = {(str(run), str(where), str(metric)) for run, where, metric in results}
    lacking: Counter[str] = Counter()
    for stage, run in saved.scored:
        place = place_of(saved.plan, stage)
        lacking.update(
            name for name in due(sources(run, saved.store)) if (place["run"], place["test_set"], name) not in held
        )
    for name, count in lacking.items():
        command = "augdistill evaluate"
        if str(saved.store.outputs) != "outputs":
            command += f" outputs={saved.store.outputs}"
        evaluations = pluralise(count, "evaluation") + (" lacks" if count == 1 else " lack")
        yield f"{evaluations} {labels.metric(name)}, a newer metric: {command} adds it from what they saved."


def arm_text(arm: tuple[str, str, str, str, str]) -> str:
    """Return an arm in words: LeNet student of CutMix."""
    role, model, aug, own, variant = arm
    words = f"{labels.model(model)} {'student' if role == 'control' else role}"
    words += {"teacher": f" with {labels.strategy(aug)}", "control": " on labels only"}.get(
        role, f" of {labels.strategy(aug)}"
    )
    words += f", itself with {labels.strategy(own)}" if own not in ("", "baseline") else ""
    return words + (f" ({labels.variant(variant)})" if variant else "")


def _notes(saved: SavedStudy) -> Iterator[str]:
    """What runs and evaluations noted themselves: unverified data, partial test sets, selection by the test set."""
    notes: Counter[str] = Counter()
    runs = 0
    for run in saved.runs.values():
        runs += 1
        notes.update(set(run.manifest.provenance.notes))
    for note, count in notes.items():
        yield f"{note} ({count} of {runs} finished stages)."


def _protocol(saved: SavedStudy) -> Iterator[str]:
    """Choices of the authors' code that no sound study makes."""
    design = saved.design
    trained = [design.teacher, *design.students.values()]
    for select in dict.fromkeys(model.optim.select for model in trained if model.optim.select != "last"):
        chosen = dict.fromkeys(model.name for model in trained if model.optim.select == select)
        names = ", ".join(map(labels.model, chosen))
        yield f"Weights are those of the epoch that is best on the TEST set (optim.select={select}): {names}."
    if design.arms:
        own = "; ".join(map(labels.strategy, design.arms))
        yield f"Arms differ in more than the strategy: study.arms gives values of their own to {own}."
    if design.distillation.teacher_weights == "untrained":
        yield "Students learned from teachers that were never trained (distillation.teacher_weights=untrained)."


def _precision(saved: SavedStudy) -> Iterator[str]:
    """Arms that were computed in different precisions."""
    found: dict[str, set[str]] = {}
    for place in saved.places:
        if place.run is not None:
            precision = place.run.manifest.provenance.precision
            found.setdefault(precision, set()).add(arm_text(place.arm))
    if len(found) > 1:
        listed = "; ".join(
            f"{name}: {pluralise(len(arms), 'arm')} ({', '.join(sorted(arms)[:MOST_LISTED])})"
            for name, arms in sorted(found.items())
        )
        yield f"Runs differ in precision, {listed}."


def _mixed(saved: SavedStudy) -> Iterator[str]:
    """Runs made with different versions or on different hardware."""
    made = [place.run.manifest.provenance for place in saved.places if place.run is not None]
    for what, values in {
        "hardware": {str(facts.hardware) for facts in made},
        "versions of PyTorch": {str(facts.versions.get("torch")) for facts in made},
        "versions of augdistill": {
            f"{facts.versions.get('augdistill')} ({facts.git_commit or 'no commit known'})" for facts in made
        },
    }.items():
        if len(values) > 1:
            yield f"Runs come from different {what}: {', '.join(sorted(values))}."


def _skipped(saved: SavedStudy) -> Iterator[str]:
    """Test sets that were left out, and why: of a path its last part, since a page is shown to others."""
    for name, why in saved.plan.skipped.items():
        yield f"No evaluation on {labels.test_set(name)}: {re.sub(ABOVE, '', why)}."


def _design(saved: SavedStudy) -> Iterator[str]:
    """Where the study is not the paper's set-up, beside which printed numbers stand."""
    if saved.blocks < 2:
        yield "One block: no standard deviation, no interval and no test."
    width = saved.design.teacher.width
    if saved.dataset == "cifar10" and width not in (None, PAPERS_WIDTH):
        yield f"The teacher is {width} channels wide, the paper’s {PAPERS_WIDTH}: printed values are no yardstick."
    if not distils_as_the_paper(saved):
        how = saved.design.distillation
        yield (
            f"Students are distilled at T = {how.temperature:g}, α = {how.alpha:g}, the paper’s at T = "
            f"{PAPERS_TEMPERATURE:g}, α = {PAPERS_ALPHA:g}: its printed values do not stand beside them."
        )
    if "alexnet-small" in saved.students and "alexnet" not in saved.students:
        yield "The small AlexNet stands in for the paper’s AlexNet, which has six times its parameters."


def status_counts(places: list[Place]) -> dict[str, int]:
    """Return how many runs have each status, finished first."""
    counts = Counter(place.status for place in places)
    return {status: counts[status] for status in (*KEPT, "collapsed", "diverged", "missing") if counts[status]}
