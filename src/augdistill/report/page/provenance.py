"""Where a study's numbers come from: versions, hardware, config of each arm, identities, time, and the command."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from augdistill.base.text import dataset_label, duration
from augdistill.report.page.warnings import arm_text, status_counts
from augdistill.results.frame import ArmKey
from augdistill.results.study import Place, SavedStudy
from augdistill.store.documents import Provenance as RunProvenance
from augdistill.store.plans import SavedDistillation

NOT_RESULTS = ("seed", "teacher_seed", "outputs", "runtime")
ROOT = "${oc.env:AUGDISTILL_DATA,data}"


@dataclass(frozen=True)
class ArmRecord:
    """One arm: the place on the page that its cells lead to, its config without seeds and paths, as YAML, its runs."""

    arm: ArmKey
    anchor: str
    name: str
    config: str
    runs: tuple[Place, ...]


@dataclass(frozen=True)
class Provenance:
    """A study's origin, ready to be shown."""

    command: str | None
    """what was typed; None if the plan does not say"""
    repeat: str | None
    """what repeats it with every value written out; None of runs that no study planned"""
    facts: tuple[tuple[str, str], ...]
    environments: tuple[tuple[tuple[str, str], ...], ...]
    """each way in which runs were made: (what, value), with the number of runs that share it last"""
    arms: tuple[ArmRecord, ...]


def provenance(saved: SavedStudy, report: Path) -> Provenance:
    """Return what made a study's results; `report` is the folder that its report is written to."""
    as_run = f"augdistill study --config-dir {report / 'conf'} study={as_run_name(saved.name)}"
    repeat = None if saved.plan.adopted else as_run
    return Provenance(saved.plan.command, repeat, _facts(saved), _environments(saved), _arms(saved))


def as_run_name(study: str) -> str:
    """Return the name of the config that repeats a study: another name, or Hydra would find the original first."""
    return f"{study}-as-run"


def as_run_yaml(saved: SavedStudy) -> str:
    """Return the whole composed study as a file of the group `study`; data lie wherever the reader has them."""
    design = saved.design
    config = {**design.written, "dataset": {**design.written["dataset"], "root": ROOT}}
    if saved.has_own_claims:
        config["claims_file"] = str(claims_path(saved.name))
    head = f"# The study {saved.name} as it was run, every value written out.\n"
    return head + OmegaConf.to_yaml(OmegaConf.create(config))


def claims_path(study: str) -> Path:
    """Return where, beside the config that repeats a study, its own claims lie."""
    return Path("claims") / f"{study}.yaml"


def claims_yaml(saved: SavedStudy) -> str:
    """Return a study's own claims as a file."""
    return OmegaConf.to_yaml(OmegaConf.create(saved.plan.claims))


def _facts(saved: SavedStudy) -> tuple[tuple[str, str], ...]:
    design = saved.design
    seconds: dict[str, float] = {}
    times = []
    for run in saved.runs.values():
        made = run.manifest.provenance
        seconds[run.kind] = seconds.get(run.kind, 0.0) + made.seconds
        times += [made.began, made.ended]
    statuses = ", ".join(f"{count} {status}" for status, count in status_counts(saved.places).items())
    notes = [note for run in saved.runs.values() if run.imported_name for note in run.manifest.provenance.notes]
    elsewhere = "; ".join(dict.fromkeys(note for note in notes if note.startswith("imported as ")))
    facts = {
        "Dataset": dataset_label(design.written["dataset"]),
        "Blocks": f"{saved.blocks}, each one teacher per strategy",
        "Imported teachers": f"{elsewhere}; one teacher in all blocks" if elsewhere else "",
        "Students per teacher": str(design.students_per_teacher),
        "Distillation": _distillation(design.distillation),
        "Teachers and students": f"{statuses or 'none'}, of {len(saved.places)}",
        "Stages": f"{len(saved.runs)} of {len(saved.plan.stages)} done",
        "Computing time": ", ".join(f"{kind} {duration(total)}" for kind, total in seconds.items()),
        "All together": duration(sum(seconds.values())),
        "Between": f"{min(times)} and {max(times)}" if times else "",
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _distillation(how: SavedDistillation) -> str:
    words = [f"T = {how.temperature:g}", f"alpha = {how.alpha:g}"]
    words += [f"label weight = {how.label_weight:g}"] if how.label_weight is not None else []
    words += [f"mixed labels: {how.mixed_labels}"] if how.mixed_labels != "mixed" else []
    words += [f"inputs: {how.inputs}"] if how.inputs != "augmented" else []
    return ", ".join(words)


def _environments(saved: SavedStudy) -> tuple[tuple[tuple[str, str], ...], ...]:
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for place in saved.places:
        if place.run is not None:
            counts[_environment(place.run.manifest.provenance)] += 1
    return tuple((*made, ("runs", str(count))) for made, count in counts.most_common())


def _environment(made: RunProvenance) -> tuple[tuple[str, str], ...]:
    own = {"git commit": made.git_commit, "device": made.device, "hardware": made.hardware, "precision": made.precision}
    threads = "" if made.threads is None else str(made.threads)
    return (*((name, value) for name, value in own.items() if value), ("threads", threads), *made.versions.items())


def _arms(saved: SavedStudy) -> tuple[ArmRecord, ...]:
    by_arm: dict[ArmKey, list[Place]] = {}
    for place in saved.places:
        by_arm.setdefault(place.arm, []).append(place)
    return tuple(
        ArmRecord(
            arm,
            f"{saved.name}-arm-{number}",
            arm_text(arm),
            _config_yaml(places[0].config),
            tuple(sorted(places, key=lambda p: (p.block, p.student_seed))),
        )
        for number, (arm, places) in enumerate(by_arm.items(), start=1)
    )


def _config_yaml(config: Mapping[str, Any]) -> str:
    """A job's config without what differs from run to run or from machine to machine."""
    kept = {key: value for key, value in config.items() if key not in NOT_RESULTS}
    kept["dataset"] = {key: value for key, value in kept["dataset"].items() if key not in ("root", "path")}
    kept["runtime"] = {"precision": config["runtime"]["precision"]}
    return OmegaConf.to_yaml(OmegaConf.create(kept))
