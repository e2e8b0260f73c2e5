"""What a network costs is measured once for all runs of it, and is the same whatever its weights."""

import pytest

from augdistill.base.errors import RunError
from augdistill.config.jobs import CostsConfig
from augdistill.models import costs as measuring
from augdistill.stages import costs, run_job
from augdistill.store.documents import CostsManifest
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.identity import costs_ref
from composed import changed


def test_a_network_is_measured_once(subjects, monkeypatch):
    monkeypatch.setattr(measuring, "MOST_TIMES", 5)
    run = subjects["control"]
    config = CostsConfig(run=run.path.name, outputs=str(run.path.parents[1]))
    made = run_job({"kind": "costs", "config": config.plain()})
    says = made.manifest
    assert isinstance(says, CostsManifest)
    # digits are 16 x 16 of one channel: two convolutions of 5 x 5, then 16 x 1 x 1 -> 120 -> 84 -> 10
    assert says.parameters == 6 * 26 + 16 * 151 + 17 * 120 + 121 * 84 + 85 * 10
    assert says.macs == 12 * 12 * 6 * 25 + 2 * 2 * 16 * 150 + 16 * 120 + 120 * 84 + 84 * 10
    assert says.bytes == (run.path / WEIGHTS).stat().st_size
    assert 0 < says.latency_p50 <= says.latency_p99
    assert says.images_per_second > 0
    assert (says.provenance.device, says.provenance.precision, says.provenance.threads) == ("cpu", "fp32", 1)
    again = costs.run(config)
    assert (again.id, again.manifest.provenance.ended) == (made.id, says.provenance.ended)


def test_a_name_is_that_of_the_network_alone(subjects):
    control, teacher = (subjects[name] for name in ("control", "teacher"))
    data = control.manifest.document.data
    ref = costs_ref(control.config, data)
    same = changed(control.config, {"seed": 5, "optim.epochs": 9, "distillation.alpha": 0.5})
    assert costs_ref(same, data).id == ref.id
    others = [costs_ref(control.config, "other images"), costs_ref(teacher.config, data)]
    others.append(costs_ref(changed(teacher.config, {"teacher.width": 8}), data))
    assert len({one.id for one in (ref, *others)}) == 4


def test_what_holds_no_model_has_no_costs(subjects):
    run = subjects["control"]
    with pytest.raises(RunError, match="no run is called"):
        costs.run(CostsConfig(run="nobody", outputs=str(run.path.parents[1])))
