"""What a sweeper that searches, as Optuna's does, is told of a job: the worst arm's accuracy on held-out images."""

from pathlib import Path

from augdistill.base.errors import RequestError
from augdistill.config import Config
from augdistill.store.runs import Run

HELD_OUT = "validation"  # the test set of results that are about held-out images
ARM = ["role", "model", "teacher_aug", "student_aug", "variant"]
DIVERGED = 0.0  # is worse than any accuracy


def check_can_search(command: str, config: Config) -> None:
    """Raise RequestError for a job that gives nothing to search by; the test set selects nothing."""
    prefix = "study." if command == "study" else ""
    about = config["study"] if command == "study" else config
    if command not in ("study", "train-teacher", "distill"):
        raise RequestError(f"{command} has no accuracy to search by: study, train-teacher and distill have")
    if not about["dataset"].get("validation"):
        raise RequestError(f"a search needs held-out images: {prefix}dataset.validation above 0, as in 5000")


def objective(command: str, config: Config, made: object) -> float:
    """Return the accuracy, a share, on held-out images: of a model, or of a study's worst arm, means over its seeds."""
    if command != "study":
        assert isinstance(made, Run)
        return made.model.validation_accuracy or DIVERGED
    from augdistill.results.study import SavedStudy

    frame = SavedStudy.load(str(config["study"]["name"]), Path(str(config["outputs"]))).results
    of_students = frame[(frame.metric == "accuracy") & (frame.test_set == HELD_OUT) & (frame.role != "teacher")]
    return float(of_students.fillna({"value": DIVERGED}).groupby(ARM).value.mean().min())
