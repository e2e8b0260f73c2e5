"""What all stages share: a log that tells how a run ended, signals, a dataset that is in memory once."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from augdistill.augment import AUGMENTATIONS
from augdistill.augment.normaliser import Normaliser
from augdistill.base.errors import NoMemoryError, StoppedError
from augdistill.base.signals import stop_on_signal
from augdistill.config import parameters
from augdistill.config.checking import check_group
from augdistill.config.groups import Runtime
from augdistill.config.jobs import DatasetAt
from augdistill.data import load
from augdistill.stages import common
from augdistill.stages.common import describe_device
from augdistill.training.batches import TrainingSet, make_batch, one_hot, plan_epoch
from augdistill.training.checkpoint import State
from augdistill.training.device import resolve
from augdistill.training.loop import take_epoch
from data_files import pixels, write_image

log = logging.getLogger("augdistill.stages.test")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried")])
def test_a_smaller_batch_is_advised_where_batches_are_what_fills_the_memory(error, tmp_path: Path) -> None:
    def take(plan: object, index: int) -> None:
        raise error

    plan = SimpleNamespace(offsets=[0, 1])
    recipe = {"schedule": "constant", "lr": 0.1, "warmup_epochs": 0}
    changing = SimpleNamespace(totals=torch.zeros(4), rate=torch.zeros(()), key=torch.zeros(()))
    with pytest.raises(NoMemoryError, match=r"out of memory: a smaller optim\.batch_size needs less"):
        take_epoch(take, plan, changing, State(), recipe, 0, lambda: None)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C as a terminal's program has it, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted(times: int, error: Exception | None = None) -> list[bool]:
    """Press Ctrl-C so often while a stage of a list runs, and end it; return what the stage and the list were told."""
    told = []
    with stop_on_signal() as outer:
        try:
            with stop_on_signal() as inner:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
                    told.append(inner())
                if error is not None:
                    raise error
        finally:
            told.append(outer())
    return told


def test_ctrl_c_asks_to_save_and_its_second_time_does_not_wait(interrupts) -> None:
    with pytest.raises(StoppedError, match="saved"):
        interrupted(1, StoppedError("saved"))
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, AssertionError("it waited"))
    assert interrupted(0) == [False]


def test_a_ctrl_c_too_late_to_save_anything_still_ends_the_command(interrupts) -> None:
    told = []
    with pytest.raises(KeyboardInterrupt), stop_on_signal():
        told += interrupted(1)
    assert told == [True, True]  # and of a list of stages, the next is not begun


def test_a_ctrl_c_that_is_not_ours_stays_with_its_handler(interrupts) -> None:
    """A pool's workers ignore it, and Ray's mean by it that a task was cancelled."""
    seen: list[int] = []
    for handler in (signal.SIG_IGN, lambda number, frame: seen.append(number)):
        signal.signal(signal.SIGINT, handler)
        with stop_on_signal() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop()
    assert seen == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_where_a_run_is_made_is_told_in_words() -> None:
    device = resolve("cpu", "fp32", 1)
    assert describe_device(device) == f"cpu ({device.facts()['hardware']}), precision fp32, threads 1"


STATISTICS = {"mean": [0.5], "std": [0.25]}


def digits(outputs: Path, **changed: object) -> DatasetAt:
    """Return digits without statistics of its own."""
    return DatasetAt(check_group("dataset", {"name": "digits", "size": 8, **changed}), str(outputs))


@pytest.mark.parametrize(("threads", "cores", "warned"), [(2, 1, True), (2, 2, False), (1, 1, False)])
def test_more_threads_than_cores_are_told_with_what_to_type(monkeypatch, caplog, threads, cores, warned) -> None:
    monkeypatch.setattr(common, "usable_cores", lambda: cores)
    before = torch.get_num_threads()
    common.device_of(Runtime(device="cpu", precision="fp32", threads=threads))
    torch.set_num_threads(before)
    said = "2 threads share 1 usable core, which can take many times as long: type runtime.threads=1, in a study study"
    assert (said in caplog.text) == warned
    assert bool(caplog.records) == warned


def test_statistics_are_those_of_the_images_that_train(tmp_path: Path) -> None:
    config = digits(tmp_path, validation=300)
    fold = common.train_val_split(
        config,
        load("digits", "train", root=tmp_path, cache=tmp_path / "cache", size=8).header.fingerprint,
        resolve("cpu", "fp32", 1),
    )
    pixels = fold.training.images.numpy().astype(np.float64) / 255
    assert len(pixels) == 1437 - 300
    found = common.statistics_of(config, fold.images.header)
    assert found["mean"] == pytest.approx([pixels.mean()], abs=1e-12)
    assert found["std"] == pytest.approx([pixels.std()], abs=1e-12)
    assert fold.training.mean.tolist() == fold.held_out.mean.tolist() == pytest.approx(found["mean"])
    everything = fold.images.images.numpy().astype(np.float64) / 255
    assert abs(everything.mean() - pixels.mean()) > 1e-5
    whole = common.dataset_images(digits(tmp_path)).header
    assert whole.mean == pytest.approx([everything.mean()], abs=1e-12)
    given = common.dataset_images(digits(tmp_path, validation=300, **STATISTICS)).header
    assert given == load("digits", "train", root=tmp_path, cache=tmp_path / "cache", size=8).header


@pytest.mark.parametrize("validation", [0, 2])
@pytest.mark.parametrize("constant", [(2,), (0, 1, 2)], ids=["blue", "all"])
def test_a_constant_channel_is_divided_by_1_and_named(tmp_path: Path, caplog, constant, validation) -> None:
    """137 / 255 is no binary fraction, so that its mean over many pixels is off by a rounding; its s.d. must not be."""
    for seed, place in enumerate(f"{split}/{name}/{n}" for split in ("train", "test") for name in "ab" for n in "12"):
        image = pixels(8, 8, 3, seed=seed)
        image[..., constant] = 137
        write_image(tmp_path / "own" / f"{place}.png", image)
    folder = {"name": "image-folder", "path": str(tmp_path / "own"), "channels": 3, "background": "white"}
    config = digits(tmp_path, validation=validation, **folder)
    for split in ("train", "test"):
        images = common.dataset_images(config, split)
        found = common.statistics_of(config, images.header)
        assert [found["std"][channel] for channel in constant] == [1.0] * len(constant)
        assert all(0.1 < found["std"][channel] < 0.5 for channel in set(range(3)) - set(constant))
        data = common.on_device(images, found, resolve("cpu", "fp32", 1))
        normalised = Normaliser(data.mean, data.std, images.header.shape, torch.contiguous_format)(data.images)
        assert normalised.isfinite().all()
        assert normalised[:, list(constant)].abs().max() < 1e-6
    lines = [line for line in caplog.messages if "channel" in line]
    assert lines == [
        f"image-folder: channel {channel + 1} of 3 is 0.537 in every pixel: divided by 1" for channel in constant
    ]


def test_one_image_of_a_class_and_all_images_equal_have_finite_statistics(tmp_path: Path) -> None:
    image = pixels(8, 8, 3)
    for place in ("train/a/1", "train/b/1", "test/a/1", "test/b/1"):
        write_image(tmp_path / "own" / f"{place}.png", image)
    folder = {"name": "image-folder", "path": str(tmp_path / "own"), "channels": 3, "background": "white"}
    found = common.dataset_images(digits(tmp_path, **folder)).header
    assert found.std == pytest.approx((image / 255).std(axis=(0, 1)), abs=1e-12)


def test_pixels_stay_in_the_packed_file(tmp_path: Path) -> None:
    images = load("digits", "train", root=tmp_path, cache=tmp_path, size=16)
    data = common.on_device(images, STATISTICS, resolve("cpu", "fp32", 1))
    assert torch.equal(data.images, torch.from_numpy(np.array(images.images)))
    address, lines = data.images.data_ptr(), Path("/proc/self/maps").read_text().splitlines()
    ranges = [(line, *(int(edge, 16) for edge in line.split()[0].split("-"))) for line in lines]
    (where,) = [line for line, first, last in ranges if first <= address < last]
    assert where.endswith("images.npy")
    packed = Path(images.images.filename).read_bytes()
    data.images[0] = 0
    assert Path(images.images.filename).read_bytes() == packed


def test_arrays_that_are_not_mapped_are_copied() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    images.flags.writeable = False
    found = common.mapped(images)
    assert found.tolist() == images.tolist()
    assert found.data_ptr() != images.ctypes.data


def test_all_rows_in_order_are_no_copy_and_others_are_what_was_asked_for(tmp_path: Path) -> None:
    images = load("digits", "test", root=tmp_path, cache=tmp_path, size=16)
    data = common.on_device(images, STATISTICS, resolve("cpu", "fp32", 1))
    assert data.part(np.arange(len(images.labels))) is data
    rows = np.arange(len(images.labels))[::-1].copy()
    assert torch.equal(data.part(rows).images, data.images.flip(0))
    assert torch.equal(data.part(rows[-3:]).labels, torch.from_numpy(images.labels[[2, 1, 0]]))


@pytest.mark.parametrize(
    "ops",
    [[], *([[name, parameters("aug", name)]] for name in AUGMENTATIONS)],
    ids=lambda ops: ops[0][0] if ops else "baseline",
)
@pytest.mark.parametrize(("channels", "precision"), [(1, "fp32"), (1, "bf16"), (3, "fp32"), (3, "bf16")])
def test_batches_lie_in_memory_as_the_device_wants_it(tmp_path, channels, precision, ops) -> None:
    """Of one channel both formats are one; its strides are those of contiguous memory, by which convolutions go."""
    images = load("digits", "test", root=tmp_path, cache=tmp_path / "cache", size=16, channels=channels)
    device = resolve("cpu", precision, 1)
    data = common.on_device(images, {"mean": [0.5] * channels, "std": [0.5] * channels}, device)
    training = TrainingSet(data.images, one_hot(data.labels, 10), data.mean, data.std, device.memory_format)
    seen = make_batch(training, ops, plan_epoch(training, ops, 0, "teacher", 0, 8, False), 0).images
    evaluated = training.normaliser(data.images[:8])
    last = (channels * 256, 1, channels * 16, channels)
    first = (channels * 256, 256, 16, 1)
    assert seen.stride() == evaluated.stride() == (last if (channels, precision) == (3, "bf16") else first)
