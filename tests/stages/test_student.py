"""The student stage: what is learnt under each view, exact resume, arms, controls, and how its teacher is found."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import core
from augdistill.augment import draw_epoch
from augdistill.base.errors import ConfigError, ModelError, RequestError, RunError, StoppedError
from augdistill.data import split_validation
from augdistill.stages import common, making, outputs, student, teacher
from augdistill.store.runs import Run, RunStore
from augdistill.training.batches import make_batch, plan_epoch
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
    student_config,
    unfinished,
    weights,
)

MIXUP, FLIP_MIXUP = ("aug@student_aug=mixup",), ("aug@student_aug=[flip-crop,mixup]",)
ROWS, HELD_OUT = 137, 1300


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder with a teacher on baseline, one on mixup, and both their outputs; students may be added."""
    folder = tmp_path_factory.mktemp("taught")
    for aug in ("baseline", "mixup"):
        teacher.run(core.teacher_config(folder, f"aug={aug}"))
    return folder


def teacher_run(folder: Path, aug: str = "baseline") -> Run:
    (found,) = [run for run in RunStore(folder).all("teacher") if f"-{aug}-" in run.path.name]
    return found


def softened(logits: Tensor, temperature: float = 20) -> Tensor:
    """softmax(z / T) written out, in float64."""
    powers = (logits.double() / temperature).exp()
    return powers / powers.sum(1, keepdim=True)


def naive_loss(student_logits: Tensor, labels: Tensor, probabilities: Tensor, distillation: dict[str, Any]):
    """(1 - alpha) CE + alpha T^2 KL(teacher || student), and its parts, from the definitions, sample by sample."""
    alpha, temperature = distillation["alpha"], distillation["temperature"]
    z, ce, kd = student_logits.double(), 0.0, 0.0
    for i in range(len(z)):
        log_q = z[i] - math.log(float(z[i].exp().sum()))
        log_qt = z[i] / temperature - math.log(float((z[i] / temperature).exp().sum()))
        ce -= float((labels[i].double() * log_q).sum()) / len(z)
        kl = sum(float(p) * (math.log(float(p)) - float(log_qt[k])) for k, p in enumerate(probabilities[i]))
        kd += temperature**2 * kl / len(z) / (10 if distillation["loss"]["reduction"] == "elementwise" else 1)
    weight = distillation["label_weight"]
    weight = 0 if distillation["mixed_labels"] == "none" else 1 - alpha if weight is None else weight
    return [weight * ce + alpha * kd, ce, kd]


def mixed(values: Tensor, draws: list[dict[str, np.ndarray]], part: slice) -> Tensor:
    """Mix rows as mixup mixes labels, one by one, in float64."""
    values = values.double()
    for op in draws:
        if "lam" in op:
            lam, partner = op["lam"][part].astype(float), op["partner"][part]
            values = torch.stack([lam[i] * values[i] + (1 - lam[i]) * values[partner[i]] for i in range(len(values))])
    return values


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("distillation.temperature=1", "distillation.alpha=0.9"),
        ("distillation.loss.reduction=elementwise",),
        ("distillation.alpha=1",),
        ("distillation.alpha=9", "distillation.label_weight=0.1"),
        (*FLIP_MIXUP, "distillation.mixed_labels=none"),
        (*FLIP_MIXUP, "distillation.mixed_labels=teacher-only", "distillation.label_weight=2"),
        (*FLIP_MIXUP, "distillation.mixed_labels=teacher-only", "distillation.view=clean"),
        ("distillation.transform=rescale", "distillation.sd=3.0"),
        ("distillation.transform=zscore", "distillation.temperature=2"),
        ("distillation.transform=rescale", "aug=mixup"),
        ("distillation.transform=rescale",),
        ("distillation.transform=class-mean", "distillation.temperature=2"),
        (*FLIP_MIXUP, "distillation.transform=class-mean", "aug=mixup"),
        ("distillation.teacher_weights=untrained",),
        (*FLIP_MIXUP, "distillation.view=same"),
        (*FLIP_MIXUP, "distillation.view=same", "distillation.transform=rescale", "distillation.sd=3.0"),
        (*FLIP_MIXUP, "distillation.view=clean"),
        (*FLIP_MIXUP, "distillation.view=clean", "distillation.transform=zscore"),
        (*FLIP_MIXUP, "distillation.view=independent"),
        ("distillation.temperature=50000",),
        ("distillation.temperature=50000", "distillation.transform=zscore"),
        (*FLIP_MIXUP, "distillation.temperature=50000", "distillation.view=same"),
        (*FLIP_MIXUP, "distillation.temperature=50000", "distillation.view=clean"),
    ],
    ids=lambda words: " ".join(words) or "default",
)
def test_the_loss_of_a_batch_is_that_of_the_definitions(words: tuple[str, ...], taught: Path) -> None:
    config = student_config(taught, "seed=4", "teacher_seed=0", *words)
    distillation, ops = config.distillation.plain(), config.student_aug.listed()
    run = teacher_run(taught, "mixup" if "aug=mixup" in words else "baseline")
    data, device = fold(run)
    rows, held_out = split_validation(data.labels.numpy(), HELD_OUT)
    live, plain = load_teacher(run), load_teacher(teacher_run(taught))
    if distillation["teacher_weights"] == "untrained":
        live = making.build(run.config, (1, 16, 16), 10).eval().requires_grad_(False)
    independent = distillation["view"] == "independent"
    resolved = student.named(config, RunStore(taught), None)
    split = common.TrainValSplit(data, rows, data.part(rows), data.part(held_out))
    training, loss = student.training_inputs(resolved, split, device)
    assert training.targets.dtype == (torch.float64 if distillation["temperature"] > 100 else torch.float32)
    plan = plan_epoch(training, ops, 4, "student", 2, 32, independent)
    sizes = [32, 32, 32, 32, 9]
    draws = draw_epoch(ops, 4, "student", "augment", epoch=2, sizes=sizes, side=16)
    pixels = (data.images[rows] / 255 - data.mean) / data.std
    spread, of_plain = (net(pixels)[0].double() for net in (live, plain))
    sds = [float((z - z.mean(1, keepdim=True)).square().mean().sqrt()) for z in (spread, of_plain)]
    factor = (distillation["sd"] or sds[1]) / sds[0]

    def answer(images: Tensor) -> Tensor:
        z = live(images)[0].double()
        if distillation["transform"] == "rescale":
            z = z * factor
        if distillation["transform"] == "zscore":
            z = (z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)
        return softened(z, distillation["temperature"])

    for index in (0, 4):  # the last one is short
        batch = make_batch(training, ops, plan, index)
        part = slice(32 * index, 32 * index + sizes[index])
        chosen = rows[plan.order[part].numpy()]
        clean = (data.images[chosen] / 255 - data.mean) / data.std
        if distillation["transform"] == "class-mean":
            by_class = [softened(spread[data.labels[rows] == k], 2 if not ops else 20).mean(0) for k in range(10)]
            probabilities = mixed(torch.stack(by_class)[data.labels[chosen]], draws, part)
        elif ops and distillation["view"] == "same":
            probabilities = answer(batch.images)
        elif ops and independent:
            assert batch.teacher_images is not None
            assert not torch.equal(batch.teacher_images, batch.images)
            probabilities = answer(batch.teacher_images)
        else:
            probabilities = mixed(answer(clean), draws, part)
        labels = mixed(torch.nn.functional.one_hot(data.labels[chosen], 10), draws, part)
        if distillation["mixed_labels"] == "teacher-only":
            labels[mixed(torch.eye(len(chosen)), draws, part).amax(1) < 1] = 0
        z = torch.randn(len(clean), 10, generator=torch.Generator().manual_seed(index)) * 2
        expected = naive_loss(z, labels, probabilities, distillation)
        found = loss(z.to(training.targets.dtype), batch).tolist()  # the loop's loss is in its targets' precision
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("view", ["same", "clean", "independent"])
def test_what_is_trained_is_what_the_config_says(view: str, taught: Path) -> None:
    words = ("aug@student_aug=[cutmix,flip-crop]", "student_aug.ops.cutmix.prob=0.25", f"distillation.view={view}")
    config = student_config(taught, *words, "aug=mixup", "seed=3", "teacher_seed=0", "optim.lr=0.2")
    task = spied_fit(student, config)["task"]
    assert task.ops == [
        ["cutmix", {"alpha": 1.0, "prob": 0.25, "scope": "batch", "labels": "soft"}],
        ["flip-crop", {"flip": 0.5, "padding": 0.125}],
    ]
    assert (task.recipe, task.seed, task.role) == (config.optim.plain(), 3, "student")
    assert task.own_view == (view == "independent")


def test_students_of_two_teachers_begin_alike_and_see_the_images_in_the_same_order(taught: Path) -> None:
    choices = [("aug=baseline",), ("aug=mixup",), ("distillation.alpha=0",), MIXUP, ("distillation.temperature=1",)]
    first, *others = [
        spied_fit(student, student_config(taught, "teacher_seed=0", "seed=3", *words)) for words in choices
    ]
    for arm in others:
        assert same(arm["weights"], first["weights"])
        assert arm["orders"] == first["orders"]
    other_seed = spied_fit(student, student_config(taught, "teacher_seed=0", "seed=4"))
    assert other_seed["orders"] != first["orders"]
    assert not torch.equal(other_seed["weights"]["head.weight"], first["weights"]["head.weight"])


@pytest.mark.parametrize(
    "words",
    [
        (),
        (*MIXUP, "distillation.view=same"),
        pytest.param(("aug@student_aug=cutmix", "distillation.view=independent"), marks=pytest.mark.slow),
        pytest.param(("distillation.alpha=0", "student=resnet18", "student.width=3"), marks=pytest.mark.slow),
        ("aug@student_aug=cutmix", "distillation.inputs=both", "distillation.mixed_labels=teacher-only"),
    ],
    ids=["cached", "same", "independent", "labels", "both"],
)
def test_an_interrupted_student_ends_with_the_same_bits(words: tuple[str, ...], taught: Path, tmp_path: Path) -> None:
    shutil.copytree(taught / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("student-*"))
    undisturbed = student.run(student_config(taught, *words))
    config = student_config(tmp_path, *words)
    with stopping_after(7), pytest.raises(StoppedError):
        student.run(config)
    (path,) = checkpoints(unfinished(tmp_path))
    assert path.name.startswith("000000007-")
    assert not same(checkpoint_weights(path), weights(undisturbed))
    run = student.run(config)
    assert same(weights(run), weights(undisturbed))
    assert history(run) == history(undisturbed)
    assert run.manifest.files["validation.npz"] == undisturbed.manifest.files["validation.npz"]
    assert not checkpoints(run.path)
    assert run.id == undisturbed.id


def test_a_run_on_labels_alone_touches_no_teacher(tmp_path: Path) -> None:
    words = ("distillation.alpha=0", "teacher_seed=77", "distillation.teacher=nobody", "distillation.view=independent")
    run = student.run(student_config(tmp_path, *words, *MIXUP))
    assert [made.kind for made in RunStore(tmp_path).all()] == ["student"]
    assert run.manifest.provenance.parents == {}
    assert all(row["kd"] == 0 and row["loss"] == row["ce"] for row in history(run))
    assert run.path.name.startswith("student-digits-lenet-labels_mixup-s0-")


def test_history_tells_the_loss_and_its_parts(taught: Path) -> None:
    for alpha in (0.25, 1.0):
        rows = history(student.run(student_config(taught, f"distillation.alpha={alpha}")))
        for row in rows:
            assert row["loss"] == pytest.approx((1 - alpha) * row["ce"] + alpha * row["kd"], rel=1e-5)
            assert 0 <= row["clipped"] <= 1
            assert row["kd"] > 0


@pytest.mark.parametrize("view", ["same", "clean", "independent"])
def test_of_both_inputs_the_loss_is_the_mean_of_that_of_each(view: str, taught: Path) -> None:
    words = ("seed=4", "teacher_seed=0", f"distillation.view={view}")
    arms = (("aug@student_aug=flip-crop",), FLIP_MIXUP, (*FLIP_MIXUP, "distillation.inputs=both"))
    z = torch.randn(2, 32, 10, generator=torch.Generator().manual_seed(1))
    losses = []
    for arm, logits in zip(arms, (*z, z.flatten(0, 1)), strict=True):
        config = student_config(taught, *words, *arm)
        data, device = fold(teacher_run(taught))
        rows, held_out = split_validation(data.labels.numpy(), HELD_OUT)
        split = common.TrainValSplit(data, rows, data.part(rows), data.part(held_out))
        resolved, ops = student.named(config, RunStore(taught), None), config.student_aug.listed()
        training, loss = student.training_inputs(resolved, split, device)
        plan = plan_epoch(training, ops, 4, "student", 2, 32, view == "independent")
        losses.append(loss(logits, make_batch(training, ops, plan, 1)))
    original, augmented, both = losses
    torch.testing.assert_close(both, (original + augmented) / 2, rtol=1e-5, atol=1e-6)


def test_with_both_inputs_history_still_tells_means_over_images(taught: Path) -> None:
    words = ("aug@student_aug=mixup", "distillation.alpha=0", "optim.lr=1e-9", "optim.epochs=1")
    runs = [student.run(student_config(taught, *words, *more)) for more in ((), ("distillation.inputs=both",))]
    (plain,), (both,) = (history(run) for run in runs)
    assert both["loss"] == pytest.approx(plain["loss"], rel=0.05)  # an untrained net's: about ln 10


def test_a_named_teacher_brings_its_own_choices(taught: Path) -> None:
    run = teacher_run(taught, "mixup")
    by_choice = student.run(student_config(taught, "aug=mixup"))
    for named in (run.path.name, str(run.path), run.id, run.id[:10]):
        # The teacher's own width, strategy and recipe count, not those typed beside its name.
        config = student_config(taught, f"distillation.teacher={named}", "teacher.width=9", "teacher_optim.lr=0.5")
        assert student.run(config).manifest == by_choice.manifest
    assert by_choice.manifest.provenance.parents == {"teacher": run.path.name}
    assert by_choice.config.aug == run.config.aug


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_several_teachers_teach_by_their_mean_whatever_their_order(mean: str, taught: Path) -> None:
    runs = [teacher_run(taught), teacher_run(taught, "mixup")]
    names_ = [run.path.name for run in runs]
    words = (f"distillation.ensemble={mean}", "distillation.temperature=4")
    config = student_config(taught, f"distillation.teacher=[{','.join(names_)}]", *words)
    resolved = student.named(config, RunStore(taught), None)
    again = student.named(student_config(taught, f"distillation.teacher=[{','.join(names_[::-1])}]", *words),
                          RunStore(taught), None)  # fmt: skip
    assert resolved.ref == again.ref
    assert sorted(run.id for run in resolved.parents.values()) == sorted(run.id for run in runs)
    assert resolved.ref.document["parents"] == {part: run.id for part, run in resolved.parents.items()}
    alone = student.named(student_config(taught, f"distillation.teacher={names_[0]}", *words), RunStore(taught), None)
    assert alone.ref.id != resolved.ref.id
    assert "ensemble" not in alone.ref.document["config"]["distillation"]
    device = common.device_of(config.runtime)
    data = common.train_val_split(config, resolved.ref.document["data"], device)
    found = student.soft_targets(resolved, data, device)
    logits = [torch.from_numpy(outputs.logits(config, outputs.run(config, run)))[data.rows] for run in runs]
    expected = torch.stack([softened(one, 4) for one in logits]).mean(0)
    expected = softened(torch.stack(logits).double().mean(0), 4) if mean == "logits" else expected
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
    made = student.run(config)
    assert made.path.name.startswith("student-digits-lenet-ensemble-of-2-s")


def test_several_teachers_run_not_live_and_are_different(taught: Path) -> None:
    name, other = teacher_run(taught).path.name, teacher_run(taught, "mixup").path.name
    with pytest.raises(RequestError, match=r"^several teachers teach by their outputs .*: distillation\.view=clean"):
        student.run(student_config(taught, f"distillation.teacher=[{name},{other}]", *MIXUP))
    with pytest.raises(RequestError, match="names a teacher twice"):
        student.run(student_config(taught, f"distillation.teacher=[{name},{teacher_run(taught).id}]"))
    with pytest.raises(ConfigError, match=r"distillation\.teacher="):
        student_config(taught, f"distillation.teacher=[{name},{name}]")


def test_rescaling_needs_the_plain_teacher_and_names_it(taught: Path, tmp_path: Path) -> None:
    shutil.copytree(taught / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("student-*", "*-baseline-*"))
    config = student_config(tmp_path, "aug=mixup", "distillation.transform=rescale")
    with pytest.raises(RunError, match="make it with: augdistill train-teacher dataset=digits aug=baseline"):
        student.run(config)
    plain, mixing = teacher_run(taught), teacher_run(taught, "mixup")
    run = student.run(changed(config, {"outputs": str(taught)}))
    assert run.manifest.document.parents == {"teacher": mixing.id, "reference": plain.id}
    assert run.manifest.provenance.parents == {"teacher": mixing.path.name, "reference": plain.path.name}


def test_an_image_too_small_for_the_student_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lenet needs images of at least .* enlarge them with dataset.size=16"):
        student.run(student_config(tmp_path, "dataset.size=8"))
    assert not list(tmp_path.iterdir())


def test_a_student_at_chance_finishes_as_collapsed(tmp_path: Path, caplog) -> None:
    words = ("distillation.alpha=0", "optim.clip_norm=null", "optim.lr=1", "optim.warmup_epochs=0")
    run = student.run(student_config(tmp_path, *words))
    assert run.status == "finished"
    assert run.model.collapsed is True
    assert " collapsed: training accuracy" in caplog.text
    healthy = student.run(student_config(tmp_path, "distillation.alpha=0", "optim.epochs=30"))
    data, _ = fold(healthy)
    rows, _ = split_validation(data.labels.numpy(), HELD_OUT)
    for made in (run, healthy):
        network = making.build(made.config, (1, 16, 16), 10)
        network.load_state_dict(weights(made))
        with torch.no_grad():
            logits, embeddings = network((data.images[rows] / 255 - data.mean) / data.std)
        dead = float((embeddings <= 0).all(0).double().mean())
        right = float((logits.argmax(1) == data.labels[rows]).double().mean())
        assert made.model.dead_units == pytest.approx(dead, abs=1e-9)
        assert made.model.training_accuracy == pytest.approx(right, abs=1e-9)
        assert made.model.collapsed == (right < 0.15)  # 1.5 times chance
    assert healthy.model.collapsed is False
