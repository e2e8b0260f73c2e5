"""Tiny synthetic datasets in the publishers' formats, and how tests load them."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from augdistill import data
from augdistill.data import cifar100

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Return random bytes, uint8 [count, *shape]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int, seed: int = 0) -> np.ndarray:
    """Return labels of ten classes, each present from ten on, int64 [count]."""
    return np.random.default_rng(seed).permutation(np.arange(count) % 10)


def python2_batch(data: np.ndarray, **targets: list[int]) -> bytes:
    """Return a batch as Python 2 pickled it, which is how the publisher's files are written (bytes as text)."""
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x04(cnumpy\nndarray\nq\x05K\x00\x85U\x01btRq\x06(K\x01"
    array += b"M" + struct.pack("<H", data.shape[0]) + b"M" + struct.pack("<H", data.shape[1]) + b"\x86"
    array += (
        b"cnumpy\ndtype\nq\x07(U\x02u1K\x00K\x01tRq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    )
    array += b"T" + struct.pack("<i", data.size) + data.tobytes() + b"tb"
    lists = b"".join(
        b"U" + bytes([len(key)]) + key.encode() + b"](" + b"".join(b"K" + bytes([each]) for each in found) + b"e"
        for key, found in targets.items()
    )
    return b"\x80\x02}q\x01(U\x04dataq\x02" + array + lists + b"u."


def write_cifar10(root: Path, per_batch: int = 20, python2: bool = False) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write six batches, and return their images [N, 3, 32, 32] and labels by file name."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    written = {}
    for seed, name in enumerate(BATCHES):
        data, targets = pixels(per_batch, 3072, seed=seed), labels(per_batch, seed)
        content = {"batch_label": name, "labels": targets.tolist(), "data": data, "filenames": ["x.png"] * per_batch}
        packed = python2_batch(data, labels=targets.tolist()) if python2 else pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(packed)
        written[name] = data.reshape(-1, 3, 32, 32), targets
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR_CLASSES}, protocol=2))
    return written


def write_cifar100(root: Path, train: int = 200, test: int = 100, python2: bool = False) -> Path:
    """Write the two files, with fine labels of 100 classes and coarse ones that are a fifth of them; their folder."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate({"train": train, "test": test}.items()):
        fine = np.random.default_rng(seed).permutation(np.arange(count) % 100)
        targets = {"fine_labels": fine.tolist(), "coarse_labels": (fine // 5).tolist()}
        content = {"data": pixels(count, 3072, seed=seed), "filenames": ["x.png"] * count, **targets}
        packed = python2_batch(content["data"], **targets) if python2 else pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(packed)
    names = {"fine_label_names": list(cifar100.CLASSES["fine"])}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    return folder


def write_svhn(root: Path, **changes: object) -> Path:
    """Write the two MATLAB files as the publisher's are, or with other variables, and return their folder."""
    folder = root / "SVHN"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, count) in enumerate({"train": 40, "test": 20}.items()):
        images = pixels(count, 32, 32, 3, seed=seed).transpose(1, 2, 3, 0)
        digits = (labels(count, seed) + 1).astype(np.uint8)[:, None]
        savemat(folder / f"{name}_32x32.mat", {"X": images, "y": digits, **changes}, do_compression=True)
    return folder


def write_cifar10_1(root: Path, version: str = "v6", count: int = 30) -> Path:
    """Write the two array files of a version, and return their folder."""
    folder = root / "cifar-10.1"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"cifar10.1_{version}_data.npy", pixels(count, 32, 32, 3))
    np.save(folder / f"cifar10.1_{version}_labels.npy", labels(count).astype(np.int32))
    return folder


def write_tiny_imagenet(root: Path) -> Path:
    """Write two training and one validation image of each of 200 classes, as they are unpacked; return the folder."""
    folder = root / "tiny-imagenet-200"
    names = [f"n{number * 7919 % 10**8:08}" for number in range(1, 201)]
    lines = []
    for index, name in enumerate(names):
        for number in range(2):
            colour = pixels(1, 64, 64, 3, seed=index)[0] // (number + 1)
            write_image(folder / "train" / name / "images" / f"{name}_{number}.JPEG", colour)
        (folder / "train" / name / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t62\t62\n")
        write_image(folder / "val" / "images" / f"val_{index}.JPEG", pixels(1, 64, 64, seed=index)[0])
        lines.append(f"val_{index}.JPEG\t{names[-1 - index]}\t0\t32\t44\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def idx(values: np.ndarray) -> bytes:
    """Return bytes as an IDX file."""
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def write_mnist(root: Path, train: int = 40, test: int = 20, zipped: bool = False, name: str = "MNIST") -> Path:
    """Write the four IDX files, of MNIST or another of its format, and return their folder."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for seed, (prefix, count) in enumerate((("train", train), ("t10k", test))):
        contents = {
            "images-idx3": pixels(count, 28, 28, seed=seed),
            "labels-idx1": labels(count, seed).astype(np.uint8),
        }
        for kind, values in contents.items():
            path = folder / f"{prefix}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(idx(values)) if zipped else idx(values))
    return folder


def write_image(path: Path, values: np.ndarray) -> None:
    """Write an image, uint8 [H, W] or [H, W, 3], in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def write_cinic10(root: Path, per_class: int = 2) -> Path:
    """Write `per_class` images from ImageNet and one from CIFAR-10 for each class; return the test fold's folder."""
    folder = root / "CINIC-10" / "test"
    for label, name in enumerate(CIFAR_CLASSES):
        for index in range(per_class):
            write_image(folder / name / f"n0000000{label}_{index}.png", pixels(32, 32, 3, seed=10 * label + index))
        write_image(folder / name / f"cifar10-train-{label}.png", pixels(32, 32, 3, seed=999))
    return folder


def human_probabilities(count: int = 10_000) -> np.ndarray:
    """Return random label distributions, float64 [count, 10]."""
    return np.random.default_rng(0).dirichlet(np.full(10, 0.1), size=count)


def write_cifar10h(root: Path, probabilities: np.ndarray) -> Path:
    """Write the file of label distributions and return its path."""
    path = root / "cifar-10h" / "cifar10h-probs.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, probabilities)
    return path


def archive(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a .tar.gz of files by name, or of whatever the given TarInfo says."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    """Return a checksum as torchvision has it."""
    return hashlib.md5(content).hexdigest()


def load(root: Path, name: str = "cifar10", split: str = "train", **params: object) -> data.ImageSet:
    """Return a split of a dataset below `root`, packed beside it."""
    return data.load(name, split, root=root, cache=root / "cache", **{"verify": False, **params})


def packed_folders(root: Path) -> list[Path]:
    """Return the folders of packed splits below `root`."""
    return sorted(path for path in (root / "cache").iterdir() if path.is_dir())


def write_cifar10_c(root: Path, truth: np.ndarray) -> Path:
    """Write CIFAR-10-C for test images with these labels: the 15 corruptions, a further one, the labels."""
    from augdistill.shift import CORRUPTIONS

    folder = root / "CIFAR-10-C"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate([*CORRUPTIONS, "spatter"]):
        np.save(folder / f"{name}.npy", pixels(5 * len(truth), 32, 32, 3, seed=seed))
    np.save(folder / "labels.npy", np.tile(truth, 5))
    return folder
