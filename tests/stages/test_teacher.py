"""A teacher: what its run holds, that it goes on, and that a loaded one proves itself, however well others fit."""

import json
import logging
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

import core
from augdistill.base.errors import AugdistillError, ConfigError, HeldError, RunError, StoppedError, WorkError
from augdistill.data import split_validation
from augdistill.stages import common, evaluation, folders, making, names, student, teacher
from augdistill.store.runs import Run, RunStore
from composed import changed
from core import (
    checkpoint_weights,
    checkpoints,
    fold,
    history,
    load_teacher,
    same,
    spied_fit,
    stopping_after,
    unfinished,
    weights,
)
from core import teacher_config as configured

FILES = {"config.yaml", "history.csv", "log", "manifest.json", "probe.npy", "validation.npz", "weights.safetensors"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A teacher on baseline that nothing disturbed; read it only."""
    return teacher.run(configured(tmp_path_factory.mktemp("finished")))


def test_a_finished_run_holds_all_that_it_must(finished: Run) -> None:
    assert {path.name for path in finished.path.iterdir()} == FILES
    assert set(finished.manifest.files) == FILES - {"manifest.json", "log"}
    assert (finished.status, finished.model.shape, len(finished.model.classes)) == (
        "finished",
        (1, 16, 16),
        10,
    )
    header = common.dataset_images(finished.config).header
    assert dict(finished.model.statistics) == {"mean": header.mean, "std": header.std}
    made = finished.manifest.provenance
    assert (made.device, made.precision, made.threads, made.notes) == ("cpu", "fp32", 1, ())
    assert made.versions["torch"] == version("torch")
    rows = history(finished)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert finished.model.validation_accuracy == rows[-1]["validation_accuracy"] > 0


def test_a_finished_run_is_found_and_not_repeated(finished: Run, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    before = {path: path.stat().st_mtime_ns for path in finished.path.iterdir()}
    elsewhere = {"device": "cpu", "precision": "fp32", "threads": 2}
    try:
        again = teacher.run(changed(finished.config, {"runtime": elsewhere}))
    finally:
        torch.set_num_threads(1)
    assert again.manifest == finished.manifest
    assert {path: path.stat().st_mtime_ns for path in finished.path.iterdir()} == before
    assert f"{finished.path.name} is finished already" in caplog.text


def test_what_is_held_out_is_not_trained_on(finished: Run, tmp_path: Path) -> None:
    data, _ = fold(finished)
    rows, held_out = split_validation(data.labels.numpy(), 1300)
    seen = spied_fit(teacher, configured(tmp_path))["task"].training
    assert torch.equal(seen.images, data.images[rows])
    assert torch.equal(seen.targets.argmax(1), data.labels[rows])
    with np.load(finished.path / "validation.npz") as arrays:
        logits, labels = arrays["logits"], arrays["labels"]
    assert np.array_equal(labels, data.labels[held_out].numpy())
    expected, _ = load_teacher(finished)((data.images[held_out] / 255 - data.mean) / data.std)
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
    assert history(finished)[-1]["validation_accuracy"] == (logits.argmax(1) == labels).mean()


def test_what_is_trained_is_what_the_config_says(tmp_path: Path) -> None:
    config = configured(tmp_path, "aug=[cutmix,flip-crop]", "aug.ops.cutmix.prob=0.25", "seed=3", "optim.lr=0.2")
    task = spied_fit(teacher, config)["task"]
    assert task.ops == [
        ["cutmix", {"alpha": 1.0, "prob": 0.25, "scope": "batch", "labels": "soft"}],
        ["flip-crop", {"flip": 0.5, "padding": 0.125}],
    ]
    assert (task.recipe, task.seed, task.role, task.own_view) == (config.optim.plain(), 3, "teacher", False)


def test_arms_begin_with_the_same_weights_and_see_the_images_in_the_same_order(tmp_path: Path) -> None:
    choices = [*(f"aug={name}" for name in core.STRATEGIES), "optim.lr=0.2", "seed=1"]
    first, *others, other_seed = [spied_fit(teacher, configured(tmp_path, choice)) for choice in choices]
    for arm in others:
        assert same(arm["weights"], first["weights"])
        assert arm["orders"] == first["orders"]
    assert not torch.equal(other_seed["weights"]["stem.0.weight"], first["weights"]["stem.0.weight"])
    assert other_seed["orders"] != first["orders"]
    assert first["orders"][0] != first["orders"][1]


@pytest.mark.parametrize(
    "strategy", [pytest.param(aug, marks=() if aug == "mixup" else pytest.mark.slow) for aug in core.STRATEGIES]
)
def test_an_interrupted_teacher_ends_with_the_same_bits(strategy: str, finished: Run, tmp_path: Path) -> None:
    words = (f"aug={strategy}",)
    undisturbed = finished if strategy == "baseline" else teacher.run(configured(tmp_path / "undisturbed", *words))
    for steps in (3, 5):  # in the middle of an epoch, and from there in the middle of the next
        with stopping_after(steps), pytest.raises(StoppedError):
            teacher.run(configured(tmp_path, *words))
    folder = unfinished(tmp_path)
    newest = checkpoints(folder)[-1]
    assert newest.name.startswith("000000008-")
    assert not same(checkpoint_weights(newest), weights(undisturbed))
    (folder / ".writing-abc").write_bytes(b"of a process that was killed")
    run = teacher.run(configured(tmp_path, *words))
    assert history(run) == history(undisturbed)
    for name in ("weights.safetensors", "probe.npy", "validation.npz"):
        assert run.manifest.files[name] == undisturbed.manifest.files[name]
    assert {path.name for path in run.path.iterdir()} == FILES


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_makes_the_command_save_and_the_same_command_goes_on(number: int, tmp_path: Path) -> None:
    def listen() -> None:  # a job in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)

    command = [str(Path(sysconfig.get_path("scripts")) / "augdistill"), "train-teacher", *core.TINY]
    command += [*(f"optim.{value}" for value in core.RECIPE), "optim.epochs=9", f"outputs={tmp_path}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=listen) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "epoch 1/9" in line)
        process.send_signal(number)
        said += process.communicate(timeout=300)[1]
    assert process.returncode == 143, said
    assert "with everything saved: the same command goes on" in said
    assert "Traceback" not in said
    (path,) = checkpoints(unfinished(tmp_path))
    assert 5 <= int(path.name[:9]) < 45
    half_way = checkpoint_weights(path)
    config = configured(tmp_path, "optim.epochs=9")
    resumed, undisturbed = (
        teacher.run(changed(config, {"outputs": str(tmp_path / name)})) for name in (".", "undisturbed")
    )
    assert same(weights(resumed), weights(undisturbed))
    assert history(resumed) == history(undisturbed)
    assert not same(half_way, weights(resumed))


def test_what_fails_after_training_loses_no_training(tmp_path: Path, monkeypatch) -> None:
    def full(*arguments: object, **facts: object) -> Run:
        raise OSError("no space left")

    config = configured(tmp_path, "runtime.checkpoint_every=1epoch")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "publish", full)
        with pytest.raises(WorkError, match="no space left"):
            teacher.run(config)
    assert checkpoints(unfinished(tmp_path))[-1].name.startswith("000000015-")
    run = teacher.run(config)
    assert len(history(run)) == 3
    assert not checkpoints(run.path)


def test_two_that_ask_for_the_same_run_get_one(tmp_path: Path) -> None:
    config = configured(tmp_path, "optim.epochs=1")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(teacher.run, [config, config])
    assert first.manifest == second.manifest
    assert first.path.joinpath("log").read_text().count(": 137 images,") <= 1
    store = RunStore(tmp_path / "held")
    held = changed(config, {"outputs": str(tmp_path / "held")})
    with store.lock(first.ref), pytest.raises(HeldError, match=f"{first.path.name} is held by .* pid "):
        teacher.run(held, wait=False)


def test_a_run_that_diverged_is_not_repeated_and_cannot_teach(tmp_path: Path, caplog) -> None:
    config = configured(tmp_path, "optim.lr=900")
    run = teacher.run(config)
    assert run.status == "diverged"
    assert f"diverged: the training loss is nan in epoch {len(history(run))}" in caplog.text
    assert "weights.safetensors" not in run.manifest.files
    assert teacher.run(config).manifest == run.manifest
    with pytest.raises(RunError, match=f"{run.path.name} diverged and cannot teach"):
        load_teacher(run)
    for named in ("null", run.id[:12]):
        words = ("teacher_optim.lr=900", f"distillation.teacher={named}")
        with pytest.raises(RunError, match=f"{run.path.name} diverged and cannot teach: choose another seed"):
            student.run(core.student_config(tmp_path, *words))
    with pytest.raises(RunError, match="diverged: it has no weights"):
        evaluation.run(names.evaluation_config(run.path.name, "digits", str(tmp_path)))


def test_selection_on_the_test_set_is_named(tmp_path: Path, caplog) -> None:
    run = teacher.run(configured(tmp_path, "optim.select=best-test", "optim.epochs=2"))
    assert "the best epoch on the TEST set" in caplog.text
    assert run.manifest.provenance.notes == ("the weights kept are those of the epoch with the best test accuracy",)
    rows = history(run)
    scored = evaluation.run(names.evaluation_config(run.path.name, "digits", str(tmp_path)))
    assert scored.evaluation.accuracy == pytest.approx(max(row["test_accuracy"] for row in rows), abs=1e-9)


def test_selection_by_the_lowest_test_loss_keeps_that_epoch(tmp_path: Path) -> None:
    words = ("optim.epochs=4", "optim.lr=0.3", "optim.schedule=constant")
    run = teacher.run(configured(tmp_path, "optim.select=best-test-loss", *words))
    assert run.manifest.provenance.notes == ("the weights kept are those of the epoch with the lowest test loss",)
    losses = [row["test_loss"] for row in history(run)]
    evaluation.run(names.evaluation_config(run.path.name, "digits", str(tmp_path)))
    (found,) = (tmp_path / "runs").glob("evaluation-*/metrics.json")
    assert json.loads(found.read_text())["scalars"]["nll"] == pytest.approx(min(losses), abs=1e-6)


def test_a_teacher_stops_at_the_validation_accuracy_asked_for_or_says_that_it_was_not_reached(tmp_path: Path) -> None:
    reached = teacher.run(configured(tmp_path, "optim.stop_accuracy=0.05", "optim.epochs=3"))
    missed = teacher.run(configured(tmp_path, "optim.stop_accuracy=1", "optim.epochs=3"))
    assert [len(history(run)) for run in (reached, missed)] == [1, 3]
    assert reached.model.validation_accuracy >= 0.05
    assert reached.manifest.provenance.notes == ()
    assert missed.manifest.provenance.notes == ("optim.stop_accuracy=1 was not reached in all of its epochs",)
    with pytest.raises(ConfigError, match=r"optim.stop_accuracy=0.5 is out of range: it needs .* dataset.validation"):
        teacher.run(configured(tmp_path, "optim.stop_accuracy=0.5", "dataset.validation=0"))


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Run:
    """The same teacher, to be damaged."""
    shutil.copytree(finished.path, tmp_path / "runs" / finished.path.name)
    return RunStore(tmp_path).get(finished.path.name)


def test_a_loaded_teacher_is_the_one_that_was_trained(finished: Run) -> None:
    network = load_teacher(finished)
    assert same(network.state_dict(), weights(finished))
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())
    for threads, precision in ((2, "fp32"), (1, "bf16")):  # elsewhere than where it was trained
        assert same(load_teacher(finished, threads, precision).state_dict(), weights(finished))


def damage_weights(run: Run) -> None:
    core.flip_bit(run.path / "weights.safetensors")


def damage_probe(run: Run) -> None:
    core.flip_bit(run.path / "probe.npy")


def remove_weights(run: Run) -> None:
    (run.path / "weights.safetensors").unlink()


def other_weights(run: Run) -> None:
    """Weights of the right shapes, checksums recomputed: what an untrained network of another seed has."""
    other = making.build(changed(run.config, {"seed": 5}), (1, 16, 16), 10)
    core.rewrite_weights(run, other.state_dict())


def another_width(run: Run) -> None:
    wider = changed(run.config, {"teacher.width": 5})
    core.rewrite_weights(run, making.build(wider, (1, 16, 16), 10).state_dict())


def fewer_classes(run: Run) -> None:
    core.rewrite_weights(run, making.build(run.config, (1, 16, 16), 9).state_dict())


def double_precision(run: Run) -> None:
    core.rewrite_weights(run, {name: value.double() for name, value in weights(run).items()})


def no_safetensors(run: Run) -> None:
    (run.path / "weights.safetensors").write_bytes(b"\x80\x04N." * 100)
    core.rewrite_manifest(run)


def sharper(run: Run) -> None:
    """Another model with the same predictions: what a teacher of another seed is, once both know the probe by heart."""
    state = weights(run)
    core.rewrite_weights(
        run, {name: 1.5 * value if name.startswith("head.") else value for name, value in state.items()}
    )


def slightly_other(run: Run) -> None:
    state = weights(run)
    state["head.bias"][3] += 0.05
    core.rewrite_weights(run, state)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_weights, "weights.safetensors is damaged"),
        (damage_probe, "probe.npy is damaged"),
        (remove_weights, "has no weights.safetensors"),
        (other_weights, "does not answer as when it was trained"),
        (sharper, "does not answer as when it was trained"),
        (slightly_other, "does not answer as when it was trained"),
        (another_width, "does not hold the model of its config"),
        (fewer_classes, "does not hold the model of its config"),
        (double_precision, "does not hold the model of its config"),
        pytest.param(
            no_safetensors,
            "weights.safetensors",
        ),
    ],
)
def test_a_teacher_that_is_not_what_it_was_is_refused(copied: Run, damage: Callable[[Run], None], message: str) -> None:
    damage(copied)
    with pytest.raises(AugdistillError, match=message) as raised:
        load_teacher(RunStore(copied.path.parents[1]).get(copied.path.name))
    assert isinstance(raised.value, RunError)
    assert "\n" not in str(raised.value)
    with pytest.raises(RunError, match=message):
        student.run(core.student_config(copied.path.parents[1]))
    assert [path.name for path in copied.path.parent.iterdir()] == [copied.path.name]  # nothing new


@pytest.mark.parametrize(("threads", "precision"), [(2, "fp32"), (1, "bf16")])
def test_another_model_with_the_same_predictions_is_refused_elsewhere_too(copied, threads: int, precision: str) -> None:
    # Elsewhere is the rule: on a CPU teachers train with two threads and students load them with one.
    sharper(copied)
    with pytest.raises(RunError, match="does not answer as when it was trained"):
        load_teacher(RunStore(copied.path.parents[1]).get(copied.path.name), threads, precision)


def test_a_teacher_of_another_dataset_is_refused(finished: Run) -> None:
    config = core.student_config(finished.path.parents[1], f"distillation.teacher={finished.path.name}")
    for changes in ({"size": 17}, {"channels": 3}, {"validation": 100}, {"mean": [0.5], "std": [0.5]}):
        other = changed(config, {"dataset": {**config.dataset.plain(), **changes}})
        with pytest.raises(RunError, match=f"{finished.path.name} was trained on other data"):
            student.run(other)


def test_only_a_teacher_teaches(finished: Run, tmp_path: Path) -> None:
    resolved = student.run(core.student_config(tmp_path, "distillation.alpha=0", "optim.epochs=1"))
    with pytest.raises(
        RunError, match=f"distillation.teacher={resolved.path.name} is no teacher but a run of kind student"
    ):
        student.run(core.student_config(tmp_path, f"distillation.teacher={resolved.path.name}"))
    with pytest.raises(RunError, match="no run is called nobody"):
        student.run(core.student_config(tmp_path, "distillation.teacher=nobody"))
    (tmp_path / "runs" / "teacher-unfinished").mkdir()
    with pytest.raises(RunError, match="teacher-unfinished is unfinished: the command that made it goes on"):
        student.run(core.student_config(tmp_path, "distillation.teacher=teacher-unfinished"))
