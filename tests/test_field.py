"""The field's table: its pairs are there, its studies compose, a pair runs on CIFAR-100 in the publisher's format."""

import re
from pathlib import Path

import pytest

from augdistill.config.checking import typed
from augdistill.config.studies import StudyConfig
from augdistill.stages import student, teacher
from augdistill.study.arms import student_jobs
from composed import compose, job
from data_files import write_cifar100

DOCUMENT = (Path(__file__).parents[1] / "docs" / "field.md").read_text()
PAIRS = re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \|", DOCUMENT, re.MULTILINE)
STUDIES = re.findall(r"^augdistill study .* teacher@study\.teacher=(\S+) .* study\.students=\[(\S+)\]$", DOCUMENT, re.M)


def test_the_studies_are_of_the_tables_pairs() -> None:
    looped = [(name, one) for name, students in STUDIES for one in students.split(",")]
    assert len(PAIRS) == 11
    assert sorted(looped) == sorted(PAIRS)


@pytest.mark.parametrize(("name", "students"), [STUDIES[2], STUDIES[-1]])
def test_a_study_of_the_table_has_the_fields_recipe(name: str, students: str) -> None:
    words = [f"study.students=[{students}]", f"teacher@study.teacher={name}", "optim@study.teacher.optim=crd"]
    config = typed(StudyConfig, compose("study", "study=field", f"study.name=field-{name}", *words))
    configs = [found.config for found in student_jobs(config, {})]
    assert {found.student.name for found in configs} == {*students.split(",")}
    for found in configs:
        light = found.student.name in ("mobilenet-v2", "shufflenet-v1", "shufflenet-v2")
        assert (found.teacher.name, found.teacher_optim.lr) == (name, 0.05)
        assert (found.optim.lr, found.optim.epochs, found.optim.batch_size) == (0.01 if light else 0.05, 240, 64)
        assert list(found.student_aug.ops) == ["flip-crop"]
        assert list(found.aug.ops) == (["flip-crop"] if found.distillation.alpha > 0 else [])
        assert found.distillation.alpha in (0, 0.9)


SMALL = ("resnet20", "resnet8")  # no pair of the table, but the quickest one of its recipe


@pytest.mark.slow
@pytest.mark.parametrize(("taught_by", "learner"), [SMALL, *(pytest.param(*p, marks=pytest.mark.long) for p in PAIRS)])
def test_two_epochs_of_a_pair_work(tmp_path: Path, taught_by: str, learner: str) -> None:
    write_cifar100(tmp_path, train=100, test=100)
    words = [f"outputs={tmp_path / 'outputs'}", f"dataset.root={tmp_path}", "dataset=cifar100", "dataset.verify=false"]
    words += ["aug=flip-crop", f"teacher={taught_by}", "runtime.precision=fp32", "runtime.threads=1"]
    made = teacher.run(job("train-teacher", compose("train-teacher", *words, "optim.epochs=2")))
    words += [f"student={learner}", "aug@student_aug=flip-crop", "distillation.alpha=0.9", "distillation.temperature=4"]
    found = student.run(job("distill", compose("distill", *words, "optim.epochs=2", "teacher_optim.epochs=2")))
    assert (made.status, found.status) == ("finished", "finished")
    assert found.ref.folder.startswith(f"student-cifar100-{learner}-flip-crop_flip-crop-s0-")
