"""Teachers from elsewhere as arms of a study: the same one in every block."""

from pathlib import Path

from augdistill.base.errors import RunError
from augdistill.config.jobs import StudentConfig
from augdistill.store.identity import dataset_fields
from augdistill.store.runs import Run, RunStore


def imported_teacher(name: str, config: StudentConfig, training: str) -> Run:
    """Return the imported teacher of a name; RunError where none is there, or it is of other data than `training`."""
    found = RunStore(Path(config.outputs)).get(name)
    if found.imported_name != name:
        raise RunError(f"study.imported={name}: {found.path.name} was not imported under that name")
    same = dataset_fields(found.config.dataset) == dataset_fields(config.dataset)
    if not same or found.manifest.document.data != training:
        raise RunError(f"study.imported={name}: {found.path.name} was imported for other data")
    return found


def check_can_give(teacher: Run, config: StudentConfig) -> None:
    """Raise RequestError where a student asks of an imported teacher what it cannot give."""
    from augdistill.stages.refusals import check_suffices  # which knows the models, and these take a while

    check_suffices(teacher, config)
