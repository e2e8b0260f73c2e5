"""Tiny ImageNet: its training folders as torchvision has them, validation images as they are annotated, refusals."""

import shutil

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from augdistill.base.errors import DataError
from augdistill.data import tiny_imagenet
from data_files import pixels, write_image, write_tiny_imagenet


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder that holds the publisher's, written once."""
    root = tmp_path_factory.mktemp("root")
    write_tiny_imagenet(root)
    return root


@pytest.fixture
def copy(written, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(written, tmp_path / "root")
    return tmp_path / "root" / tiny_imagenet.FOLDER


def test_training_images_are_those_that_torchvision_finds(written) -> None:
    read = tiny_imagenet.read(written, "train", verify=True)
    reference = torchvision.datasets.ImageFolder(written / tiny_imagenet.FOLDER / "train")
    assert read.labels.tolist() == reference.targets
    assert list(read.classes) == reference.classes
    assert [str(path) for path, _ in reference.samples] == list(tiny_imagenet.source(written, "train").files[1:])
    assert np.array_equal(read.images[-1], np.asarray(reference[len(reference) - 1][0]).transpose(2, 0, 1))
    assert read.note == "400 images; the full train set has 100,000"
    assert not read.verified


def test_validation_images_have_the_classes_annotated(written) -> None:
    read = tiny_imagenet.read(written, "test", verify=True)
    folder = written / tiny_imagenet.FOLDER / "val"
    lines = [line.split("\t") for line in (folder / "val_annotations.txt").read_text().splitlines()]
    assert [read.classes[label] for label in read.labels] == [line[1] for line in lines]
    for index in (0, 137):  # grey, three channels of which are equal
        grey = np.asarray(Image.open(folder / "images" / lines[index][0]))
        assert np.array_equal(read.images[index], np.stack([grey] * 3))
    assert read.note == "200 images; the full test set has 10,000"


CLASS = "train/n00007919/images"
ANNOTATED = "val/val_annotations.txt"


@pytest.mark.parametrize(
    ("split", "file", "content", "words"),
    [
        ("train", "wnids.txt", None, r"tiny-imagenet is not in .*fetch tiny-imagenet"),
        ("test", ANNOTATED, None, "is not in"),
        ("train", "wnids.txt", b"n1\n", "does not name 200 classes"),
        ("train", "wnids.txt", b"\xff\n", "is not text in UTF-8"),
        ("train", CLASS, None, "n00007919/images is not there"),
        ("train", CLASS, b"", "n00007919/images is not there"),
        ("test", ANNOTATED, b"", "is empty"),
        ("test", ANNOTATED, b"val_0.JPEG\tn1\t0\n", "expected FILE, CLASS"),
        ("test", ANNOTATED, b"../a\tn00007919\n", "expected FILE, CLASS"),
        ("test", ANNOTATED, b"val_0.JPEG\tn00007919\t0\n", "no test image of n00015838"),
        ("test", "val/images/val_3.JPEG", None, "No such file"),
        ("train", f"{CLASS}/a.JPEG", pixels(1, 32, 64)[0], "it is 64 x 32, not 64 x 64"),
        ("train", f"{CLASS}/a.JPEG", b"GIF89a", "a.JPEG cannot be used"),
    ],
)
def test_a_wrong_folder_is_refused_in_one_line(copy, split, file, content, words) -> None:
    path = copy / file
    if path.is_dir():
        shutil.rmtree(path)
    elif content is None:
        path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        write_image(path, content)
    with pytest.raises(DataError, match=words) as caught:
        read_as_packing_does(copy.parent, split)
    assert "\n" not in str(caught.value)


def read_as_packing_does(root, split) -> None:
    """Look for a split's files, then read it."""
    tiny_imagenet.source(root, split)
    tiny_imagenet.read(root, split, verify=False)
