"""What a saved evaluation was made from, and where what belongs to it lies: by manifests alone."""

from augdistill.base.errors import RunError
from augdistill.base.reading import array_names
from augdistill.base.text import removal
from augdistill.store.identity import make_ref
from augdistill.store.runs import Run, RunStore, read_run

PREDICTIONS = "predictions.npz"
METRICS_FILE = "metrics.json"
WEIGHTS = "weights.safetensors"


def sources(run: Run, store: RunStore) -> frozenset[str]:
    """Return what the metrics of an evaluation, or of a teacher's outputs, can be computed from.

    Those are words of `metrics.Metric.needs`; an evaluation without predictions of its own is one against human labels.
    """
    if run.kind == "outputs":
        return frozenset({"labels", "outputs"})
    if PREDICTIONS not in run.manifest.files:
        return frozenset({"labels", "human"})
    path = run.path / PREDICTIONS
    stored = array_names(path, removal(run.path)) if path.is_file() else []
    has_teacher = teacher_evaluation(run, store) is not None
    return frozenset({"labels", *(["embeddings"] if "embeddings" in stored else []), *["teacher"] * has_teacher})


def evaluated_run(evaluation: Run, store: RunStore) -> Run | None:
    """Return the run that was evaluated, None if it was removed."""
    return read_run(store.runs / evaluation.manifest.config["run"])


def teacher_of(evaluated: Run, store: RunStore) -> Run | None:
    """Return the teacher of a distilled student, None if it has none, it was removed, or its outputs alone are known.

    Raises RunError for a run that is none: a teacher has no teacher, so that no line of them comes back to itself.
    """
    name = evaluated.manifest.provenance.parents.get("teacher")
    if evaluated.kind != "student" or name is None:
        return None
    teacher = read_run(store.runs / name)
    if teacher is not None and teacher.kind != "teacher":
        raise RunError(f"{evaluated.path.name} has {name} for a teacher, which is none: {removal(evaluated.path)}")
    return teacher if teacher is None or WEIGHTS in teacher.manifest.files else None


def teacher_evaluation(evaluation: Run, store: RunStore) -> Run | None:
    """Return the evaluation of a student's teacher on the same test set, None if there is none."""
    evaluated = evaluated_run(evaluation, store)
    teacher = teacher_of(evaluated, store) if evaluated else None
    if teacher is None:
        return None
    return sibling(evaluation, store, teacher.id, precision=teacher.config.runtime.precision)


def sibling(evaluation: Run, store: RunStore, run: str, data: str | None = None, **changed: str) -> Run | None:
    """Return the evaluation of a `run`, by its id, that else differs in what `changed` says of its identity alone."""
    document = evaluation.manifest.document
    made_by = {**document.config, **changed}
    return store.find(make_ref("evaluation", "", made_by, data or document.data, {"run": run}))
