"""The runs that a student learns from: found by its config, and examined before it begins."""

from augdistill.base.errors import RequestError, RunError
from augdistill.config.groups import Aug
from augdistill.config.jobs import ImportedConfig, StudentConfig
from augdistill.stages import imported, names, teacher
from augdistill.stages.commands import missing_teacher
from augdistill.stages.refusals import check_suffices
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.identity import dataset_fields, of_members, reference_of, teacher_of, teacher_ref
from augdistill.store.runs import Run, RunStore


def with_parents(config: StudentConfig, store: RunStore) -> tuple[StudentConfig, dict[str, Run]]:
    """Return the config with all that its teacher decides, and the runs that it learns from, by what they are."""
    if config.distillation.alpha > 0 and len(config.distillation.teachers) > 1:
        return with_ensemble(config, store)
    config, teacher_run = with_teacher(config, store)
    reference = reference_of(config)
    reference_run = with_teacher(reference, store)[1] if reference else None
    found = {"teacher": teacher_run, "reference": reference_run}
    return config, {part: run for part, run in found.items() if run}


def with_ensemble(config: StudentConfig, store: RunStore) -> tuple[StudentConfig, dict[str, Run]]:
    """Return the config and the teachers that it names, by their places; RequestError where they had to run live."""
    distillation = config.distillation
    if config.student_aug.ops and distillation.view != "clean" and distillation.transform != "class-mean":
        needs = "distillation.view=clean, or students without strategies of their own"
        raise RequestError(f"several teachers teach by their outputs for the training images: {needs}")
    found = []
    for name in distillation.teachers:
        one = config.model_copy(update={"distillation": distillation.model_copy(update={"teacher": name})})
        known, run = with_teacher(one, store)
        assert run is not None
        found.append(run)
        config = config.model_copy(update={"dataset": known.dataset})
    by_id = {run.id: run for run in found}
    if len(by_id) < len(found):
        raise RequestError(f"distillation.teacher={distillation.teacher} names a teacher twice")
    return config, {part: by_id[ref.id] for part, ref in of_members([run.ref for run in found]).items()}


def with_teacher(config: StudentConfig, store: RunStore) -> tuple[StudentConfig, Run | None]:
    """Return the config with all that its teacher decides, and the teacher; None where only labels are learnt from."""
    if config.distillation.alpha == 0:
        return config, None
    named = config.distillation.teacher
    if named is None:
        if not any(store.runs.glob("teacher-*")):  # then the data are not asked for
            raise RunError(missing_teacher(config, store))
        ref = teacher_ref(teacher_of(config), names.dataset_header(config).fingerprint)
        found = store.find(ref)
        if found is None:
            raise RunError(missing_teacher(config, store))
        return config, check_can_teach(found)
    found = store.get(named)
    if found.kind != "teacher":
        told = f"distillation.teacher={named} is no teacher but a run of kind {found.kind}"
        raise RunError(f"{told}: augdistill runs list teacher")
    check_can_teach(found)
    theirs = found.config
    if isinstance(theirs, ImportedConfig):
        check_suffices(found, config)
    if config.dataset.name == theirs.dataset.name:
        config = names.with_path(config, found)
    same = dataset_fields(theirs.dataset) == dataset_fields(config.dataset)
    if not same or found.manifest.document.data != names.dataset_header(config).fingerprint:
        path = theirs.dataset.parameters().get("path")
        lies = f" dataset.path={path}" if path is not None and config.dataset.name == theirs.dataset.name else ""
        other = f"type dataset={theirs.dataset.name}{lies}, or name another teacher"
        raise RunError(f"{found.path.name} was trained on other data: {other}")
    if isinstance(theirs, ImportedConfig):  # which strategies it was trained under is not known here
        return config.model_copy(update={"aug": Aug(ops={})}), found
    taken = {"teacher": theirs.teacher, "aug": theirs.aug, "teacher_optim": theirs.optim, "teacher_seed": theirs.seed}
    return config.model_copy(update=taken), found


def check_can_teach(found: Run) -> Run:
    """Return the run unless it diverged or its files are damaged."""
    if found.status != "finished":
        raise RunError(f"{found.path.name} {found.status} and cannot teach: choose another seed, aug or optim for it")
    has_weights = WEIGHTS in found.manifest.files or found.imported_name is None
    for name in (WEIGHTS, teacher.PROBE_FILE) if has_weights else (imported.LOGITS,):
        found.file(name)
    return found
