"""The data of a study: which test sets are there, and one stage for each name."""

import saved_studies
from augdistill.store.identity import Ref
from augdistill.study.plan import make_plan
from augdistill.study.sets import TestSets
from composed import study

RUN = Ref("teacher", "a" * 64, "teacher-digits-lenet-baseline-s0-aaaaaaaa", {})


def test_a_test_set_that_is_not_there_is_missing_with_its_reason(tmp_path) -> None:
    data = saved_studies.write_data(tmp_path / "data")
    words = ("study=cifar10-small", f"study.dataset.root={data}", "study.dataset.verify=false")
    before = TestSets(study(tmp_path, *words)).missing
    (data / "cifar-10h" / "cifar10h-probs.npy").unlink()
    sets = TestSets(study(tmp_path, *words))
    assert set(sets.missing) - set(before) == {"cifar10h"}
    assert "cifar10h-probs.npy" in sets.missing["cifar10h"]
    assert set(sets.found) == {"cifar10", "cinic10"}


def test_a_run_has_one_stage_and_its_evaluations_once(tmp_path) -> None:
    config = study(tmp_path)
    sets, stages = TestSets(config), {}
    arm = {"role": "teacher", "variant": ""}
    first = sets.add(stages, RUN, config.study, (), 2, arm)
    assert sets.add(stages, RUN, config.study, ("b",), 1, {}) is first
    assert not sets.is_evaluated(RUN)
    assert not sets.is_evaluated(None)
    assert sets.known_as(RUN) is RUN  # but of images of one's own, whose folders may have another label
    assert sets.refs(RUN, "fp32") is sets.refs(RUN, "fp32")
    assert {ref.kind for ref in sets.refs(RUN, "fp32").values()} == {"evaluation"}


def test_a_place_whose_run_stands_elsewhere_is_noted_once(tmp_path) -> None:
    sets, stages = TestSets(study(tmp_path)), {}
    place = {"role": "control", "model": "lenet", "teacher_aug": "labels", "student_aug": "baseline", "variant": "T=4"}
    stage = sets.add(stages, RUN, sets.study, (), 1, {**place, "variant": ""})
    for variant in ("T=4", "T=4", ""):
        sets.share({**place, "variant": variant}, stage)
    assert list(sets.shared) == [("control", "lenet", "labels", "baseline", "T=4", "")]


def test_each_network_is_measured_once_after_all_else(tmp_path) -> None:
    words = ("study=quickstart", "study.blocks=2", "study.corruptions=[]")
    plan, plain = (make_plan(study(tmp_path, *words, f"study.costs={asked}")) for asked in ("true", "false"))
    assert [stage.saved() for stage in plan.stages[:-3]] == [stage.saved() for stage in plain.stages]
    by_id = {stage.id: stage for stage in plan.stages}
    for stage, model in zip(plan.stages[-3:], ("lenet", "resnet9", "alexnet-small"), strict=True):
        assert (stage.kind, stage.arm["role"], stage.arm["model"], stage.threads) == ("costs", "costs", model, 1)
        (parent,) = stage.parents
        assert by_id[parent].folder == stage.config.run
        assert by_id[parent].arm["model"] == model
