"""Every reader on changed files: it reads, or refuses in one line; it does not crash, hang or fill the memory.

A few seconds each; the long form tries many more. Examples are the same every time in the short form.
"""

import copy
import gzip
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from torch import nn

import data_files
import saved_studies
from augdistill.base import reading
from augdistill.base.errors import AugdistillError, RequestError
from augdistill.base.reading import sha256
from augdistill.cli import catalogue, listing
from augdistill.config import conf_dir
from augdistill.config.folders import read_plain
from augdistill.data import cifar10, mnist
from augdistill.data.download import extract
from augdistill.data.image_folder import readable_formats, square
from augdistill.data.images import decode_all
from augdistill.metrics import check_predictions
from augdistill.report.page.provenance import provenance
from augdistill.report.page.warnings import study_warnings
from augdistill.results.cells import Cells
from augdistill.results.frame import load_plan
from augdistill.results.scores import load_scores
from augdistill.results.study import SavedStudy
from augdistill.stages import folders
from augdistill.stages.__main__ import read_job
from augdistill.stages.predictions import read_arrays
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run, RunStore, read_manifest
from augdistill.training import checkpoint
from composed import planned
from hostile.corpus import array, bounded_memory, npz, refusal

pytestmark = [
    pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
FORMS = [
    pytest.param(10, id="short"),
    pytest.param(30, id="more", marks=pytest.mark.slow),
    pytest.param(1000, id="long", marks=pytest.mark.long),
]
NEVER_HERE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


def tried(examples: int) -> Any:
    """Return the settings of a test by the number of its examples."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        suppress_health_check=NEVER_HERE,
    )


def survives(read: Callable[[], object]) -> None:
    """Read something hostile: it is read or refused, in bounded memory."""
    with bounded_memory():
        try:
            read()
        except AugdistillError as error:
            refusal(error)


def changed(content: bytes) -> st.SearchStrategy[bytes]:
    """Changes of a file: bytes flipped, inserted, left out, doubled, the end cut off."""

    def apply(edits: list[tuple[str, float, bytes]]) -> bytes:
        found = bytearray(content)
        for kind, where, extra in edits:
            at = int(where * len(found))
            if kind == "insert":
                found[at:at] = extra
            elif kind == "overwrite":
                found[at : at + len(extra)] = extra
            elif kind == "leave out":
                del found[at : at + len(extra)]
            elif kind == "double":
                found[at:at] = found[at : at + 40]
            else:
                del found[at:]
        return bytes(found)

    kinds = st.sampled_from(["insert", "overwrite", "overwrite", "overwrite", "leave out", "double", "cut"])
    telling = [b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", b"../", b"NaN", b'"', b"[", b"{", b"9" * 30, b"\n"]
    extra = st.sampled_from(telling) | st.binary(min_size=1, max_size=8)
    where = st.floats(0, 1, exclude_max=True) | st.floats(0, 0.02)  # headers stand at the beginning
    return st.lists(st.tuples(kinds, where, extra), min_size=1, max_size=4).map(apply)


def image(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(data_files.pixels(12, 12, 3)).save(content, kind)
    return content.getvalue()


def weights_of(path: Path) -> object:
    run = Run(path.parent, Manifest.model_construct(files={path.name: sha256(path)}))
    return folders.load_weights(run, nn.Linear(3, 3))


def checkpoint_of(path: Path) -> object:
    model = nn.Linear(3, 3)
    kept = path.parent / checkpoint.FOLDER / f"000000003-{sha256(path)[:16]}.safetensors"
    kept.parent.mkdir(exist_ok=True)
    shutil.move(path, kept)
    try:
        return checkpoint.load_checkpoint(path.parent, model, torch.optim.SGD(model.parameters(), lr=0.1))
    finally:
        kept.unlink()


def unpacked(path: Path) -> object:
    target = path.parent / "unpacked"
    try:
        return extract(path, target, "set", max_files=20, max_bytes=10**6)
    finally:
        assert {item.name for item in path.parent.iterdir()} <= {path.name, "unpacked"}
        shutil.rmtree(target, ignore_errors=True)


def decoded(path: Path) -> object:
    formats = sorted(set(readable_formats().values()))
    return decode_all([str(path)], (3, 8, 8), lambda found: square(found, 8, "RGB", "white", Counter()), formats)


def batch() -> bytes:
    return data_files.python2_batch(data_files.pixels(2, 3072), labels=[1, 2])


def linear() -> dict[str, torch.Tensor]:
    return {f"model.{name}": value for name, value in nn.Linear(3, 3).state_dict().items()}


ARCHIVE = data_files.archive({"set/a": b"1" * 99, "set/b/c": b"2"})
FACTS = {"device": "cpu", "precision": "fp32", "threads": 1}
STATE = {"step": 3, "history": [{"loss": 1.0}], "facts": FACTS}
READERS: dict[str, tuple[str, bytes, Callable[[Path], object]]] = {
    "batch": ("data_batch_1", batch(), lambda path: cifar10.read_batch(path, None)),
    "idx": ("x", data_files.idx(data_files.pixels(3, 28, 28)), lambda path: mnist.read_idx(path, (28, 28), None)),
    "idx.gz": (
        "x.gz",
        gzip.compress(data_files.idx(data_files.pixels(3, 28, 28) // 64)),
        lambda path: mnist.read_idx(path, (28, 28), None),
    ),
    "tar": (
        "x.tar.gz",
        gzip.compress(gzip.decompress(data_files.archive({"set/a": b"1" * 99, "set/b/c": b"2"})), 0),
        unpacked,
    ),
    "tar.gz": ("x.tar.gz", ARCHIVE, unpacked),
    "npy": ("x.npy", array(np.ones((3, 4), np.float32)), lambda path: reading.read_array(path, "x")),
    "npz": (
        "x.npz",
        npz({"logits.npy": array(np.ones((3, 4))), "labels.npy": array([1, 2, 3])}),
        lambda path: check_predictions(read_arrays(path, 3), np.array([1, 2, 3]), 4),
    ),
    "weights": (folders.WEIGHTS, save(nn.Linear(3, 3).state_dict()), weights_of),
    "checkpoint": ("x", save(linear(), {"state": json.dumps(STATE)}), checkpoint_of),
    "yaml": (
        "x.yaml",
        (conf_dir() / "study" / "paper-mirrored.yaml").read_bytes(),
        lambda path: read_plain(path.parent, path.name),
    ),
    "job": ("x.json", b'{"kind": "teacher", "config": {"outputs": "x"}, "needs": []}', read_job),
    **{
        kind: (
            "x",
            image(kind),
            decoded,
        )
        for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")
    },
}


@pytest.mark.parametrize("examples", FORMS)
@pytest.mark.parametrize("reader", READERS)
def test_a_changed_file(reader: str, examples: int, tmp_path, capsys) -> None:
    name, content, read = READERS[reader]
    (tmp_path / name).write_bytes(content)
    read(tmp_path / name)  # the file itself is read

    @tried(examples)
    @given(changed(content))
    def test(hostile: bytes) -> None:
        (tmp_path / name).write_bytes(hostile)
        survives(lambda: read(tmp_path / name))

    test()


GRID = "study.grids=[{distillation.alpha:[0.1,0.9]}]"
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**40,
    float("inf"),
    "",
    "x",
    "../../x",
    "/etc/passwd",
    "a\nb",
    "<script>x</script>",
    "${oc.env:HOME}",
    "\ud800",
    "\x1b[2J",
    "-inf",
    [],
    {},
    [[]],
    [None],
    {"_target_": "os.system"},
    "9" * 400,
    [1] * 11,
]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))][:3000]


def forged(document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Changes of a document: a value replaced, left out, doubled or put under another key."""
    known = places(document)[1:]

    def apply(edits: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
        found = copy.deepcopy(document)
        for path, kind, value in edits:
            node = found
            for key in path[:-1]:
                try:
                    node = node[key]
                except (KeyError, IndexError, TypeError):
                    break
            else:
                change(node, path[-1], kind, value)
        return found

    edits = st.tuples(
        st.sampled_from(known), st.sampled_from(["replace", "replace", "drop", "add"]), st.sampled_from(VALUES)
    )
    return st.lists(edits, min_size=1, max_size=3).map(apply)


def change(node: Any, key: Any, kind: str, value: Any) -> None:
    """Change one place of a document, if it is still there."""
    value = copy.deepcopy(value)  # else a later change may put it into itself, and into all examples to come
    if isinstance(node, dict):
        if kind == "add":
            node["../" + str(key)] = value
        elif kind == "replace":
            node[key] = value
        else:
            node.pop(key, None)
    elif isinstance(node, list) and isinstance(key, int) and key < len(node):
        if kind == "add":
            node.append(value)
        elif kind == "replace":
            node[key] = value
        else:
            del node[key]


def read_all(outputs: Path) -> None:
    """Read of a study what listings, tables and the words of its page are made of."""
    store = RunStore(outputs)
    catalogue.list_runs(store, None)
    for run in store.all():
        listing.show_run(store, run.path.name)
    saved = SavedStudy.load("tiny", outputs)
    Cells(saved)
    study_warnings(saved)
    provenance(saved, outputs)
    for place in saved.places:
        saved.arrays(place, saved.test_set)
        saved.history(place)
        saved.correct(place.folder, saved.test_set)


DOCUMENTS = ["manifest of a teacher", "manifest of an evaluation", "plan", "metrics"]


@pytest.mark.parametrize("examples", FORMS)
@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_forged_document(what: str, examples: int, made, tmp_path) -> None:
    outputs = tmp_path / "outputs"
    shutil.copytree(made, outputs)
    runs = sorted((outputs / "runs").iterdir())
    run = next(path for path in runs if path.name.startswith("teacher" if "teacher" in what else "evaluation"))
    plan = outputs / "studies" / "tiny" / "plan.json"
    path = plan if what == "plan" else run / ("metrics.json" if what == "metrics" else "manifest.json")
    (run / "config.yaml").write_text("seed: 0\n")
    for other in runs:
        (other / "config.yaml").write_text("seed: 0\n")
    document = json.loads(path.read_text())
    document.pop("checksum", None)
    read_all(outputs)

    @tried(examples)
    @given(forged(document))
    def test(hostile: Any) -> None:
        path.write_text(json.dumps(hostile))
        if what == "metrics":
            manifest = json.loads((run / "manifest.json").read_text())
            manifest["files"]["metrics.json"] = sha256(path)
            manifest.pop("checksum", None)
            (run / "manifest.json").write_text(json.dumps(manifest))
        survives(lambda: read_all(outputs))
        assert sorted(item.name for item in tmp_path.iterdir()) == ["outputs"]

    test()


@pytest.mark.parametrize("examples", FORMS)
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("manifest", lambda path: read_manifest(path.parent)),
        ("plan", lambda path: load_plan(path.parents[2], "tiny")),
        ("metrics", load_scores),
    ],
)
def test_a_changed_document(kind: str, read: Any, examples: int, made, tmp_path) -> None:
    run = next(path for path in (made / "runs").iterdir() if path.name.startswith("evaluation"))
    kept = made / "studies" / "tiny" / "plan.json" if kind == "plan" else run / f"{kind}.json"
    path = tmp_path / "studies" / "tiny" / f"{kind}.json"
    path.parent.mkdir(parents=True)

    @tried(examples)
    @given(changed(kept.read_bytes()))
    def test(hostile: bytes) -> None:
        path.write_bytes(hostile)
        survives(lambda: read(path))

    test()


@pytest.mark.parametrize("examples", FORMS)
def test_a_forged_study(examples: int, tmp_path) -> None:
    composed = saved_studies.composed(
        tmp_path / "outputs", "study=tiny", "study.grids=[{distillation.alpha:[0.1,0.9]}]"
    )
    planned(composed)
    kept = sorted(os.listdir(tmp_path))

    @tried(examples)
    @given(forged(composed["study"]))
    def test(study: Any) -> None:
        survives(lambda: planned({**composed, "study": study}))
        assert sorted(os.listdir(tmp_path)) == kept

    test()


def test_what_is_not_ours_would_be_found(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError):
        survives(lambda: 1 / 0)
    with pytest.raises(AssertionError):
        survives(lambda: (_ for _ in ()).throw(RequestError("MemoryError")))
