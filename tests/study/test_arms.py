"""The arms of a study and the cells of its grids: which there are, how they are called, what each changes."""

from itertools import pairwise

import pytest

from augdistill.base.errors import ConfigError
from augdistill.study.arms import count_students, student_augs, student_jobs, variant_name, variants, with_value
from composed import study

GRIDS = (
    "study.grids=[{distillation.temperature: [1, 5], distillation.alpha: [0.5]}, {optim.lr_factor: [2]},"
    "{aug.ops.cutmix.prob: [0.25]}]"
)
NAMES = [
    "",
    "distillation.temperature=1,distillation.alpha=0.5",
    "distillation.temperature=5,distillation.alpha=0.5",
    "optim.lr_factor=2",
    "aug.ops.cutmix.prob=0.25",
]


def test_the_cells_of_grids_are_products_after_the_main_arm(tmp_path):
    cells = variants(study(tmp_path, "study=tiny", GRIDS).study)
    assert [variant_name(cell) for cell in cells] == NAMES
    assert cells[2] == {"distillation.temperature": 5, "distillation.alpha": 0.5}


def test_every_cell_changes_its_own_values_of_the_arms_that_have_them(tmp_path):
    config = study(tmp_path, "study=tiny", "study.blocks=2", GRIDS)
    jobs = list(student_jobs(config, {}))
    assert len(jobs) == 2 * 5 * 3 <= count_students(config.study)  # blocks, cells, controls and two strategies
    assert all(a.arm["block"] <= b.arm["block"] for a, b in pairwise(jobs))  # a study grows by whole blocks
    by_place = {(job.arm["block"], job.arm["teacher_aug"], job.arm["variant"]): job for job in jobs}
    main, soft, fast, rare = (by_place[0, "cutmix", name].config for name in (NAMES[0], NAMES[1], NAMES[3], NAMES[4]))
    assert (soft.distillation.temperature, soft.distillation.alpha) == (1, 0.5)
    assert fast.optim.lr == 2 * main.optim.lr
    assert rare.aug.ops["cutmix"].prob == 0.25 != main.aug.ops["cutmix"].prob
    assert by_place[0, "baseline", NAMES[4]].config == by_place[0, "baseline", ""].config
    assert {by_place[0, "labels", name].config.distillation.alpha for name in NAMES} == {0.0}
    assert {(job.config.seed, job.config.teacher_seed) for job in jobs} == {(0, 0), (1, 1)}
    assert {job.teacher_variant for job in jobs} == {"", NAMES[4]}  # the rest leaves teachers as they are


def test_arms_have_values_of_their_own_over_which_cells_stand(tmp_path):
    own = "++study.arms={cutmix: {optim: {lr: 0.03, epochs: 7}}, labels: {optim.lr: 0.04}, mixup: {optim.lr: 9}}"
    jobs = student_jobs(study(tmp_path, "study=tiny", own, "study.grids=[{optim.lr: [0.5]}]"), {})
    found = {(job.arm["teacher_aug"], job.arm["variant"]): job.config.optim for job in jobs}
    main = study(tmp_path, "study=tiny").study.students["lenet"].optim
    assert found["baseline", ""] == main
    assert found["cutmix", ""] == main.model_copy(update={"lr": 0.03, "epochs": 7})
    assert found["labels", ""] == main.model_copy(update={"lr": 0.04})
    assert (found["cutmix", "optim.lr=0.5"].lr, found["cutmix", "optim.lr=0.5"].epochs) == (0.5, 7)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("{mixap: {}}", r"^study\.arms\.mixap is unknown \(did you mean mixup\?\): choose one of"),
        ("{mixup: 3}", r"^study\.arms\.mixup=3 is out of range: a group of keys, as in 'study\.arms\.mixup=\{optim: "),
        ("{cutmix: {optim.lri: 1}}", r"^study\.arms\.cutmix: optim\.lri is not a config key \(did you mean lr\?\)"),
        ("{cutmix: {optm.lr: 1}}", r"^study\.arms\.cutmix: its first word=optm is unknown"),
        (
            "{cutmix: {optim: {select: best}}}",
            r"^study\.arms\.cutmix: optim\.select=best is unknown: choose one of last,",
        ),
    ],
)
def test_values_of_arms_that_cannot_be_are_refused(own, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        list(student_jobs(study(tmp_path, "study=tiny", f"++study.arms={own}"), {}))


def test_no_arm_has_a_teacher_of_its_own_where_others_are_rescaled_to_it(tmp_path):
    words = ("study=tiny", "study.distillation.transform=rescale", "++study.arms={baseline: {teacher_optim.epochs: 3}}")
    with pytest.raises(
        ConfigError, match=r"rescale: the baseline's teacher differs in teacher_optim\.epochs, too: give"
    ):
        list(student_jobs(study(tmp_path, *words), {}))
    assert list(student_jobs(study(tmp_path, *words, "study.distillation.sd=3.0"), {}))


def test_matching_is_the_teachers_own_strategy_where_it_has_one(tmp_path):
    asked = study(tmp_path, "study=tiny", "study.student_aug=[baseline,matching]").study
    assert student_augs(asked, "cutmix") == ["baseline", "cutmix"]
    assert student_augs(asked, "baseline") == student_augs(asked, "labels") == ["baseline", "cutmix"]
    assert student_augs(study(tmp_path, "study=tiny").study, "cutmix") == ["baseline"]


def test_a_value_is_replaced_in_a_copy():
    config = {"optim": {"lr": 0.1, "epochs": 2}, "seed": 0}
    assert with_value(config, ["optim", "lr_factor"], 0.5) == {"optim": {"lr": 0.05, "epochs": 2}, "seed": 0}
    assert with_value(config, ["optim", "epochs"], 3)["optim"] == {"lr": 0.1, "epochs": 3}
    assert config == {"optim": {"lr": 0.1, "epochs": 2}, "seed": 0}
    with pytest.raises(ConfigError, match=r"lr_factor=x is not what it must be|lr_factor=x is out of range"):
        with_value(config, ["optim", "lr_factor"], "x")
    with pytest.raises(ConfigError, match="there is no x below 0, which is no group of keys"):
        with_value(config, ["seed", "x"], 1)


@pytest.mark.parametrize(
    "override",
    [
        "study.grids=[{distilation.alpha: [1]}]",
        "study.grids=[{optim.lr: [-1]}]",
        "study.grids=[{aug.ops.mixap.labels: [hard]}]",
        "study.grids=[{aug.ops.mixup.label: [hard]}]",
        "study.grids=[{teacher_optim.stop_accuracy: [0.5]}]",
    ],
)
def test_a_grid_of_what_cannot_be_is_refused(override, tmp_path):
    with pytest.raises(ConfigError, match=r"^study\.grids, the cell "):
        list(student_jobs(study(tmp_path, "study.blocks=1", override), {}))
