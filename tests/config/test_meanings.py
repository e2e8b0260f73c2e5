"""Every key of every command's config says what it means, from the comments in conf/."""

import pytest

from augdistill.cli.explained import leaves
from augdistill.config.meanings import comments, meaning
from composed import compose

COMPOSED = [
    ("train-teacher", "aug=[flip-crop,cutmix]", "dataset=digits"),
    ("train-teacher", "aug=[cutout,mixup]", "dataset=image-folder", "teacher=alexnet"),
    ("distill", "loss@distillation.loss=dkd", "teacher=resnet9"),
    ("evaluate", "dataset=mnist"),
    ("import-teacher", "dataset=digits"),
    ("study", "executor=slurm", "study=cifar10-factors"),
    ("study", "executor=ray"),
]


@pytest.mark.parametrize("words", COMPOSED, ids=" ".join)
def test_every_key_has_a_meaning(words: tuple[str, ...]) -> None:
    config = compose(*words)
    keys = [key for key, _ in leaves(config) if not key.startswith("study.factors.")]  # names of the study's own
    assert [key for key in keys if not meaning(words[0], key, config)] == []


def test_the_file_that_is_chosen_is_asked_first() -> None:
    config = compose("train-teacher", "teacher=resnet9", "aug=cutmix")
    assert meaning("train-teacher", "teacher.width", config).startswith("channels of the first block, a multiple of 8")
    assert meaning("train-teacher", "aug.ops.cutmix.scope", config) == "one box for a batch, or for each sample"
    assert meaning("train-teacher", "teacher.name", config) == "what is chosen: teacher=NAME chooses another"
    study = compose("study", "study=tiny")
    assert meaning("study", "study.students.lenet.optim.epochs", study) == "passes over the training images"
    assert meaning("study", "study.nonsense", study) == ""


def test_a_comment_may_go_on_below(tmp_path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("# head\na: 1  # one\nb:     # two\n       # lines\n  # not this\n  c: '#'\nd: x#y\n")
    assert comments(path) == {"a": "one", "b": "two lines"}
