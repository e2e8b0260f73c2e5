"""Studies on disk whose runs were never trained: real plans, real run folders, scores of synthetic predictions."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

import data_files
from augdistill.config.checking import typed
from augdistill.config.studies import StudyConfig
from augdistill.metrics import Scores, score, score_against_humans
from augdistill.metrics.unknown import FOUND, SCORES
from augdistill.results.study import SavedStudy
from augdistill.shift import CORRUPTIONS
from augdistill.store.identity import Ref, model_document
from augdistill.store.runs import RunStore
from augdistill.study.plan import make_plan
from composed import compose

IMAGES, TRAINING = 300, 400
TRUTH = np.arange(IMAGES) % 10
HUMANS = np.random.default_rng(1).dirichlet(np.full(10, 0.05), IMAGES) * 0.2 + 0.8 * np.eye(10)[TRUTH]
VERSIONS = {"python": "3.13.0", "augdistill": "0.1.0", "torch": "2.11.0", "numpy": "2.3.0"}
SHARPNESS = {"baseline": 5.0, "flip-crop": 5.5, "cutout": 5.2, "mixup": 3.0, "cutmix": 3.3, "labels": 4.0}
TIMES = {"latency_p99": 40.0, "images_per_second": 9000.0}
LARGE, MIDDLE, SMALL = (
    {"parameters": parameters, "macs": macs, "bytes": size, "latency_p50": latency, **TIMES}
    for parameters, macs, size, latency in (
        (11_000_000, 560_000_000, 44_700_000, 20.0),
        (2_400_000, 14_000_000, 9_600_000, 2.0),
        (62_006, 651_720, 249_000, 0.25),
    )
)
COSTS = {"resnet9": LARGE, "resnet18": LARGE, "lenet": SMALL, "alexnet": MIDDLE, "alexnet-small": MIDDLE}
SKILL = {"teacher": 1.3, "student": 0.9, "control": 0.8}


def composed(outputs: Path, *words: str) -> dict[str, Any]:
    """Return the config of `augdistill study` with these overrides."""
    return compose("study", f"outputs={outputs}", *words)


def study(outputs: Path, *words: str) -> StudyConfig:
    """Return the typed config of `augdistill study` with these overrides."""
    return typed(StudyConfig, composed(outputs, *words))


def write_data(root: Path) -> Path:
    """Write tiny CIFAR-10, CINIC-10, CIFAR-10H and MNIST in the publishers' formats; return their folder."""
    data_files.write_cifar10(root)
    data_files.write_cinic10(root)
    data_files.write_cifar10h(root, data_files.human_probabilities())
    data_files.write_mnist(root)
    return root


def write_study(outputs: Path, *words: str, classes: list[str] | None = None, statuses: dict[str, str] | None = None):
    """Plan a study and publish every stage of it; return it as the report reads it.

    `statuses` gives the status of runs whose folder's name contains a key; a "missing" one is left out, with what
    depends on it; "unevaluated" ones lack their evaluations.
    """
    plan = make_plan(study(outputs, *words))
    plan.save(outputs / "studies" / plan.name)
    store, names = RunStore(outputs), classes or data_files.CIFAR_CLASSES
    for stage in plan.stages:
        evaluated = stage.job["config"].get("run", stage.folder)
        status = next((found for key, found in (statuses or {}).items() if key in evaluated), "finished")
        if status == "missing" or (stage.kind in ("evaluation", "outputs") and status in ("unevaluated", "diverged")):
            continue
        model = model_document(stage.config)["model"] if stage.kind in ("teacher", "student") else None
        made_from = {"parents": parents_of(stage, plan), "config": {"model": model}}
        publish(store, stage, names, "finished" if status == "unevaluated" else status, made_from)
    return SavedStudy.load(plan.name, outputs)


def write_study_on(data: Path, outputs: Path, name: str, *words: str, **changes: Any) -> SavedStudy:
    """Write a study by name on the data that `write_data` wrote."""
    return write_study(
        outputs, f"study={name}", f"study.dataset.root={data}", "study.dataset.verify=false", *words, **changes
    )


def write_controls(outputs: Path) -> SavedStudy:
    """Write a small study with grids like those of paper-controls, in two blocks."""
    grids = (
        "{distillation.transform: [rescale, class-mean]}, {optim.lr_factor: [0.5]}, {aug.ops.mixup.labels: [hard]}, "
        "{teacher_optim.epochs: [2]}, {distillation.teacher_weights: [untrained]}"
    )
    words = ("study=tiny", "study.blocks=2", "study.aug=[baseline,mixup,cutmix]", f"study.grids=[{grids}]")
    return write_study(outputs, *words)


def parents_of(stage: Any, plan: Any) -> dict[str, str]:
    """Return the parents that a run names in its manifest: of a student its teacher, by way of the outputs."""
    if stage.kind == "student":
        outputs = [other for other in plan.stages if other.kind == "outputs" and other.id in stage.parents[:1]]
        return {"teacher": outputs[0].parents[0]} if outputs else {}
    word = {"outputs": "teacher", "evaluation": "run"}.get(stage.kind)
    return {word: stage.parents[0]} if word else {}


def publish(store: RunStore, stage: Any, classes: list[str], status: str, document: dict[str, Any]) -> None:
    """Write the files and the manifest of one stage; `document` says its parents and its network."""
    folder = store.runs / stage.folder
    if folder.is_dir():  # another study shares it
        return
    folder.mkdir(parents=True)
    facts: dict[str, Any] = {}
    seconds = {"teacher": 40.0, "student": 20.0}.get(stage.kind, 1.0)
    if stage.kind in ("teacher", "student"):
        facts = {"classes": classes, "collapsed": status == "collapsed", "statistics": {"mean": [0.5], "std": [0.2]}}
        if stage.job["config"]["dataset"]["validation"]:
            facts["validation_accuracy"] = 0.6 + 0.01 * (stage.arm["block"] % 10)
        if stage.arm["role"] == "student" and status != "diverged":
            spread = 0.001 * SHARPNESS.get(stage.arm["teacher_aug"].rpartition("+")[2], 4.0)
            facts["distillation"] = {"teacher_agreement": 0.95, "teacher_kl": 0.05, "teacher_stddev": spread}
        (folder / "history.csv").write_text(history(stage.kind, stage.arm["teacher_aug"]))
    elif stage.kind == "costs":
        facts = COSTS[stage.arm["model"]]
    elif stage.kind == "shift":
        facts = {"test_set": stage.arm["test_set"]}
        (folder / "metrics.json").write_text(json.dumps(shifted_scores(stage).to_json()))
    else:
        write_scores(folder, stage)
    if stage.kind == "evaluation":
        scalars = json.loads((folder / "metrics.json").read_text())["scalars"]
        facts = {"test_set": stage.arm["test_set"], "accuracy": scalars.get("accuracy")}
    made = {"versions": VERSIONS, "git_commit": "abc", "device": "cpu", "hardware": "a processor", "precision": "fp32"}
    times = {"began": "2026-01-01 00:00:00 UTC", "ended": "2026-01-01 01:00:00 UTC", "seconds": seconds, "threads": 1}
    notes = ["cinic10: 30 images; the full test fold has 70,000"] if "cinic10" in stage.folder else []
    ref = Ref(stage.kind, stage.id, stage.folder, document)
    written = "diverged" if status == "diverged" else "finished"
    store.publish(ref, written, stage.job["config"], {**made, **times, "parents": {}, "notes": notes}, **facts)


def shifted_scores(stage: Any) -> Scores:
    """Return made-up scores under shift: better under sharp strategies and for teachers, worse further away."""
    arm, under = stage.arm, stage.config.under
    key = [*arm["role"].encode(), *arm["model"].encode(), *arm["teacher_aug"].encode(), arm["block"]]
    rng = np.random.default_rng([*key, arm["student_seed"] + 1])
    level = 0.5 * SKILL[arm["role"]] + 0.04 * (SHARPNESS.get(arm["teacher_aug"], 4.0) - 4) + 0.02 * rng.normal()
    if under.kind == "corruptions":
        table = np.clip(level + 0.05 * rng.normal(size=(15, len(under.severities))), 0, 1)
        logits, truth, _ = logits_of(arm, IMAGES)
        arrays = {
            "corruptions": [*CORRUPTIONS],
            "severities": [*under.severities],
            **{
                f"{what}_under": (scale * table).tolist() for what, scale in (("accuracy", 1), ("ece", 0.2), ("nll", 3))
            },
            "reliability": score(logits, truth).arrays["reliability"],
        }
        return Scores({"accuracy": float(table.mean()), "ece": float(0.2 * table.mean())}, arrays, "none")
    if under.kind == "attack":
        radii = [0.0, *under.radii]
        at = [level / (1 + 0.2 * index) for index in range(len(radii))]
        others = {f"{way}_accuracy_at": [(value + level) / 2 for value in at] for way in ("noise", "transfer")}
        return Scores(
            {"robust_accuracy": float(np.mean(at[1:]))}, {"radii": radii, "accuracy_at": at, **others}, "none"
        )
    found = {f"{what}_{name}": level for what in FOUND for name in SCORES}
    return Scores(found, {"known": IMAGES, "unknown": IMAGES, "neighbours": 1}, "none")


def history(kind: str, strategy: str) -> str:
    """Return history.csv of four epochs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "loss", "ce", "kd", "lr", "images_per_second"])
    for epoch in range(4):
        kd = 0.0 if kind == "teacher" or strategy == "labels" else 8 / (epoch + 1)
        writer.writerow([epoch, 2 / (epoch + 1), (2 + SHARPNESS.get(strategy, 4) / 10) / (epoch + 1), kd, 0.1, 100])
    return text.getvalue()


def logits_of(arm: dict[str, Any], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits [N, 10], labels [N] and embeddings [N, 16] that depend on the arm, block and seed alone."""
    last = arm["teacher_aug"].rpartition("+")[2]
    key = [*arm["role"].encode(), *arm["model"].encode(), *arm["teacher_aug"].encode(), *arm["student_aug"].encode()]
    rng = np.random.default_rng([*key, arm["block"], arm["student_seed"] + 1, len(arm["variant"])])
    labels = np.arange(count) % 10
    role = "teacher" if arm["role"] == "outputs" else arm["role"]
    signal = SKILL[role] + 0.05 * rng.normal()
    logits = SHARPNESS.get(last, 4.0) * (signal * np.eye(10)[labels] + 0.45 * rng.normal(size=(count, 10)))
    embeddings = np.maximum(logits @ rng.normal(size=(10, 16)) + rng.normal(size=(count, 16)), 0)
    return logits.astype(np.float32), labels, embeddings.astype(np.float32)


def write_scores(folder: Path, stage: Any) -> None:
    """Write metrics.json, and predictions.npz of an evaluation, as the stages do."""
    arm = stage.arm
    logits, labels, embeddings = logits_of(arm, TRAINING if stage.kind == "outputs" else IMAGES)
    where = arm.get("test_set", "distillation")
    is_own = where in ("cifar10-test", "mnist-test", "digits-test")
    human = HUMANS if where == "cifar10h" else None
    if where.startswith("cinic10"):
        logits = logits + 2 * np.random.default_rng(5).normal(size=logits.shape).astype(np.float32)
    if human is not None:
        scores = score_against_humans(logits, labels, human)
    else:
        is_outputs = stage.kind == "outputs"
        scores = score(logits, labels, embeddings=embeddings if is_own else None, outputs=is_outputs)
        if arm["role"] == "student":
            scores.scalars.update(teacher_agreement=0.9, teacher_kl=0.1, teacher_kl_at_temperature=0.001)
    (folder / "metrics.json").write_text(json.dumps(scores.to_json()))
    if stage.kind == "evaluation" and human is None:
        arrays = {"logits": logits, "labels": labels, **({"embeddings": embeddings} if is_own else {})}
        np.savez(folder / "predictions.npz", **arrays)
