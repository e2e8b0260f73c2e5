"""The plan of a study: what it holds, what is shared, in which order, and how fast it is made."""

from pathlib import Path

import pytest

from augdistill.base.errors import ConfigError, HeldError, RequestError
from augdistill.config.checking import check
from augdistill.stages import run_job
from augdistill.store.runs import RunStore
from augdistill.study import arms
from augdistill.study.plan import make_plan
from composed import study


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("plan")


def stages(plan, kind: str, **arm) -> list:
    return [s for s in plan.stages if s.kind == kind and all(s.arm[key] == value for key, value in arm.items())]


def test_an_ensembles_students_wait_for_all_its_teachers_and_are_named_as_alone(outputs):
    plan = make_plan(study(outputs, "study.teachers=[[baseline,cutmix]]", "study.blocks=2"))
    plain = make_plan(study(outputs, "study.blocks=2"))
    more = {stage.id: stage for stage in plan.stages if stage.id not in {other.id for other in plain.stages}}
    assert {stage.kind for stage in more.values()} == {"student", "evaluation", "shift"}
    students = stages(plan, "student", teacher_aug="ensemble-baseline-cutmix")
    assert len(students) == 2 * 2
    for stage in students:
        block = stage.arm["block"]
        both = ("baseline", "cutmix")
        members = {one.id for aug in both for one in stages(plan, "outputs", teacher_aug=aug, block=block)}
        assert {*stage.parents} == members
        names = stage.config.distillation.teachers
        assert [*names] == sorted(t.folder for aug in ("baseline", "cutmix")
                                  for t in stages(plan, "teacher", teacher_aug=aug, block=block))  # fmt: skip
    with pytest.raises(ConfigError, match=r"study\.teachers=.*members of an ensemble are of study\.aug"):
        study(outputs, "study.teachers=[[baseline,rotation]]")


def test_every_teacher_student_and_control_is_there_once(outputs):
    plan = make_plan(study(outputs, "study.students_per_teacher=2"))
    assert len(stages(plan, "teacher")) == 5 * 3
    assert len(stages(plan, "outputs")) == 5 * 3
    assert len(stages(plan, "student", role="student")) == 5 * 3 * 2 * 2
    assert len(stages(plan, "student", role="control")) == 3 * 2 * 2
    assert len(stages(plan, "evaluation")) == 15 + 60 + 12
    assert len({stage.id for stage in plan.stages}) == len(plan.stages)


def test_student_seeds_are_the_same_under_every_strategy_and_in_the_control(outputs):
    plan = make_plan(study(outputs, "study.students_per_teacher=2"))
    for block in range(3):
        for aug in ("baseline", "cutmix", "labels"):
            students = stages(plan, "student", model="lenet", teacher_aug=aug, block=block)
            assert [s.job["config"]["seed"] for s in students] == [2 * block, 2 * block + 1]
            if aug != "labels":
                assert {s.job["config"]["teacher_seed"] for s in students} == {block}


def test_parents_come_first_and_are_all_there(outputs):
    plan = make_plan(study(outputs))
    seen: set[str] = set()
    for stage in plan.stages:
        assert seen.issuperset(stage.parents), stage.folder
        seen.add(stage.id)


def test_more_blocks_repeat_nothing(outputs):
    few = {stage.id for stage in make_plan(study(outputs, "study.costs=false")).stages}
    many = {stage.id for stage in make_plan(study(outputs, "study.costs=false", "study.blocks=5")).stages}
    assert few < many
    assert len(many) * 3 == len(few) * 5


def test_a_search_in_another_block_shares_no_seed(outputs):
    known = {stage.id for stage in make_plan(study(outputs)).stages}
    search = {stage.id for stage in make_plan(study(outputs, "study.first_block=1000")).stages if stage.kind != "costs"}
    assert not known & search


def test_matching_students_see_the_strategies_of_their_teacher_and_of_all_under_the_baseline(outputs):
    plan = make_plan(study(outputs, "study.blocks=1", "study.student_aug=[baseline,matching]"))
    own = {
        aug: sorted(s.arm["student_aug"] for s in stages(plan, "student", model="lenet", teacher_aug=aug))
        for aug in ("baseline", "cutmix", "labels")
    }
    everything = ["baseline", "cutmix", "cutout", "flip-crop", "mixup"]
    assert own == {"baseline": everything, "cutmix": ["baseline", "cutmix"], "labels": everything}


def test_a_grid_varies_students_shares_teachers_and_does_not_repeat_the_main_arm(outputs):
    grid = "study.grids=[{distillation.temperature: [1, 20], distillation.alpha: [0.5]}]"
    plan = make_plan(study(outputs, "study.blocks=1", grid))
    assert len(stages(plan, "teacher")) == 5
    variants = {s.arm["variant"] for s in stages(plan, "student", role="student")}
    assert variants == {"", "distillation.temperature=1,distillation.alpha=0.5"}
    assert len(stages(plan, "student", role="control")) == 2  # labels alone know no temperature
    hot, cold = (f"distillation.temperature={value},distillation.alpha=0.5" for value in (20, 1))
    assert {place["variant"] for place in plan.shared if place["role"] == "student"} == {hot}
    assert {place["variant"] for place in plan.shared if place["role"] == "control"} == {hot, cold}
    assert {place["stands_at"] for place in plan.shared} == {""}


def test_rescaling_to_the_baseline_waits_for_its_outputs(outputs):
    plan = make_plan(study(outputs, "study.blocks=1", "study.grids=[{distillation.transform: [rescale]}]"))
    by_id = {stage.id: stage for stage in plan.stages}
    rescaled = stages(plan, "student", variant="distillation.transform=rescale", model="lenet")
    assert [stage.arm["teacher_aug"] for stage in rescaled] == ["flip-crop", "cutout", "mixup", "cutmix"]
    for student in rescaled:
        parents = [by_id[id] for id in student.parents]
        assert [parent.kind for parent in parents] == ["outputs", "outputs"]
        assert [parent.arm["teacher_aug"] for parent in parents] == [student.arm["teacher_aug"], "baseline"]
    assert len(stages(plan, "teacher")) == 5


def test_the_stages_of_a_study_that_does_not_wait_do_not_wait(outputs):
    stage = make_plan(study(outputs, "study=tiny", "wait=false")).stages[0]
    with RunStore(outputs).lock(stage.ref), pytest.raises(HeldError, match=f"{stage.folder} is held by .* pid "):
        run_job(stage.job)
    assert "wait" not in make_plan(study(outputs, "study=tiny")).stages[0].job


def test_a_study_without_the_baseline_trains_it_where_logits_are_rescaled_to_it(outputs):
    words = ("study.blocks=1", "study.aug=[cutmix]", "study.base=cutmix", "study.distillation.transform=rescale")
    plan = make_plan(study(outputs, *words))
    assert [stage.arm["teacher_aug"] for stage in stages(plan, "teacher")] == ["cutmix", "baseline"]
    assert {stage.arm["teacher_aug"] for stage in stages(plan, "student", role="student")} == {"cutmix"}


def test_a_grid_over_a_strategy_changes_the_teachers_that_have_it(outputs):
    grid = "study.grids=[{aug.ops.mixup.labels: [hard], aug.ops.cutmix.labels: [hard]}]"
    plan = make_plan(study(outputs, "study.blocks=1", grid))
    name = "aug.ops.mixup.labels=hard,aug.ops.cutmix.labels=hard"
    for kind in ("teacher", "student"):
        varied = {stage.arm["teacher_aug"] for stage in stages(plan, kind, variant=name)}
        assert varied == {"mixup", "cutmix"}
    labels = {
        stage.arm["variant"]: stage.job["config"]["aug"]["ops"]["mixup"]["labels"]
        for stage in stages(plan, "teacher", teacher_aug="mixup")
    }
    assert labels == {"": "soft", name: "hard"}


def test_an_untrained_teachers_outputs_are_told_from_the_trained_ones(outputs):
    plan = make_plan(study(outputs, "study.blocks=1", "study.grids=[{distillation.teacher_weights: [untrained]}]"))
    places = [(stage.arm["teacher_aug"], stage.arm["variant"]) for stage in stages(plan, "outputs")]
    assert len(places) == len(set(places)) == 10


def test_a_grid_over_the_rate_varies_the_control_too(outputs):
    plan = make_plan(study(outputs, "study.blocks=1", "study.grids=[{optim.lr_factor: [0.5, 2]}]"))
    rates = {s.job["config"]["optim"]["lr"] for s in stages(plan, "student", role="control", model="lenet")}
    assert rates == {0.025, 0.05, 0.1}


def test_a_strategy_that_is_not_there_is_refused(outputs):
    with pytest.raises(ConfigError, match="cutmx"):
        make_plan(study(outputs, "study.aug=[baseline,cutmx]"))


def test_a_test_set_that_is_not_there_is_skipped_and_named(outputs):
    nowhere = f"study.dataset.root={outputs}"
    plan = make_plan(study(outputs, "study.dataset.test_sets=[digits,mnist]", "study.blocks=1", nowhere))
    assert list(plan.skipped) == ["mnist-test"]
    assert {s.arm["test_set"] for s in stages(plan, "evaluation")} == {"digits-test"}


@pytest.mark.slow
def test_ten_thousand_stages_are_planned_with_as_many_checks_as_forty(outputs, monkeypatch):
    checked = []
    monkeypatch.setattr(arms, "check", lambda kind, config: checked.append(kind) or check(kind, config))
    few = len(make_plan(study(outputs, "study.costs=false", "study.blocks=1")).stages), len(checked)
    plan = make_plan(study(outputs, "study.costs=false", "study.blocks=257"))
    assert len(plan.stages) == 257 * few[0] > 10_000
    assert len(checked) == 2 * few[1]


def test_a_name_that_is_taken_by_another_plan_is_refused_and_more_of_the_same_design_is_not(tmp_path):
    def plan(*words):
        return make_plan(study(tmp_path, "study=tiny", *words))

    folder = tmp_path / "studies" / "tiny"
    plan().save(folder, "augdistill study study=tiny")
    first = (folder / "plan.json").read_bytes()
    taken = (
        r"the name tiny is taken by another plan \(study\.students\.lenet\.optim\.epochs was .*: add study\.name=NAME"
    )
    with pytest.raises(RequestError, match=taken):
        plan("study.students.lenet.optim.epochs=7").save(folder)
    assert (folder / "plan.json").read_bytes() == first
    plan("study.blocks=3").save(folder)
    plan("study.aug=[baseline,mixup,cutmix,cutout]").save(folder)
    (folder / "plan.json").write_text("{")
    plan("study.students.lenet.optim.epochs=7").save(folder)


def test_trackers_are_told_of_what_trains_and_change_no_plan(outputs):
    plain, told = (make_plan(study(outputs, "study.blocks=1", *words)) for words in ((), ("tracker=[wandb,mlflow]",)))
    assert [stage.id for stage in told.stages] == [stage.id for stage in plain.stages]
    assert not any("trackers" in stage.job for stage in plain.stages)
    hear = {stage.kind: stage.job.get("trackers") for stage in told.stages}
    both = ["wandb", "mlflow"]
    silent = dict.fromkeys(("outputs", "evaluation", "shift", "costs"))
    assert hear == {"teacher": both, "student": both, **silent}
