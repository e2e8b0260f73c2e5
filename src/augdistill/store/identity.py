"""A result is named by what made it: the identity of a run is a hash of everything that decides its result.

Device, threads, paths, executor and logging stay out; precision enters as asked for. Fields without effect are left
out, so that two configs that compute the same thing are the same run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augdistill.base.checks import file_name
from augdistill.base.text import dataset_label
from augdistill.config import SOFT_TARGETS, Config, aug_name, model_parameters, ops_list, reader_parameters
from augdistill.plugins import stated_versions

# Raise a kind's version when its results change for the same config: old runs are then no longer found.
VERSIONS = {"teacher": 1, "outputs": 1, "student": 1, "evaluation": 1}
# Fields added after a release, with the default at which they stay out of identities: {"optim.example": 0.5}.
ADDED_LATER: Mapping[str, Any] = {
    "optim.stop_accuracy": None,
    "aug.mixup.labels": "soft",
    "aug.cutmix.labels": "soft",
    "dataset.background": "white",
}

# Fields of "student" configs in which those that train together as a bank may differ; all others they share.
DIFFERING = (
    *("seed", "teacher_seed", "aug", "teacher", "teacher_optim"),
    *(f"distillation.{field}" for field in ("alpha", "temperature", *SOFT_TARGETS)),
)


@dataclass(frozen=True)
class Ref:
    """A run's name: its kind, whole hash (64 hex digits), folder, and the document that was hashed."""

    kind: str
    id: str
    folder: str
    document: Config


def teacher_ref(config: Config, fingerprint: str) -> Ref:
    """Return the name of the teacher that a checked "teacher" config makes on data with this `fingerprint`."""
    made_by = {
        "dataset": dataset_fields(config["dataset"]),
        "aug": ops_fields(config["aug"]),
        "model": model_fields(config["teacher"]),
        "optim": optim_fields(config["optim"]),
        "precision": config["runtime"]["precision"],
        "seed": config["seed"],
    }
    return make_ref("teacher", teacher_folder(config).removeprefix("teacher-"), made_by, fingerprint)


def teacher_folder(config: Config) -> str:
    """Return a teacher's folder name up to its hash."""
    label = folder_label(config["dataset"], config["teacher"], aug_name(config["aug"]), config["seed"])
    return f"teacher-{file_name(label)}"


def teacher_of(config: Config) -> Config:
    """Return the "teacher" config of the teacher that a checked "student" config learns from."""
    return {
        "seed": config["teacher_seed"],
        "outputs": config["outputs"],
        "dataset": config["dataset"],
        "aug": config["aug"],
        "teacher": config["teacher"],
        "optim": config["teacher_optim"],
        "runtime": config["runtime"],
    }


def reference_of(config: Config) -> Config | None:
    """Return the "student" config of the teacher to whose s.d. `transform=rescale` without `sd` rescales logits.

    That is the teacher which differs in its strategy alone, having none. None where nothing is rescaled to another's.
    """
    distillation = config["distillation"]
    wanted = distillation["alpha"] > 0 and distillation["transform"] == "rescale" and distillation["sd"] is None
    is_its_own = not config["aug"]["ops"] and distillation["teacher_weights"] == "trained"
    if not wanted or is_its_own:
        return None
    plain = {**distillation, "transform": "none", "teacher": None, "teacher_weights": "trained"}
    return {**config, "aug": {"ops": {}}, "distillation": plain}


def student_ref(config: Config, fingerprint: str, teacher: Ref | None = None) -> Ref:
    """Return the name of the student that a checked "student" config makes on data with this `fingerprint`.

    `teacher` is the one that `distillation.teacher` names, None for the one that the config's choices make.
    """
    augmented = bool(config["student_aug"]["ops"])
    reference = reference_of(config)
    distillation = distillation_fields(config["distillation"], augmented, reference is not None)
    labels_only = distillation["alpha"] == 0
    made_by = {
        "dataset": dataset_fields(config["dataset"]),
        "student_aug": ops_fields(config["student_aug"]),
        "model": model_fields(config["student"]),
        "distillation": distillation,
        "optim": optim_fields(config["optim"]),
        "precision": config["runtime"]["precision"],
        "seed": config["seed"],
    }
    arm = "labels" if labels_only else aug_name(config["aug"])
    if augmented:
        arm += f"_{aug_name(config['student_aug'])}"
    label = folder_label(config["dataset"], config["student"], arm, config["seed"])
    parents = {}
    if not labels_only:
        parents["teacher"] = (teacher or teacher_ref(teacher_of(config), fingerprint)).id
    if reference is not None:
        parents["reference"] = teacher_ref(teacher_of(reference), fingerprint).id
    return make_ref("student", label, made_by, fingerprint, parents)


def outputs_ref(teacher: Ref, config: Config, fingerprint: str) -> Ref:
    """Return the name of a teacher's logits on the training set, in the precision of `config` (teacher or student)."""
    weights = config.get("distillation", {}).get("teacher_weights", "trained")
    made_by = {"precision": config["runtime"]["precision"], "teacher_weights": weights}
    label = teacher.folder.removeprefix("teacher-").rsplit("-", 1)[0]
    return make_ref("outputs", label, made_by, fingerprint, {"teacher": teacher.id})


def evaluation_ref(run: Ref, test_set: str, made_by: Config, fingerprint: str, called: str | None = None) -> Ref:
    """Return the name of the evaluation of `run` on `test_set`, whose data has this `fingerprint`.

    People read what the test set is `called`, where that is not its name.
    """
    label = f"{called or test_set}-{run.folder}"
    return make_ref("evaluation", label, {"test_set": test_set, **made_by}, fingerprint, {"run": run.id})


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


def folder_label(dataset: Config, model: Config, aug: str, seed: int) -> str:
    """Return the readable middle of a run's folder name."""
    return f"{dataset_label(dataset)}-{model['name']}-{aug}-s{seed}"


def shared_by_bank(config: Config, prefix: str = "") -> Config:
    """Return what the "student" configs of a bank have in common: every field, new ones too, but for DIFFERING."""
    return {
        key: shared_by_bank(value, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in DIFFERING
    }


def dataset_fields(dataset: Config) -> Config:
    """Return what of a dataset decides a result beside its content: its reader's parameters, statistics, split.

    Older versions measured statistics with the validation images in, so that such runs have another name now.
    """
    kept = {key: dataset[key] for key in ("name", "mean", "std", "validation")}
    if not dataset["mean"] and dataset["validation"]:
        kept["statistics"] = "of the images that train"
    parameters = {key: value for key, value in reader_parameters(dataset).items() if key != "path"}
    return {**kept, **parameters}


def model_fields(model: Config) -> Config:
    """Return a model's name and parameters."""
    return {"name": model["name"], **model_parameters(model)}


def ops_fields(aug: Config) -> list[list[Any]]:
    """Return the strategies in their order, as [name, parameters]."""
    return [[name, without_later_defaults(values, f"aug.{name}.")] for name, values in ops_list(aug)]


def optim_fields(optim: Config) -> Config:
    """Return the fields of `optim` that have an effect: milestones and gamma belong to the multi-step schedule."""
    unused = set() if optim["schedule"] == "multistep" else {"milestones", "gamma"}
    return {key: value for key, value in optim.items() if key not in unused}


def distillation_fields(distillation: Config, augmented: bool, has_reference: bool) -> Config:
    """Return the fields of `distillation` that have an effect; the teacher itself enters as a parent.

    Class means are those of clean images, whatever the view; rescaling to the teacher's own s.d. changes nothing.
    """
    if distillation["alpha"] == 0:
        return {"alpha": 0.0}
    transform = distillation["transform"]
    if transform == "rescale" and distillation["sd"] is None and not has_reference:
        transform = "none"
    unused = {"teacher"} if augmented and transform != "class-mean" else {"teacher", "view"}
    kept = {key: value for key, value in {**distillation, "transform": transform}.items() if key not in unused}
    loss = kept.pop("loss")
    return {**kept, **loss_fields(loss)}


def loss_fields(loss: Config) -> Config:
    """Return a student loss as runs are named by it; KD's parameters stand where they did when there was no other."""
    return {key: value for key, value in loss.items() if key != "name"} if loss["name"] == "kd" else {"loss": loss}


def without_later_defaults(made_by: Config, prefix: str = "") -> Config:
    """Return `made_by` without the fields of ADDED_LATER that stand at their default."""
    kept: Config = {}
    for key, value in made_by.items():
        path = f"{prefix}{key}"
        if path in ADDED_LATER and ADDED_LATER[path] == value:
            continue
        kept[key] = without_later_defaults(value, f"{path}.") if isinstance(value, dict) else value
    return kept
