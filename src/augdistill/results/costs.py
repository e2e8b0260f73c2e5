"""What the networks of a study cost to run, as a stage of it measured each."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augdistill.results.frame import ArmKey
from augdistill.store.documents import CostsManifest
from augdistill.store.plans import CostsStage
from augdistill.store.runs import Run

if TYPE_CHECKING:
    from augdistill.results.study import SavedStudy


@dataclass(frozen=True)
class NetworkCosts:
    """One network of a study: what it costs, and the arms that have it where it first stands.

    That is in one variant, with one augmentation of the students' own.
    """

    role: str
    model: str
    variant: str
    manifest: CostsManifest
    arms: tuple[ArmKey, ...]

    @property
    def hardware(self) -> str:
        return self.manifest.provenance.hardware or "an unknown machine"


def network_costs(saved: "SavedStudy") -> list[NetworkCosts]:
    """Return the networks of a study that were measured, in the order of its plan, the teachers' first."""
    arms: dict[str, dict[ArmKey, None]] = {}
    for place in saved.places:
        if place.run is not None:
            arms.setdefault(network_of(place.run), {})[place.arm] = None
    found = []
    for stage in saved.plan.stages:
        run = saved.runs.get(stage.folder)
        if not isinstance(stage, CostsStage) or run is None or stage.about not in saved.runs:
            continue
        assert isinstance(run.manifest, CostsManifest)
        having = arms[network_of(saved.runs[stage.about])]
        role, model, _, student_aug, variant = next(iter(having))
        own = tuple(arm for arm in having if arm[3:] == (student_aug, variant))
        found.append(NetworkCosts("teacher" if role == "teacher" else "student", model, variant, run.manifest, own))
    return sorted(found, key=lambda one: one.role != "teacher")


def network_of(run: Run) -> str:
    """Return what of a run's identity tells its network, which is the same for all runs of it."""
    made_by = run.manifest.document.config
    imported = {key: made_by.get("imported", {}).get(key) for key in ("architecture", "parameters", "size")}
    return json.dumps([made_by.get("model"), imported], sort_keys=True)
