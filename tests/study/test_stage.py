"""One job of a study: what who runs it is given, what plan.json says of it."""

from dataclasses import replace

import pytest

from augdistill.study.plan import make_plan
from augdistill.study.stage import Stage
from composed import study


@pytest.fixture
def stage(tmp_path) -> Stage:
    return next(stage for stage in make_plan(study(tmp_path)).stages if stage.kind == "student")


def test_a_job_says_no_more_than_it_has_to(stage: Stage) -> None:
    assert [*stage.job] == ["kind", "config", "id"]
    assert replace(stage, wait=False).job["wait"] is False
    both = replace(stage, bank=(stage, replace(stage, id="f" * 64, folder="other")))
    assert [member["folder"] for member in both.job["bank"]] == [stage.folder, "other"]


def test_what_is_saved_tells_its_place_and_what_it_waits_for(stage: Stage) -> None:
    saved = stage.saved()
    assert (saved["id"], saved["folder"], saved["parents"]) == (stage.ref.id, stage.ref.folder, stage.parents)
    assert saved["arm"]["role"] in ("student", "control")
    assert saved["job"] == stage.job
