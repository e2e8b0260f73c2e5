"""What the networks of a study cost to run, as a stage of it measured each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augdistill.results.frame import ArmKey
from augdistill.store.documents import CostsManifest
from augdistill.store.identity import costs_ref

if TYPE_CHECKING:
    from augdistill.results.study import SavedStudy


@dataclass(frozen=True)
class NetworkCosts:
    """One network of a study: what it costs, and the arms that have it where it first stands: in which variant, with
    which augmentation of the students' own."""

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
    measured: dict[str, CostsManifest] = {}
    for place in saved.places:
        if place.run is None:
            continue
        ref = costs_ref(place.run.config, place.run.manifest.document.data)
        if ref.id not in arms and (run := saved.store.find(ref)) is not None:
            assert isinstance(run.manifest, CostsManifest)
            measured[ref.id] = run.manifest
        arms.setdefault(ref.id, {})[place.arm] = None
    found = []
    for id, manifest in measured.items():
        role, model, _, student_aug, variant = next(iter(arms[id]))
        own = tuple(arm for arm in arms[id] if arm[3:] == (student_aug, variant))
        found.append(NetworkCosts("teacher" if role == "teacher" else "student", model, variant, manifest, own))
    return sorted(found, key=lambda one: one.role != "teacher")
