"""A study's evaluations under shift: one for each run and question, and a plan that is as it was without."""

from augdistill.study.plan import make_plan
from composed import study

WORDS = ("study.corruptions=[made]", "study.attacks=[{name: pgd, images: 50}]", "study.unknown=[noise]")


def test_each_run_is_asked_each_question_and_the_rest_of_the_plan_stays(tmp_path):
    plain, plan = (make_plan(study(tmp_path, *words)) for words in (("study.corruptions=[]",), WORDS))
    shifts = [stage for stage in plan.stages if stage.kind == "shift"]
    runs = [stage for stage in plan.stages if stage.kind in ("teacher", "student")]
    assert len(shifts) == 3 * len(runs)
    assert {stage.arm["test_set"] for stage in shifts} == {
        "digits-test+made-corruptions",
        "digits-test+pgd",
        "digits-test+unknown-noise",
    }
    assert [stage.saved() for stage in plan.stages if stage.kind != "shift"] == [s.saved() for s in plain.stages]


def test_the_control_of_a_block_is_attacked_for_all_of_it(tmp_path):
    plan = make_plan(study(tmp_path, *WORDS))
    by_id = {stage.id: stage for stage in plan.stages}
    seen: set[str] = set()
    for stage in plan.stages:
        assert seen.issuperset(stage.parents)
        seen.add(stage.id)
        if stage.kind != "shift" or not stage.arm["test_set"].endswith("+pgd"):
            continue
        sources = [by_id[parent] for parent in stage.parents[1:]]
        if not sources:
            assert stage.arm["role"] == "control"
            continue
        assert [source.folder for source in sources] == [stage.config.source]
        assert (sources[0].arm["role"], sources[0].arm["block"]) == ("control", stage.arm["block"])
