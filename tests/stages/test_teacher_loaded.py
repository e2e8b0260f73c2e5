"""A loaded teacher proves itself: no other weights, however well they fit, may teach in its place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import core
from augdistill.base.errors import AugdistillError, RunError
from augdistill.stages import making, student, teacher
from augdistill.store.runs import Run, RunStore
from composed import changed
from core import load_teacher, same, weights


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A teacher; read it only."""
    return teacher.run(core.teacher_config(tmp_path_factory.mktemp("finished")))


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
            *(no_safetensors, "weights.safetensors"),
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
    with pytest.raises(RunError, match=f"distillation.teacher={resolved.path.name} is a student, no teacher"):
        student.run(core.student_config(tmp_path, f"distillation.teacher={resolved.path.name}"))
    with pytest.raises(RunError, match="no run is called nobody"):
        student.run(core.student_config(tmp_path, "distillation.teacher=nobody"))
    (tmp_path / "runs" / "teacher-unfinished").mkdir()
    with pytest.raises(RunError, match="teacher-unfinished is unfinished: the command that made it goes on"):
        student.run(core.student_config(tmp_path, "distillation.teacher=teacher-unfinished"))
