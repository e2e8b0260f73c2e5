"""A result is named by what made it: the identity of a run is a hash of everything that decides its result.

Device, threads, paths, executor and logging stay out; precision enters as asked for. Fields without effect are left
out, so that two configs that compute the same thing are the same run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augdistill.base.checks import file_name
from augdistill.config import Config
from augdistill.config.groups import SOFT_TARGETS, WEIGHTS, Aug, Dataset, Distillation, Optim
from augdistill.config.jobs import ImportedConfig, ModelConfig, RunConfig, StudentConfig, TeacherConfig
from augdistill.plugins import stated_versions

# Raise a kind's version when its results change for the same config: old runs are then no longer found.
VERSIONS = {"teacher": 1, "outputs": 1, "student": 1, "evaluation": 1, "shift": 1, "costs": 1}
# Fields added after a release, with the default at which they stay out of identities: {"optim.example": 0.5}.
ADDED_LATER: Mapping[str, Any] = {
    "optim.stop_accuracy": None,
    "aug.mixup.labels": "soft",
    "aug.mixup.pairs": 1.0,
    "aug.cutmix.labels": "soft",
    "dataset.background": "white",
    "dataset.test_images": 360,
    "dataset.classes": list(range(10)),
    "student.channels": 64,
    "distillation.label_weight": None,
    "distillation.mixed_labels": "mixed",
    "distillation.inputs": "augmented",
    "distillation.ensemble": "probabilities",
}

# Fields of "student" configs in which those that train together as a bank may differ; all others they share.
OF_A_MEMBER = ("seed", "teacher_seed", "aug", "teacher", "teacher_optim")
DIFFERING = (*OF_A_MEMBER, *(f"distillation.{field}" for field in (*WEIGHTS, "temperature", *SOFT_TARGETS)))


@dataclass(frozen=True)
class Ref:
    """A run's name: its kind, whole hash (64 hex digits), folder, and the document that was hashed."""

    kind: str
    id: str
    folder: str
    document: Config


def teacher_ref(config: TeacherConfig, fingerprint: str) -> Ref:
    """Return the name of the teacher that a config makes on data with this `fingerprint`."""
    return make_ref("teacher", folder_label(config, config.aug.name), model_document(config), fingerprint)


def imported_ref(config: ImportedConfig, fingerprint: str) -> Ref:
    """Return the name of a teacher from elsewhere, which is its content; what it is called is for people."""
    about = config.imported
    content = {key: value for key, value in about.plain().items() if key not in ("name", "file")}
    made_by = {"dataset": dataset_fields(config.dataset), "imported": content}
    return make_ref("teacher", f"{config.dataset.label}-{about.model}-{about.name}", made_by, fingerprint)


def teacher_folder(config: TeacherConfig) -> str:
    """Return a teacher's folder name up to its hash."""
    return f"teacher-{file_name(folder_label(config, config.aug.name))}"


def teacher_of(config: StudentConfig) -> TeacherConfig:
    """Return the config of the teacher that a student learns from."""
    return TeacherConfig(
        seed=config.teacher_seed,
        outputs=config.outputs,
        dataset=config.dataset,
        aug=config.aug,
        teacher=config.teacher,
        optim=config.teacher_optim,
        runtime=config.runtime,
    )


def reference_of(config: StudentConfig) -> StudentConfig | None:
    """Return the "student" config of the teacher to whose s.d. `transform=rescale` without `sd` rescales logits.

    That is the teacher which differs in its strategy alone, having none. None where nothing is rescaled to another's.
    """
    distillation = config.distillation
    wanted = distillation.alpha > 0 and distillation.transform == "rescale" and distillation.sd is None
    is_its_own = not config.aug.ops and distillation.teacher_weights == "trained"
    if not wanted or is_its_own:
        return None
    plain = {"transform": "none", "teacher": None, "teacher_weights": "trained"}
    return config.model_copy(update={"aug": Aug(ops={}), "distillation": distillation.model_copy(update=plain)})


def student_ref(
    config: StudentConfig,
    fingerprint: str,
    teacher: Ref | None = None,
    called: str | None = None,
    members: Sequence[Ref] = (),
) -> Ref:
    """Return the name of the student that a config makes on data with this `fingerprint`.

    `teacher` is the one that `distillation.teacher` names, None for the one that the config's choices make; people read
    what it is `called`, where that is not its strategies. `members` are all of them where it names several.
    """
    augmented = bool(config.student_aug.ops)
    reference = reference_of(config)
    distillation = distillation_fields(config.distillation, augmented, reference is not None)
    labels_only = distillation["alpha"] == 0
    made_by = {**model_document(config), "distillation": distillation}
    of_several = f"ensemble-of-{len(members)}" if members else ""
    arm = "labels" if labels_only else called or of_several or config.aug.name
    if augmented:
        arm += f"_{config.student_aug.name}"
    label = folder_label(config, arm)
    parents: dict[str, str] = {}
    if not labels_only and members:
        parents |= {part: ref.id for part, ref in of_members(members).items()}
    elif not labels_only:
        parents["teacher"] = (teacher or teacher_ref(teacher_of(config), fingerprint)).id
    if reference is not None:
        parents["reference"] = teacher_ref(teacher_of(reference), fingerprint).id
    return make_ref("student", label, made_by, fingerprint, parents)


def of_members(members: Sequence[Ref]) -> dict[str, Ref]:
    """Return the members of an ensemble as parents, in an order that does not depend on how they were named."""
    return {f"teacher-{place}": ref for place, ref in enumerate(sorted(members, key=lambda ref: ref.id), 1)}


def outputs_ref(teacher: Ref, config: RunConfig, fingerprint: str) -> Ref:
    """Return the name of a teacher's logits on the training set, in the precision of `config`."""
    weights = config.distillation.teacher_weights if isinstance(config, StudentConfig) else "trained"
    made_by = {"precision": config.runtime.precision, "teacher_weights": weights}
    label = teacher.folder.removeprefix("teacher-").rsplit("-", 1)[0]
    return make_ref("outputs", label, made_by, fingerprint, {"teacher": teacher.id})


def evaluation_ref(run: Ref, test_set: str, made_by: Config, fingerprint: str, called: str | None = None) -> Ref:
    """Return the name of the evaluation of `run` on `test_set`, whose data has this `fingerprint`.

    People read what the test set is `called`, where that is not its name.
    """
    label = f"{called or test_set}-{run.folder}"
    return make_ref("evaluation", label, {"test_set": test_set, **made_by}, fingerprint, {"run": run.id})


def shift_ref(run: Ref, called: str, under: Config, fingerprint: str, source: Ref | None = None) -> Ref:
    """Return the name of the evaluation of `run` under what is `called` so, on data with this `fingerprint`.

    `source` is the run whose gradients make the images of a transferred attack.
    """
    parents = {"run": run.id, **({"source": source.id} if source else {})}
    return make_ref("shift", f"{called}-{run.folder}", {"under": under}, fingerprint, parents)


def costs_ref(config: RunConfig, fingerprint: str) -> Ref:
    """Return the name of what the network of a run costs, which all runs of that network share.

    The `fingerprint` of its training set stands for the size of its images and for its classes.
    """
    if isinstance(config, ImportedConfig):
        about = config.imported
        made_by: Config = {"architecture": about.architecture, **about.model_dump(include={"parameters", "size"})}
        return make_ref("costs", f"{config.dataset.label}-{about.model}", made_by, fingerprint)
    assert isinstance(config, ModelConfig)
    network = {"model": model_document(config)["model"]}
    return make_ref("costs", f"{config.dataset.label}-{config.model.name}", network, fingerprint)


def make_ref(kind: str, label: str, made_by: Config, fingerprint: str, parents: Mapping[str, str] | None = None) -> Ref:
    """Return the Ref of a run: SHA-256 of canonical JSON, and the folder name that people read first."""
    document = {
        "kind": kind,
        "version": VERSIONS[kind],
        "config": without_later_defaults(made_by),
        "parents": dict(parents or {}),
        "data": fingerprint,
    }
    if stated := stated_versions(names_in(made_by)):
        document["plugins"] = stated
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Ref(kind, digest, f"{kind}-{file_name(label)}-{digest[:8]}", document)


def names_in(made_by: Config) -> list[str]:
    """Return the names of what decides a result and may be a plugin's: dataset, model, strategies, loss."""
    loss = made_by.get("distillation", {}).get("loss")
    groups = [made_by.get("dataset"), made_by.get("model"), loss if isinstance(loss, Mapping) else {"name": loss}]
    ops = [name for key in ("aug", "student_aug") for name, _ in made_by.get(key, [])]
    return [*ops, *(str(group["name"]) for group in groups if group)]


def folder_label(config: ModelConfig, arm: str) -> str:
    """Return the readable middle of a run's folder name."""
    return f"{config.dataset.label}-{config.model.name}-{arm}-s{config.seed}"


def shared_by_bank(config: StudentConfig) -> Config:
    """Return what the configs of a bank's students have in common: every field, new ones too, but for DIFFERING."""
    return without(DIFFERING, config.plain())


def without(keys: Sequence[str], values: Config, prefix: str = "") -> Config:
    """Return values without those at some dotted keys."""
    return {
        key: without(keys, value, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in values.items()
        if f"{prefix}{key}" not in keys
    }


def model_document(config: ModelConfig) -> Config:
    """Return what of a config decides any model: its data, its own strategies, itself, its recipe, precision, seed."""
    return {
        "dataset": dataset_fields(config.dataset),
        config.aug_key: [
            [name, without_later_defaults(values, f"aug.{name}.")] for name, values in config.own_aug.listed()
        ],
        "model": {"name": config.model.name, **config.model.parameters()},
        "optim": optim_fields(config.optim),
        "precision": config.runtime.precision,
        "seed": config.seed,
    }


def dataset_fields(dataset: Dataset) -> Config:
    """Return what of a dataset decides a result beside its content: its reader's parameters, statistics, split.

    Older versions measured statistics with the validation images in, so that such runs have another name now.
    """
    deciding = ("name", "mean", "std", "validation", *(key for key in dataset.parameters() if key != "path"))
    kept = {key: value for key, value in dataset.plain().items() if key in deciding}
    if not dataset.mean and dataset.validation:
        kept["statistics"] = "of the images that train"
    return kept


def optim_fields(optim: Optim) -> Config:
    """Return the fields of `optim` that have an effect with its schedule."""
    unused = {"warmup_epochs"} if optim.schedule == "one-cycle" else {"warmup_share"}
    if optim.schedule != "multistep":
        unused |= {"milestones", "gamma"}
    values = optim.plain()
    if values["select"] == "best-test-accuracy":
        values["select"] = "best-test"  # as it was spelt when there was no other
    return {key: value for key, value in values.items() if key not in unused}


def distillation_fields(distillation: Distillation, augmented: bool, has_reference: bool) -> Config:
    """Return the fields of `distillation` that have an effect; the teacher itself enters as a parent.

    Class means are those of clean images, whatever the view; rescaling to the teacher's own s.d. changes nothing.
    """
    inputs = {"inputs": distillation.inputs} if augmented else {}
    if distillation.alpha == 0:
        return {"alpha": 0.0, **inputs}
    transform = distillation.transform
    if transform == "rescale" and distillation.sd is None and not has_reference:
        transform = "none"
    unused = {"teacher", "inputs"} if augmented and transform != "class-mean" else {"teacher", "inputs", "view"}
    values = {**distillation.plain(), "transform": transform, **label_fields(distillation, augmented)}
    kept = {key: value for key, value in values.items() if key not in unused} | inputs
    if len(distillation.teachers) < 2:
        kept["ensemble"] = "probabilities"  # of one, which is no field of older runs
    loss = kept.pop("loss")
    if loss["name"] != "kd":
        return {**kept, "loss": loss}
    return {**kept, **{key: loss[key] for key in loss if key != "name"}}  # where they stood when there was no other


def label_fields(distillation: Distillation, augmented: bool) -> Config:
    """Return how much labels count: a weight that 1 - alpha is anyway is none, no labels at all are a weight of 0."""
    weight, mixed = distillation.weights[0], distillation.mixed_labels
    given = None if weight == 1 - distillation.alpha else weight
    return {"label_weight": given, "mixed_labels": mixed if augmented and mixed == "teacher-only" else "mixed"}


def without_later_defaults(made_by: Config, prefix: str = "") -> Config:
    """Return `made_by` without the fields of ADDED_LATER that stand at their default."""
    kept: Config = {}
    for key, value in made_by.items():
        path = f"{prefix}{key}"
        if path in ADDED_LATER and ADDED_LATER[path] == value:
            continue
        kept[key] = without_later_defaults(value, f"{path}.") if isinstance(value, dict) else value
    return kept
