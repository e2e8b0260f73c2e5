"""A model under attack: no radius is the clean evaluation, radii hurt, an interrupted attack goes on."""

import json
from typing import Any

import numpy as np
import pytest
import torch

import core
from augdistill.base.errors import StoppedError
from augdistill.base.reading import read_arrays
from augdistill.config.jobs import ShiftConfig
from augdistill.config.shift import Attack
from augdistill.stages import common, evaluation, names, shift
from augdistill.stages.shift import attack
from augdistill.stages.shift.kept import Kept
from augdistill.store.runs import Run, RunStore

UNDER = Attack(name="pgd", steps=6, radii=(2.0, 16.0), images=None)


def config(run: Run, under: Attack = UNDER, **more: Any) -> ShiftConfig:
    return ShiftConfig(run=run.path.name, outputs=str(run.path.parents[1]), under=under, **more)


def said(run: Run) -> dict[str, Any]:
    return json.loads((run.path / "metrics.json").read_text())


@pytest.fixture(scope="module")
def attacked(subjects) -> Run:
    return shift.run(config(subjects["teacher"], source=subjects["control"].path.name))


@pytest.mark.slow
def test_no_radius_is_the_clean_evaluation_bit_for_bit(subjects, attacked):
    run = subjects["teacher"]
    job = names.evaluation_config(run.path.name, "digits", str(run.path.parents[1]))
    clean = evaluation.predictions(evaluation.run(job))["logits"]
    kept = read_arrays(attacked.path / "predictions.npz", "")
    assert np.array_equal(kept["attacked_predicted"][0], clean.argmax(1))
    device = common.resolve("cpu", "fp32", 1)
    subject = shift.subject_of(config(run), run, run.config.dataset, attacked.path, device)
    normalise = attack.Normaliser(subject.own.mean, subject.own.std, subject.own.header.shape, device.memory_format)
    batches = attack.batches(subject.own, device.memory_format)
    logits = [attack.logits_of(subject.model, normalise, images) for images, _ in batches]
    assert torch.equal(torch.cat(logits), torch.from_numpy(clean))
    with np.errstate(over="ignore"):
        assert said(attacked)["arrays"]["accuracy_at"][0] == (clean.argmax(1) == subject.labels).mean()


@pytest.mark.slow
def test_accuracy_falls_with_the_radius_and_noise_hurts_less(attacked):
    arrays = said(attacked)["arrays"]
    assert arrays["radii"] == [0.0, 2.0, 16.0]
    own = arrays["accuracy_at"]
    assert own[0] > own[1] > own[2]
    for way in ("noise", "transfer"):
        other = arrays[f"{way}_accuracy_at"]
        assert other[0] == own[0]
        assert other[2] > own[2]
    assert arrays["nll_at"] == sorted(arrays["nll_at"])
    assert said(attacked)["scalars"]["robust_accuracy"] == pytest.approx(np.mean(own[1:]))
    assert not attacked.manifest.provenance.notes
    assert attacked.manifest.provenance.parents["source"].startswith("student-")
    assert not list(attacked.path.glob(".radius-*"))


def test_an_attack_on_a_source_is_made_once_for_all_models_it_meets(subjects, monkeypatch):
    under = Attack(name="pgd", steps=3, radii=(4.0,), restarts=2, images=60, seed=7)
    source = subjects["control"].path.name
    moved: list[bool] = []
    noises: list[float] = []
    original, noise = attack.Attempt.moved, attack.attacks.noise

    def counted(attempt: attack.Attempt, attacked: Any, starts: Any) -> torch.Tensor:
        moved.append(attacked is not attempt.model)
        return original(attempt, attacked, starts)

    def noted(*asked: Any) -> torch.Tensor:
        drawn = noise(*asked)
        noises.append(float(drawn.abs().sum() + drawn.sum()))
        return drawn

    monkeypatch.setattr(attack.Attempt, "moved", counted)
    monkeypatch.setattr(attack.attacks, "noise", noted)
    monkeypatch.setattr(attack, "transferred", Kept(2**20))
    made = shift.run(config(subjects["teacher"], under, source=source))
    first = said(made)
    assert (moved.count(True), moved.count(False)) == (2, 2)  # no radius, and the one that there is
    RunStore(made.path.parents[1]).remove(made.path)
    assert said(shift.run(config(subjects["teacher"], under, source=source))) == first
    assert (moved.count(True), moved.count(False)) == (2, 4)
    assert noises[:2] == noises[2:]  # what is kept changes no chance that comes after
    shift.run(config(subjects["control"], under, source=subjects["teacher"].path.name))
    assert moved.count(True) == 4  # another source moves the same images in another way
    assert (len(noises), noises[4:]) == (6, noises[:2])


def test_a_source_is_a_part_of_the_name(subjects, attacked):
    alone = shift.run(config(subjects["teacher"]))
    assert alone.id != attacked.id
    assert "transfer_accuracy_at" not in said(alone)["arrays"]
    assert said(alone)["arrays"]["noise_accuracy_at"][0] == said(attacked)["arrays"]["noise_accuracy_at"][0]


def test_an_attack_that_was_stopped_goes_on_with_the_radii_that_are_left(subjects, monkeypatch):
    under = Attack(name="pgd", steps=2, radii=(2.0, 4.0), images=60, seed=5)
    made: list[float] = []
    original = attack.Attempt.logits

    def counted(attempt: attack.Attempt, models: Any):
        made.append(attempt.radius)
        return original(attempt, models)

    monkeypatch.setattr(attack.Attempt, "logits", counted)
    with core.stopping_after(3), pytest.raises(StoppedError):
        shift.run(config(subjects["control"], under))
    assert made == [0.0, 2.0]
    whole = said(shift.run(config(subjects["control"], under)))
    assert made == [0.0, 2.0, 4.0]
    monkeypatch.setattr(attack, "BATCH", 512)
    again = said(shift.run(config(subjects["control"], under.model_copy(update={"name": "other"}))))
    assert again == whole


def test_restarts_keep_what_made_the_model_wrong(subjects):
    images, steps = 80, {"steps": 2, "radii": (6.0,), "images": 80}
    runs = [
        shift.run(config(subjects["control"], Attack(name=f"r{restarts}", restarts=restarts, **steps)))
        for restarts in (1, 4)
    ]
    once, often = (said(run)["arrays"]["accuracy_at"][1] for run in runs)
    assert often <= once
    first, more = (read_arrays(run.path / "predictions.npz", "") for run in runs)
    assert len(first["labels"]) == images
    wrong = first["attacked_predicted"][1] != first["labels"]
    assert (more["attacked_predicted"][1] != more["labels"])[wrong].all()


def test_masked_gradients_are_told():
    found = {"radii": [0.0, 4.0], "accuracy_at": [0.9, 0.8], "noise_accuracy_at": [0.9, 0.85]}
    assert attack.masking(found, UNDER) == []
    found["transfer_accuracy_at"] = [0.9, 0.5]
    assert attack.masking(found, UNDER) == [
        "gradients may be masked: at 4 of 255 an attack on another model leaves less right than pgd"
    ]
