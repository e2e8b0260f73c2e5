"""Identity: what must change a run's name, what must not, and that names do not change by accident."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import core
from augdistill.config.checking import check
from augdistill.config.groups import Dataset, Optim, Runtime
from augdistill.store import identity
from augdistill.store.identity import Ref, evaluation_ref, outputs_ref, student_ref, teacher_of, teacher_ref
from composed import changed, replaced

DATA = "0123456789abcdef"
OPTIM = {"epochs": 5, "lr": 0.1, "milestones": [2, 4]}
TEACHER: dict[str, Any] = {
    "seed": 3,
    "outputs": "outputs",
    "dataset": {"name": "digits", "size": 16, "test_sets": ["digits"]},
    "aug": {"ops": {"flip-crop": {"flip": 0.5, "padding": 0.125}, "cutmix": {"alpha": 1.0}}},
    "teacher": {"name": "resnet18", "width": 4},
    "optim": OPTIM,
    "runtime": {"precision": "fp32"},
}
STUDENT: dict[str, Any] = {
    **{key: TEACHER[key] for key in ("seed", "outputs", "dataset", "aug", "teacher", "runtime")},
    "teacher_optim": OPTIM,
    "teacher_seed": 3,
    "student": {"name": "lenet"},
    "student_aug": {"ops": {}},
    "distillation": {"alpha": 0.5, "temperature": 20},
    "optim": {"epochs": 4, "lr": 0.05, "clip_norm": 2.0},
}
MIXUP = {"ops": {"mixup": {"alpha": 1.0}}}
EVERY_VALUE = {"ops": {"mixup": {"alpha": 0.5}, "cutmix": {"prob": 1.0, "scope": "sample"}}}


def teacher_id(fingerprint: str = DATA, **changes: Any) -> str:
    return teacher_ref(check("teacher", replaced(TEACHER, changes)), fingerprint).id


def student(base: dict[str, Any] | None = None, **changes: Any) -> Ref:
    return student_ref(check("student", replaced(replaced(STUDENT, base or {}), changes)), DATA)


def test_names_are_those_recorded_when_this_test_was_written() -> None:
    # A change here means that runs made before are no longer found: raise identity.VERSIONS if that is meant.
    teacher = teacher_ref(check("teacher", TEACHER), DATA)
    assert teacher.id == "9271d60119106ca49c7b8e323c78fa37054441efe4a705977886344279258382"
    assert student().id == "dc40d0b858af6359e81bf9609931c60e820d47369ca1e9425769e8e476ac47a3"
    assert student(distillation={"alpha": 0}).id == "d983656d7bfa19dcd9cb204691f3fa03dfaa7344b162ec347f7409c2efd186bc"
    assert (
        outputs_ref(teacher, check("student", STUDENT), DATA).id
        == "6dec03902205c2f89749b09436e6260f3b3cd304e8ebfba518060cd80a01a1ed"
    )
    assert (
        evaluation_ref(teacher, "digits-test", {"normalisation": "training"}, DATA).id
        == "838351530ad54eeebe74928f78adf8f0cafaad6a3749642653b7d88e02ea55b2"
    )
    assert teacher.folder == f"teacher-digits-resnet18-flip-crop+cutmix-s3-{teacher.id[:8]}"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"student_aug": EVERY_VALUE, "distillation.view": "clean"}, "228698d27050e137338fb557ed2ad212"),
        ({"distillation": {"temperature": 20, "transform": "rescale", "sd": 2}}, "9911332e814907f42ce5742ea0b7c555"),
        (
            {"distillation": {"temperature": 20, "transform": "zscore", "teacher_weights": "untrained"}},
            "ff43e4e6c503b89918cb7688c2576116",
        ),
    ],
    ids=["view", "rescale", "zscore"],
)
def test_names_of_students_are_those_recorded_before_fields_were_added(changes: dict[str, Any], name: str) -> None:
    aug = {"aug": EVERY_VALUE, "distillation.temperature": 4} if "student_aug" in changes else {}
    assert student(aug, **changes).id.startswith(name)


def test_names_of_teachers_are_those_recorded_before_fields_were_added() -> None:
    # With a validation split and no statistics given these are measured anew: such runs were once called otherwise.
    changes = {"aug": EVERY_VALUE, "optim.schedule": "multistep", "dataset.validation": 100}
    teacher = teacher_ref(check("teacher", replaced(TEACHER, changes)), DATA)
    assert teacher.id.startswith("50ca92b3badca6a54b5e01042bf5791f")
    assert outputs_ref(teacher, check("student", STUDENT), DATA).id.startswith("aeac01cc94802a43d30224c5cba7deae")
    made_by = {"precision": "fp32", "normalisation": "own"}
    assert evaluation_ref(teacher, "cinic10", made_by, DATA).id.startswith("41acb4cf4cb6516e9510313f55910e92")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"validation": 100, "mean": [0.5], "std": [0.25]}, "ed6e6295e13b63bec9833b72e8e2fe5c"),
        (
            {"name": "image-folder", "size": 32, "channels": 3, "test_sets": ["image-folder"]},
            "61f1089e8e0481c1cf86a758b4e2b392",
        ),
    ],
    ids=["statistics-given", "image-folder"],
)
def test_names_of_data_are_those_recorded_before_fields_were_added(changes: dict[str, Any], name: str) -> None:
    known = {"dataset": changes if "name" in changes else {**TEACHER["dataset"], **changes}}
    assert teacher_id(**known).startswith(name)


def test_it_is_the_sha256_of_canonical_json() -> None:
    ref = teacher_ref(check("teacher", TEACHER), DATA)
    text = json.dumps(ref.document, sort_keys=True, separators=(",", ":"))
    assert ref.id == hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(text) == ref.document
    assert ref.document["config"]["aug"] == [
        ["flip-crop", {"flip": 0.5, "padding": 0.125}],
        ["cutmix", {"alpha": 1.0, "prob": 0.5, "scope": "batch"}],
    ]


CHANGES_A_TEACHER = [
    {"seed": 4},
    {"dataset": {"name": "mnist"}},
    {"dataset.size": 32},
    {"dataset.channels": 3},
    {"dataset.validation": 100},
    {"dataset.mean": [0.5], "dataset.std": [0.5]},
    {"dataset.mean": [0.4], "dataset.std": [0.5]},
    {"dataset.mean": [0.5], "dataset.std": [0.4]},
    {"aug": {"ops": {}}},
    {"aug": {"ops": {"cutmix": {}}}},
    {"aug": {"ops": {"cutmix": {}, "flip-crop": {}}}},  # the same two the other way round
    {"aug": {"ops": {"flip-crop": {}, "cutmix": {"prob": 1.0}}}},
    {"aug": {"ops": {"flip-crop": {}, "cutmix": {"scope": "sample"}}}},
    {"teacher": {"name": "alexnet"}},
    {"teacher.width": 8},
    {"optim.epochs": 6},
    {"optim.batch_size": 64},
    {"optim.lr": 0.2},
    {"optim.momentum": 0.8},
    {"optim.nesterov": False},
    {"optim.weight_decay": 1e-4},
    {"optim.schedule": "constant"},
    {"optim.schedule": "multistep"},
    {"optim.schedule": "multistep", "optim.milestones": [3]},
    {"optim.schedule": "multistep", "optim.gamma": 0.2},
    {"optim.schedule": "one-cycle"},
    {"optim.schedule": "one-cycle", "optim.warmup_share": 0.3},
    {"optim.warmup_epochs": 1},
    {"optim.clip_norm": 2.0},
    {"optim.select": "best-test-accuracy"},
    {"optim.select": "best-test-loss"},
    {"optim.stop_accuracy": 0.5, "dataset.validation": 100},
    {"optim.stop_accuracy": 0.6, "dataset.validation": 100},
    {"aug": {"ops": {"flip-crop": {}, "cutmix": {"labels": "hard"}}}},
    {"aug": {"ops": {"mixup": {}}}},
    {"aug": {"ops": {"mixup": {"labels": "hard"}}}},
    {"runtime.precision": "bf16"},
    {"runtime.precision": "auto"},
    {"dataset.test_images": 898},
]
CHANGES_NOTHING = [
    {"outputs": "elsewhere"},
    {"dataset.root": "/elsewhere"},
    {"dataset.verify": False},
    {"dataset.test_sets": []},
    {"runtime.device": "cpu"},
    {"runtime.threads": 2},
    {"runtime.deterministic": True},
    {"runtime.checkpoint_every": "1epoch"},
    {"runtime.cuda_graphs": "true"},
    {"optim.milestones": [], "optim.gamma": 0.5, "optim.warmup_share": 0.3},  # without effect on a cosine schedule
]


def test_every_field_of_the_schema_is_in_one_of_the_two_lists() -> None:
    listed = {key for changes in CHANGES_A_TEACHER + CHANGES_NOTHING for key in changes} | {"dataset.name"}
    for group, schema in (("dataset", Dataset), ("optim", Optim), ("runtime", Runtime)):
        assert {f"{group}.{name}" for name in schema.model_fields} <= listed


def test_whatever_decides_a_teacher_changes_its_name() -> None:
    ids = [teacher_id(), teacher_id("another fingerprint"), *(teacher_id(**changes) for changes in CHANGES_A_TEACHER)]
    assert len(set(ids)) == len(ids)


def test_selection_by_test_accuracy_has_the_name_that_it_had_when_there_was_no_other() -> None:
    older, now = ({"optim.select": select} for select in ("best-test", "best-test-accuracy"))
    ref = teacher_ref(check("teacher", replaced(TEACHER, now)), DATA)
    assert ref.document["config"]["optim"]["select"] == "best-test"
    assert teacher_id(**older) == teacher_id(**now) == ref.id


def test_one_cycle_warms_up_by_its_share_alone() -> None:
    one_cycle = {"optim.schedule": "one-cycle"}
    assert teacher_id(**one_cycle) == teacher_id(**one_cycle, **{"optim.warmup_epochs": 2})


@pytest.mark.parametrize("changes", CHANGES_NOTHING, ids=str)
def test_where_and_how_a_run_is_made_changes_no_name(changes: dict[str, Any]) -> None:
    assert teacher_id(**changes) == teacher_id()
    assert student(changes).id == student().id


def test_the_folder_that_images_come_from_changes_no_name(tmp_path: Path) -> None:
    folder = {"name": "image-folder", "path": "/one", "size": 16, "test_sets": []}
    assert teacher_id(dataset=folder) == teacher_id(dataset={**folder, "path": "/two"})
    assert teacher_id(dataset=folder) != teacher_id(dataset={**folder, "size": 32})


def test_whatever_decides_a_student_changes_its_name() -> None:
    own = [
        {"seed": 4},
        {"student": {"name": "alexnet-small"}},
        {"student_aug": MIXUP},
        {"optim.lr": 0.1},
        {"optim.epochs": 5},
        {"optim.clip_norm": None},
        {"dataset.validation": 100},
        *({"distillation.alpha": value} for value in (0, 0.1, 1)),
        {"distillation.temperature": 4},
        {"distillation": {"alpha": 0.5, "temperature": 20, "loss": {"name": "kd", "reduction": "elementwise"}}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "loss": "dkd"}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "loss": {"name": "dkd", "beta": 2.0}}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "transform": "zscore"}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "transform": "class-mean"}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "transform": "rescale"}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "transform": "rescale", "sd": 2.0}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "transform": "rescale", "sd": 3.0}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "teacher_weights": "untrained"}},
        {"distillation": {"alpha": 9, "temperature": 20, "label_weight": 0.1}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "label_weight": 0.1}},
        {"distillation": {"alpha": 0.5, "temperature": 20, "mixed_labels": "none"}},
        {"runtime.precision": "bf16"},
    ]
    own += [
        {"student_aug": {"ops": {"mixup": {"alpha": 0.5}}}},
        {"student_aug": {"ops": {"mixup": {"labels": "hard"}}}},
        {"student_aug": {"ops": {"mixup": {}, "cutout": {}}}},
        {"student_aug": {"ops": {"cutout": {}, "mixup": {}}}},
    ]
    of_its_teacher = [{"teacher_seed": 4}, {"teacher_optim.lr": 0.2}, {"teacher.width": 8}, {"aug": {"ops": {}}}]
    views = [{"student_aug": MIXUP, "distillation.view": view} for view in ("clean", "independent")]
    shown = (("mixed_labels", "teacher-only"), ("mixed_labels", "none"), ("inputs", "both"))
    views += [{"student_aug": MIXUP, f"distillation.{key}": value} for key, value in shown]
    base = {"distillation": {"alpha": 0.5, "temperature": 20, "view": "same"}}
    ids = [student().id, *(student(base, **changes).id for changes in own + of_its_teacher + views)]
    assert len(set(ids)) == len(ids)


def test_kd_is_named_as_when_there_was_no_other_loss() -> None:
    made_by = student().document["config"]["distillation"]
    assert made_by["reduction"] == "batchmean"
    assert "loss" not in made_by
    other = student(distillation={"alpha": 0.5, "temperature": 20, "loss": "dkd"}).document["config"]["distillation"]
    assert other["loss"] == {"name": "dkd", "alpha": 1.0, "beta": 8.0}
    assert "reduction" not in other


def test_the_view_is_without_effect_where_the_student_sees_clean_images() -> None:
    views = [{"alpha": 0.5, "temperature": 20, "view": view} for view in ("same", "clean", "independent")]
    assert {student(distillation=view).id for view in views} == {student().id}


def test_weights_of_labels_that_change_nothing_change_no_name() -> None:
    plain = {"alpha": 0.5, "temperature": 20}
    assert student(distillation={**plain, "label_weight": 0.5}) == student(distillation=plain)
    without = student(distillation={**plain, "label_weight": 0})
    assert without == student(distillation={**plain, "mixed_labels": "none", "label_weight": 3})
    assert without != student(distillation=plain)
    for changes in ({"mixed_labels": "teacher-only"}, {"inputs": "both"}):  # without strategies of its own
        assert student(distillation={**plain, **changes}) == student(distillation=plain)
    labels, none = {"alpha": 0, "inputs": "both"}, {"alpha": 0, "label_weight": 9, "mixed_labels": "teacher-only"}
    assert student(distillation=none, student_aug=MIXUP) == student(distillation={"alpha": 0}, student_aug=MIXUP)
    assert student(distillation=labels, student_aug=MIXUP) != student(distillation={"alpha": 0}, student_aug=MIXUP)


def test_class_means_know_no_view() -> None:
    ids = {
        student(student_aug=MIXUP, distillation={"temperature": 20, "transform": "class-mean", "view": view}).id
        for view in ("same", "clean", "independent")
    }
    assert len(ids) == 1
    assert ids != {student(student_aug=MIXUP).id}


def test_rescaling_to_the_plain_teacher_makes_that_teacher_a_parent() -> None:
    to_plain = {"distillation": {"temperature": 20, "transform": "rescale"}}
    plain = teacher_ref(check("teacher", replaced(TEACHER, {"aug": {"ops": {}}})), DATA).id
    ref = student(to_plain)
    assert ref.document["parents"] == {**student().document["parents"], "reference": plain}
    to_number = {"distillation": {"temperature": 20, "transform": "rescale", "sd": 1.0}}
    assert student(to_number).document["parents"] == student().document["parents"]
    own = {"aug": {"ops": {}}}  # to its own s.d.: nothing changes, so it is the run that nothing was asked of
    assert student(to_plain, **own) == student(own)
    untrained = {**own, "distillation.teacher_weights": "untrained"}
    assert student(to_plain, **untrained).document["parents"] == {"teacher": plain, "reference": plain}


def test_a_run_on_labels_alone_has_no_teacher() -> None:
    labels = student(distillation={"alpha": 0})
    without_effect = [
        {"aug": {"ops": {}}},
        {"teacher": {"name": "alexnet"}},
        {"teacher_seed": 9},
        {"teacher_optim.lr": 0.2},
        {"distillation": {"alpha": 0.0, "temperature": 4, "view": "clean", "loss": {"name": "dkd"}}},
        {"distillation": {"alpha": 0, "transform": "rescale", "sd": 1.0, "teacher_weights": "untrained"}},
        {"distillation": {"alpha": 0, "teacher": "a run that is not there"}},
    ]
    for changes in without_effect:
        assert student({"distillation": {"alpha": 0}}, **changes) == labels
    assert labels.document["parents"] == {}
    assert labels.folder.startswith("student-digits-lenet-labels-s3-")
    augmented = student({"distillation": {"alpha": 0, "view": "same"}}, student_aug=MIXUP)
    assert augmented.id != labels.id
    assert augmented == student({"distillation": {"alpha": 0, "view": "clean"}}, student_aug=MIXUP)
    assert augmented.folder.startswith("student-digits-lenet-labels_mixup-s3-")


def test_a_named_teacher_makes_the_student_that_the_same_choices_make() -> None:
    named = check("student", replaced(STUDENT, {"distillation": {"alpha": 0.5, "temperature": 20, "teacher": "abc"}}))
    taught_by = teacher_ref(check("teacher", TEACHER), DATA)
    assert student_ref(named, DATA, taught_by) == student()
    assert student().document["parents"] == {"teacher": taught_by.id}
    other = teacher_ref(check("teacher", replaced(TEACHER, {"seed": 4})), DATA)
    assert student_ref(named, DATA, other).id != student().id


def test_a_student_finds_the_teacher_that_the_command_line_makes(tmp_path: Path) -> None:
    words = ("aug=[flip-crop,cutmix]", "seed=4")
    wanted = teacher_ref(teacher_of(core.student_config(tmp_path, *words)), DATA)
    assert wanted == teacher_ref(core.teacher_config(tmp_path, *words), DATA)


def test_outputs_are_named_by_teacher_precision_and_data() -> None:
    taught_by, config = teacher_ref(check("teacher", TEACHER), DATA), check("student", STUDENT)
    other = teacher_ref(check("teacher", replaced(TEACHER, {"seed": 4})), DATA)
    untrained = changed(config, {"distillation.teacher_weights": "untrained"})
    names = [
        outputs_ref(taught_by, config, DATA),
        outputs_ref(other, config, DATA),
        outputs_ref(taught_by, config, "x"),
        outputs_ref(taught_by, changed(config, {"runtime.precision": "bf16"}), DATA),
        outputs_ref(taught_by, untrained, DATA),
    ]
    assert len({name.id for name in names}) == len(names)
    for changes in ({"seed": 9}, {"student": {"name": "alexnet-small"}}, {"distillation.temperature": 1.0}):
        assert outputs_ref(taught_by, changed(config, changes), DATA) == names[0]
    assert names[0].folder.startswith("outputs-digits-resnet18-flip-crop+cutmix-s3-")


def test_evaluations_are_named_by_run_test_set_and_data() -> None:
    first, second = student(), student(seed=4)
    made_by = {"precision": "fp32", "normalisation": "training"}
    names = [
        *(evaluation_ref(run, test_set, made_by, DATA) for run in (first, second) for test_set in ("a", "b")),
        evaluation_ref(first, "a", made_by, "another fingerprint"),
        evaluation_ref(first, "a", {**made_by, "normalisation": "own"}, DATA),
    ]
    assert len({name.id for name in names}) == len(names)
    assert names[0].folder == f"evaluation-a-{first.folder}-{names[0].id[:8]}"


def test_a_field_added_later_stays_out_at_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    made_by = identity.model_document(check("teacher", TEACHER))

    def named(**changes: Any) -> str:
        return identity.make_ref("teacher", "", replaced(made_by, changes), DATA).id

    before = named()
    monkeypatch.setattr(identity, "ADDED_LATER", {**identity.ADDED_LATER, "optim.example": 0.5, "teacher": {}})
    assert named(**{"optim.example": 0.5}) == before == teacher_id()
    assert named(**{"optim.example": 0.6}) != before
    assert named(**{"dataset.example": 0.5}) != before


def test_a_new_version_of_a_kind_renames_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = teacher_id(), student().id
    monkeypatch.setitem(identity.VERSIONS, "student", 99)
    assert teacher_id() == before[0]
    assert student().id != before[1]


def test_a_number_has_one_name_however_it_was_typed() -> None:
    one = {"ops": {"mixup": {"alpha": 1}}}
    assert teacher_id(aug=one) == teacher_id(aug=MIXUP)
