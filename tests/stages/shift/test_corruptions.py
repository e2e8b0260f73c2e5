"""A model under corruptions: the table against a loop over predictions, made images and published ones."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import log_softmax

from augdistill.base.errors import DataError
from augdistill.base.reading import read_arrays
from augdistill.config.jobs import ShiftConfig
from augdistill.config.shift import Corruptions
from augdistill.data import corrupted
from augdistill.shift import CORRUPTIONS
from augdistill.shift.corruptions import corrupt
from augdistill.stages import common, shift
from augdistill.stages.shift import corruptions
from data_files import write_cifar10_c

UNDER = Corruptions(name="made", severities=(1, 4), images=40)


@pytest.fixture(scope="module")
def made(subjects):
    run = subjects["teacher"]
    return run, shift.run(ShiftConfig(run=run.path.name, outputs=str(run.path.parents[1]), under=UNDER))


def test_numbers_are_those_of_predictions_image_by_image(made):
    run, found = made
    said = json.loads((found.path / "metrics.json").read_text())
    kept = read_arrays(found.path / "predictions.npz", "")
    images = common.dataset_images(run.config, "test")
    subject = shift.subject_of(
        ShiftConfig(run=run.path.name, outputs=str(run.path.parents[1]), under=UNDER),
        run,
        run.config.dataset,
        found.path,
        common.resolve("cpu", "fp32", 1),
    )
    labels = images.labels[kept["rows"]]
    assert np.array_equal(kept["labels"], labels)
    assert kept["predicted"].shape == kept["confidence"].shape == (15, 2, 40)
    row = [*CORRUPTIONS].index("fog")
    logs = log_softmax(subject.predict(corrupt(images.images[kept["rows"]], "fog", 4))[0].astype(float), axis=1)
    assert np.array_equal(kept["predicted"][row, 1], logs.argmax(1))
    np.testing.assert_allclose(kept["confidence"][row, 1], np.exp(logs.max(1)), rtol=1e-3)
    np.testing.assert_allclose(kept["label_log_probability"][row, 1], logs[np.arange(40), labels], rtol=2e-3, atol=1e-6)
    arrays = said["arrays"]
    assert arrays["accuracy_under"][row][1] == (logs.argmax(1) == labels).mean()
    assert arrays["nll_under"][row][1] == pytest.approx(-logs[np.arange(40), labels].mean())
    assert said["scalars"]["accuracy"] == pytest.approx((kept["predicted"] == labels).mean())
    assert sum(arrays["reliability"]["counts"]) == 15 * 2 * 40
    shares = np.nan_to_num(np.array(arrays["reliability"]["accuracy"], dtype=float))
    assert shares @ arrays["reliability"]["counts"] == pytest.approx((kept["predicted"] == labels).sum())


def test_the_further_corruptions_are_not_in_the_mean():
    table = {what: np.array([[0.5]] * 15 + [[1.0]]) for what in corruptions.MEASURED}
    assert corruptions.means(table, (*CORRUPTIONS, "spatter"))["accuracy"] == 0.5


def test_published_images_are_mapped_by_their_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(corrupted, "COUNT", 4)
    truth = np.array([0, 1, 2, 0])
    write_cifar10_c(tmp_path, truth)
    trained = SimpleNamespace(root=str(tmp_path), name="cifar10")
    subject = SimpleNamespace(trained=trained, images=SimpleNamespace(labels=truth), rows=np.array([1, 3]))
    under = Corruptions(name="cifar10-c", severities=(2, 5))
    names = corruptions.names_of(under, tmp_path)
    stored = np.load(tmp_path / "CIFAR-10-C" / f"{names[1]}.npy")
    found = {(row, column): pixels for row, column, pixels in corruptions.images_of(subject, under, names)}
    assert len(found) == 16 * 2
    assert np.array_equal(found[1, 1], stored[[4 * 4 + 1, 4 * 4 + 3]].transpose(0, 3, 1, 2))
    subject.images.labels = truth[::-1]
    with pytest.raises(DataError, match="other labels than the test images"):
        next(corruptions.images_of(subject, under, names))
