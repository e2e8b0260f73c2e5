"""What a student took of its teacher on its training images, recomputed from its weights and its teacher's outputs."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

import core
from augdistill.base.seeds import derive
from augdistill.metrics.teacher import agreement, teacher_student_kl
from augdistill.stages import common, evaluation, fidelity, outputs, student, teacher
from augdistill.store.runs import Run, RunStore
from augdistill.training.batches import TrainingSet, make_batch, one_hot, plan_epoch
from core import student_config


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fidelity")
    teacher.run(core.teacher_config(folder))
    return folder


def stored_logits(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return a student's teacher's logits for its training images, and which rows of the whole set these are."""
    rows, _ = common.split(run.config, common.dataset_images(run.config).labels)
    (taught_by,) = RunStore(run.path.parents[1]).all("teacher")
    return outputs.logits(run.config, outputs.run(run.config, taught_by))[rows], rows


def test_a_student_is_compared_with_its_teacher_on_what_it_learned_from(taught):
    run = student.run(student_config(taught))
    said, (stored, rows) = run.model.distillation, stored_logits(run)
    data, device = core.fold(run)
    logits = common.predict(evaluation.load_model(run, data, device), data.part(rows), device)[0].numpy()
    assert list(said) == ["teacher_agreement", "teacher_kl", "teacher_kl_at_temperature"]  # too few for two groups
    assert said["teacher_agreement"] == agreement(logits, stored)
    assert said["teacher_kl_at_temperature"] == pytest.approx(teacher_student_kl(logits, stored, 20.0), rel=1e-6)


def test_words_are_means_over_groups_of_the_images_in_their_order(taught, monkeypatch):
    monkeypatch.setattr(fidelity, "GROUP", 40)
    run = student.run(student_config(taught, "seed=5", "teacher_seed=0"))
    stored = torch.from_numpy(stored_logits(run)[0]).softmax(1).double().numpy()
    batch = run.config.optim.batch_size
    order = np.random.default_rng(derive(run.config.seed, "student", "order", 0)).permutation(len(stored))
    seen = np.split(stored[order], range(batch, len(stored), batch))
    assert run.model.distillation["teacher_stddev"] == pytest.approx(by_hand(seen), rel=1e-5)


def by_hand(batches: list[np.ndarray]) -> float:
    """Return T.stddev of probabilities in batches, in groups of 40 images or more."""
    means, group = [], []
    for each in batches:
        group.append(each)
        if sum(map(len, group)) >= 40:
            means.append(np.concatenate(group).mean(0))
            group = []
    return float(np.mean([np.std(column, ddof=1) for column in np.transpose(means)]))


def test_words_for_a_student_with_a_strategy_are_those_that_its_view_gives_it(taught, monkeypatch):
    monkeypatch.setattr(fidelity, "GROUP", 40)
    found, expected = [], []
    for view in ("same", "clean", "independent"):
        run = student.run(student_config(taught, "aug@student_aug=mixup", f"distillation.view={view}"))
        found.append(run.model.distillation["teacher_stddev"])
        stored, rows = stored_logits(run)
        data, device = core.fold(run)
        part = data.part(rows)
        clean = torch.from_numpy(stored).softmax(1)
        how = (part.mean, part.std, device.memory_format, clean)
        training = TrainingSet(part.images, one_hot(part.labels, 10), *how)
        (taught_by,) = RunStore(taught).all("teacher")
        model, ops = core.load_teacher(taught_by), run.config.student_aug.listed()
        plan = plan_epoch(training, ops, run.config.seed, "student", 0, run.config.optim.batch_size, view != "same")
        batches = [make_batch(training, ops, plan, index) for index in range(len(plan.offsets) - 1)]
        with torch.no_grad():
            says = {
                "same": lambda batch: model(batch.images)[0].softmax(1),  # noqa: B023
                "clean": lambda batch: batch.teacher,
                "independent": lambda batch: model(batch.teacher_images)[0].softmax(1),  # noqa: B023
            }[view]
            expected.append(by_hand([says(batch).double().numpy() for batch in batches]))
    assert found == pytest.approx(expected, rel=1e-4)
    assert min(abs(np.diff(sorted(found)))) > 1e-3 * max(found)


def test_a_group_ends_with_the_batch_that_fills_it():
    words = (torch.full((300, 2), float(number)) for number in count())
    means = fidelity.group_means(words, 2)
    assert means.shape == (fidelity.GROUPS, 2)
    assert means[:3, 0].tolist() == [1.0, 4.0, 7.0]  # of batches 0 to 2, 3 to 5, 6 to 8


def test_too_few_images_make_no_group():
    assert fidelity.group_means(iter([torch.ones(639, 3)]), 3).shape == (0, 3)


def test_students_on_labels_have_no_teacher_to_be_compared_with(taught):
    run = student.run(student_config(taught, "distillation.alpha=0"))
    assert run.model.distillation == {}
