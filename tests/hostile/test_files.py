"""Hostile arrays, weights, archives, images and caches: refused in one line, with nothing run and little memory."""

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

import data_files
from augdistill.base import reading
from augdistill.base.errors import DataError, RunError
from augdistill.base.reading import sha256
from augdistill.data import cifar10, image_folder, mnist, packed
from augdistill.data.download import extract
from augdistill.stages import folders
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run
from augdistill.training import checkpoint
from hostile.corpus import (
    HOSTILE_ARRAYS,
    HOSTILE_SAFETENSORS,
    announcing,
    array,
    bounded_memory,
    evil_pickle,
    idx,
    member,
    npy,
    npz,
    refusal,
    unpacking_to,
    zipped,
)

pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path, monkeypatch):
    """Run a test in a folder of its own, where no marker may be at its end."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    assert not os.listdir(tmp_path / "here")


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", HOSTILE_ARRAYS)
def test_an_array_is_numbers_that_fill_its_file(what, tmp_path) -> None:
    alone = written(tmp_path / "a.npy", HOSTILE_ARRAYS[what])
    inside = written(tmp_path / "a.npz", npz({"logits.npy": HOSTILE_ARRAYS[what]}))
    with bounded_memory():
        for read, path in ((reading.read_array, alone), (reading.read_arrays, inside)):
            with pytest.raises(RunError, match="cannot be read") as raised:
                read(path, "what to do")
            assert refusal(raised.value).startswith(str(path))
            assert str(raised.value).endswith(": what to do")


@pytest.mark.parametrize(
    "content",
    [
        npz({"logits.npy": npy((2**30,), "u1")[:80]}),
        npz({f"{index}.npy": array([1]) for index in range(65)}),
        npz({"../logits.npy": b""}),
        npz({"logits.npy": array([1.0])}, zipfile.ZIP_LZMA),  # its decoder takes what memory the file asks for
        npz({"logits": array([1.0])}),
        announcing(2**31),
        unpacking_to(len(npy((2**31,), "u1")) + 2**31, npy((2**31,), "u1")),
        evil_pickle(),
    ],
    ids=["short", "many", "outside", "lzma", "no array", "announced", "unpacking", "pickle"],
)
def test_an_archive_holds_few_arrays_and_nothing_else(content, tmp_path) -> None:
    with bounded_memory(), pytest.raises(RunError, match="cannot be read") as raised:
        reading.read_arrays(written(tmp_path / "a.npz", content), "what to do")
    refusal(raised.value)


def test_an_archive_that_unpacks_without_end_is_refused_unread(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "MAX_ARRAYS", 2**20)
    bomb = npz({"logits.npy": npy((2**21,), "u1", bytes(2**21))})
    assert len(bomb) < 10_000
    with pytest.raises(RunError, match="it unpacks to more than 64 arrays or 1,048,576 bytes"):
        reading.read_arrays(written(tmp_path / "a.npz", bomb), "")


def test_what_is_no_file_is_not_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    (tmp_path / "zeros").symlink_to("/dev/zero")  # reading it would never end
    for path in (tmp_path / "pipe", tmp_path / "zeros", tmp_path):
        for read in (reading.read_array, reading.read_arrays):
            with pytest.raises(RunError, match="not a file"):
                read(path, "")


def made_run(folder: Path, **files: bytes) -> Run:
    """Return a run whose checksums are right, whatever its files hold."""
    paths = {name: written(folder / name, content) for name, content in files.items()}
    return Run(folder, Manifest.model_construct(files={name: sha256(path) for name, path in paths.items()}))


@pytest.mark.parametrize("what", HOSTILE_SAFETENSORS)
def test_weights_are_the_tensors_of_the_model(what, tmp_path) -> None:
    run = made_run(tmp_path / "run", **{folders.WEIGHTS: HOSTILE_SAFETENSORS[what]})
    with bounded_memory(), pytest.raises(RunError, match="does not hold the model") as raised:
        folders.load_weights(run, nn.Linear(3, 3))
    refusal(raised.value)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"weight": torch.full((3, 3), torch.nan), "bias": torch.zeros(3)}, "NaN or infinite"),
        ({"weight": torch.full((3, 3), torch.inf), "bias": torch.zeros(3)}, "NaN or infinite"),
        ({"weight": torch.zeros(3, 3, dtype=torch.float64), "bias": torch.zeros(3)}, "does not hold the model"),
        ({"weight": torch.zeros(3, 3, dtype=torch.int32), "bias": torch.zeros(3)}, "does not hold the model"),
        ({"weight": torch.zeros(9), "bias": torch.zeros(3)}, "does not hold the model"),
        ({"weight": torch.zeros(3, 3)}, "does not hold the model"),
    ],
)
def test_weights_have_their_shapes_and_types_and_are_finite(state, words, tmp_path) -> None:
    model = nn.Linear(3, 3)
    before = model.weight.clone()
    with pytest.raises(RunError, match=words):
        folders.load_weights(made_run(tmp_path / "run", **{folders.WEIGHTS: save(state)}), model)
    assert torch.equal(model.weight, before)


def hostile_checkpoints() -> dict[str, bytes]:
    model = {f"model.{name}": value for name, value in nn.Linear(3, 3).state_dict().items()}
    good = {"step": 3, "history": [], "facts": {"precision": "fp32", "threads": 1}}

    def made(state: object = good, tensors: dict[str, torch.Tensor] = model) -> bytes:
        return save(tensors, {"state": state if isinstance(state, str) else json.dumps(state)})

    states = [{**good, "step": step} for step in (-1, 1.5, "3", None, 2**70)]
    states += [{**good, "history": rows} for rows in ({}, [1], [{"../x": 1}], [{"loss": "low"}])]
    states += [{**good, "facts": facts} for facts in (None, {}, {"precision": 1, "threads": 1})]
    states += [{key: good[key] for key in good if key != left_out} for left_out in good]
    return {
        **{what: content for what, content in HOSTILE_SAFETENSORS.items() if what != "nothing"},
        "no state": save(model),
        "nested": made("[" * 100_000),
        **{f"state {index}": made(state) for index, state in enumerate(states)},
        "totals": made(tensors={**model, "totals": torch.zeros(9)}),
        "best": made(tensors={**model, "best.weight": torch.zeros(3, 3)}),
        "type": made(tensors={name: value.double() for name, value in model.items()}),
    }


def test_a_checkpoint_is_that_of_its_run(tmp_path) -> None:
    model = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.clone()
    hostile = hostile_checkpoints()
    assert len(hostile) > 30
    for what, content in hostile.items():
        name = f"000000003-{sha256(written(tmp_path / 'content', content))[:16]}.safetensors"
        path = written(tmp_path / what / checkpoint.FOLDER / name, content)
        with bounded_memory():
            assert checkpoint.load_checkpoint(tmp_path / what, model, optimizer) is None, what
        assert path.is_file()
        assert torch.equal(model.weight, before), what


@pytest.mark.parametrize(
    "content",
    [
        zipped(*[member("././@LongLink", tarfile.GNUTYPE_LONGNAME, 4) for _ in range(2000)]),
        zipped(member("p", tarfile.XHDTYPE, 2**40), member("set/a")),
        zipped(member("set/a", tarfile.CONTTYPE, 2**50)),
        zipped(member("set/a", tarfile.GNUTYPE_SPARSE, 512)),
        zipped(member("set/a", tarfile.BLKTYPE)),
        zipped(member("set/" + "a" * 90, tarfile.LNKTYPE, linkname="/etc/passwd")),
        gzip.compress(bytes(2**24)),
        gzip.compress(evil_pickle()),
        zipped(b"\xff" * 512),
        evil_pickle(),
    ],
    ids=["nested", "pax", "huge", "sparse", "device", "link", "zeros", "pickle in gzip", "noise", "pickle"],
)
def test_an_archive_is_unpacked_below_its_folder_or_not_at_all(content, tmp_path) -> None:
    path = written(tmp_path / "archive.tar.gz", content)
    with bounded_memory(), pytest.raises(DataError, match=r"archive\.tar\.gz") as raised:
        extract(path, tmp_path / "in" / "set", "set", max_files=10_000, max_bytes=2**22)
    refusal(raised.value)
    assert {item.name for item in tmp_path.iterdir()} <= {"archive.tar.gz", "here", "in"}


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(idx(0x801, 1_000_000, content=bytes(2**26)), 1),
        gzip.compress(idx(0x801, 2**32 - 1, content=bytes(2**20)), 1),
        gzip.compress(bytes(2**26), 1),
        idx(0x801, 0),
        idx(0x803, 4, 28, 28),
        evil_pickle(),
    ],
)
def test_an_idx_file_is_read_no_further_than_it_says(content, tmp_path) -> None:
    name = "labels.gz" if content[:2] == b"\x1f\x8b" else "labels"
    with bounded_memory(2**27), pytest.raises(DataError) as raised:
        mnist.read_idx(written(tmp_path / name, content), (), None)
    refusal(raised.value)


def test_a_batch_is_plain(tmp_path) -> None:
    for content in (evil_pickle(), b"", HOSTILE_ARRAYS["an array of objects"], b"\x80\x04]r\xff\xff\xff\x7f."):
        with bounded_memory(), pytest.raises(DataError) as raised:
            cifar10.read_batch(written(tmp_path / "data_batch_1", content), None)
        refusal(raised.value)


def image(kind: str, size: tuple[int, int] = (9, 9), mode: str = "RGB", **how: object) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size).save(content, kind, **how)
    return content.getvalue()


UNUSABLE = (  # sound images, but not for a training set
    image("PNG", (20_000, 20_000), "1", compress_level=1),  # 50 kB that would fill 1.2 GB
    image("PNG", (1, 60)),
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("a.png", content) for content in UNUSABLE),
        ("a.png", image("PNG")[:44]),
        ("a.png", image("EPS")),  # Pillow would run another program on it
        ("a.jpg", evil_pickle()),
        ("a.tif", b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(50)),
        ("a.gif", b"GIF89a\xff\xff\xff\xff\xf0\x00\x00"),
        ("a.svg", b"<svg><script>alert(1)</script></svg>"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(name, content, tmp_path) -> None:
    for split in ("train", "test"):
        for label in ("x", "y"):
            written(tmp_path / "set" / split / label / "good.png", image("PNG"))
    bad = written(tmp_path / "set" / "train" / "x" / name, content)
    if content not in UNUSABLE:  # it is left out, and named
        with bounded_memory():
            found = image_folder.read(tmp_path, "train", False, path=str(tmp_path / "set"))
        assert len(found.images) == 2
        assert found.note.startswith("1 left out, ")
        assert f"x/{name}" in found.note
        return
    with bounded_memory(), pytest.raises(DataError, match="cannot be used") as raised:
        image_folder.read(tmp_path, "train", False, path=str(tmp_path / "set"))
    assert str(bad) in refusal(raised.value)


@pytest.mark.parametrize("name", ["line\nbreak", "\x1b[31mred", b"not\xfftext".decode(errors="surrogateescape")])
def test_a_class_folder_that_cannot_be_printed_is_refused(name, tmp_path) -> None:
    for split in ("train", "test"):
        for label in ("x", name):
            written(tmp_path / "set" / split / label / "good.png", image("PNG"))
    with pytest.raises(DataError, match="cannot be printed: rename it") as raised:
        image_folder.source(tmp_path, "train", path=str(tmp_path / "set"))
    assert refusal(raised.value).isprintable()


def packed_set(tmp_path: Path) -> Path:
    """Return the folder of a packed MNIST."""
    from augdistill import data

    data_files.write_mnist(tmp_path / "root")
    data.header("mnist", "test", root=tmp_path / "root", cache=tmp_path / "cache", verify=False)
    (folder,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    return folder


def test_a_cache_made_by_hand_is_not_believed(tmp_path) -> None:
    folder = packed_set(tmp_path)
    assert packed.read_set(folder) is not None
    record = json.loads((folder / packed.HEADER).read_text())
    for change in (
        {"header": {**record["header"], "count": "20"}},
        {"header": {**record["header"], "classes": [1, 2]}},
        {"header": {**record["header"], "mean": ["a"]}},
        {"header": {**record["header"], "count": 0, "shape": [0]}},
        {"sizes": {"../../x": 1}},
        {"source": []},
        {"header": None},
    ):
        (folder / packed.HEADER).write_text(json.dumps({**record, **change}))
        assert packed.read_set(folder) is None
    for name in (packed.IMAGES, packed.LABELS):
        kept = (folder / name).read_bytes()
        for content in HOSTILE_ARRAYS.values():
            (folder / name).write_bytes(content)
            sizes = {**record["sizes"], name: len(content)}
            (folder / packed.HEADER).write_text(json.dumps({**record, "sizes": sizes}))
            with bounded_memory():
                assert packed.read_set(folder) is None
        (folder / name).write_bytes(kept)
    (folder / packed.HEADER).write_text(json.dumps(record))
    assert packed.read_set(folder) is not None


def test_the_bound_on_memory_bites() -> None:
    with bounded_memory(), pytest.raises(MemoryError):
        np.ones(2**28)
