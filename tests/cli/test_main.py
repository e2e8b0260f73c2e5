"""The real command: every refused request gets one line and exit code 2, and leaves nothing new on disk."""

import pytest

from augdistill.cli.main import typed_as
from command_line import assert_refused, files

# words -> what the one line must say: what was wrong, and what is allowed or to be typed
REFUSED = {
    "trian-teacher": ["no such command", "did you mean train-teacher"],
    "train-teacher +teacher.depth=3": ["teacher.depth", "known here are name, width"],
    "train-teacher aug=cutmix +aug.ops.cutmix.probs=1": ["aug.ops.cutmix.probs", "did you mean prob"],
    "train-teacher aug=cutmix aug.ops.cutmix.prob=2": ["aug.ops.cutmix.prob=2", "0 to 1"],
    "train-teacher optim.lr=-1": ["optim.lr=-1", "above 0"],
    "train-teacher optim.schedule=cosin": ["optim.schedule=cosin", "did you mean cosine"],
    "train-teacher seed=-1": ["seed=-1", "0 or more"],
    "train-teacher dataset=digits teacher.width=0": ["width=0", "1 to 1024"],
    "train-teacher runtime.precision=fp16": ["runtime.precision=fp16", "bf16"],
    "train-teacher --seed 3": ["--seed is no flag: type seed=3 without dashes"],
    "train-teacher --aug": ["--aug is no flag", "KEY=VALUE, as in seed=3"],
    "train-teacher --dry-run": ["--dry-run is of study, and of runs remove"],
    "train-teacher model=resnet18": ["model is not a config key (did you mean teacher?)"],
    "study mine.yaml": ["mine.yaml is a file", "augdistill study --config-dir FOLDER NAME"],
    "report nothing": ["/outputs"],
    "runs show nothing": ["no run is called nothing below /", "/outputs/runs"],
    "train-teacher aug.cutmix.prob=1": ["did you mean aug.ops.cutmix.prob?"],
    "distill teacher=outputs/runs/x": ["is a path", "distillation.teacher=RUN"],
    "train": ["no such command (did you mean train-teacher?)"],
    "runs --wacth": ["--wacth is no flag (did you mean --watch?)"],
    "train-teacher hydra/launcher=joblib": ["hydra/launcher", "add -m"],
    "train-teacher --experimental-rerun=config.pickle": ["pickle", "not allowed"],
    "train-teacher dataset=cinic10": ["test set", "cifar10"],
    "train-teacher dataset=as-trained": ["dataset=null is unknown: choose one of cifar10, "],
    "train-teacher dataset=cifar10": ["cifar-10-batches-py", "data_batch_1", "augdistill data fetch cifar10"],
    "train-teacher dataset=mnist": ["MNIST", "augdistill data fetch mnist"],
    "train-teacher dataset=image-folder": ["dataset.path"],
    "train-teacher dataset=digits dataset.size=4": ["dataset.size=4", "8 to 256"],
    "train-teacher dataset=digits teacher=alexnet dataset.size=8 teacher.dropout=1": ["dropout=1"],
    "train-teacher dataset=digits dataset.validation=100000": ["validation", "1,437"],
    "distill dataset=digits student=alexnet-small": ["25 x 25", "16 x 16", "dataset.size=32"],
    "distill distillation.alpha=1.5": ["distillation.alpha=1.5", "0 or more, at most 1"],
    "distill distillation.view=other": ["distillation.view=other", "independent"],
    "distill dataset=digits": ["is not there yet", "augdistill train-teacher dataset=digits aug=baseline"],
    "evaluate": ["no runs below", "augdistill train-teacher"],
    "evaluate run=nothing": ["no run is called nothing"],
    "evaluate run=22505397": ["no run is called 22505397"],
    "train-teacher aug=null": ["aug=null is unknown: choose one of augmix, baseline"],
    "train-teacher teacher=18": ["teacher=18 is unknown: choose one of airbench"],
    "study study.margins.7=x study.7a=1": ["study.7a is not a config key"],
    "evaluate predictions=nothing.npz": ["which dataset", "dataset=cifar10"],
    "evaluate predictions=nothing.npz dataset=digits": ["nothing.npz is not a file"],
    "study study.blocks=0": ["study.blocks=0", "1 or more"],
    "study study.dataset.size=16": ["25 x 25"],
    "study study=paper dataset.root=nowhere": ["nowhere/cifar-10-batches-py", "augdistill data fetch cifar10"],
    "study +study.block=2": ["study.block", "did you mean blocks"],
}
READS_DATA = ("dataset.validation=100000", "study.dataset.size=16")  # refused after the data were packed


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_one_line_with_nothing_written(words, run_here, tmp_path):
    ran = run_here(words.split(), tmp_path)
    assert_refused(ran, *REFUSED[words])
    if not any(reading in words for reading in READS_DATA):
        assert files(tmp_path) == set()


def test_the_environment_names_the_folder_of_results_unless_it_is_typed(run_here, tmp_path, monkeypatch):
    from augdistill.cli.main import with_outputs

    monkeypatch.setenv("AUGDISTILL_OUTPUTS", "/my results")
    assert with_outputs(["seed=1"]) == ["seed=1", "outputs=/my results"]
    for typed in (["outputs=here"], ["--outputs", "here"], ["--outputs=here"]):
        assert with_outputs(typed) == typed
    ran = run_here(["runs"], tmp_path)  # which unsets it
    assert ran.stdout.startswith(f"no runs below {tmp_path}/outputs/runs; ")


def test_what_was_typed_can_be_typed_again():
    assert (
        typed_as("study", ["study=tiny", "--config-dir", "my files"])
        == "augdistill study study=tiny --config-dir 'my files'"
    )
