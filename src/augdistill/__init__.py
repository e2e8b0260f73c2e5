"""augdistill: what does a teacher's data augmentation do to the students distilled from it?"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augdistill.api import (
        compare,
        distill,
        draw,
        evaluate,
        import_teacher,
        judge,
        load_model,
        load_results,
        run_study,
        score_predictions,
        train_teacher,
    )

__all__ = [
    "compare",
    "distill",
    "draw",
    "evaluate",
    "import_teacher",
    "judge",
    "load_model",
    "load_results",
    "run_study",
    "score_predictions",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    """Return a function of the Python API, imported when it is first asked for: pandas takes a while."""
    if name not in __all__:
        raise AttributeError(f"module 'augdistill' has no attribute {name!r}")
    from augdistill import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """Return the names that a notebook completes."""
    return sorted({*globals(), *__all__})
