"""The run store: one writer at a time, and no damaged run taken for a run."""

import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from augdistill.base.errors import HeldError, RequestError, RunError
from augdistill.base.files import write_atomic, write_json
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore, read_manifest
from core import flip_bit

HOLD = """
import sys, time
from pathlib import Path
from augdistill.store.identity import Ref
from augdistill.store.runs import RunStore
with RunStore(Path(sys.argv[1])).writing(Ref("teacher", sys.argv[2], sys.argv[3], {})) as folder:
    print("held", flush=True)
    sys.stdin.read()
"""


PROVENANCE = {
    "versions": {},
    "precision": "fp32",
    "began": "then",
    "ended": "now",
    "seconds": 1.0,
    "parents": {},
    "notes": [],
}


def make_ref(text: str = "one", id: str | None = None, kind: str = "teacher") -> Ref:
    digest = id or hashlib.sha256(text.encode()).hexdigest()
    return Ref(kind, digest, f"{kind}-digits-lenet-baseline-s0-{digest[:8]}", {"made": text, "parents": {}})


def publish(store: RunStore, ref: Ref, status: str = "finished", **facts: object) -> Run:
    with store.writing(ref) as folder:
        write_atomic(folder / "weights.safetensors", f"weights of {ref.id}".encode())
        (folder / "log").write_text("a line\n")
        data = {"classes": ["0", "1"], "statistics": {"mean": [0.5], "std": [0.2]}}
        return store.publish(ref, status, {"seed": 0}, PROVENANCE, **{**data, **facts})


def fail(store: RunStore, ref: Ref, error: Exception) -> None:
    with store.writing(ref) as folder:
        (folder / "log").write_text("a line\n")
        raise error


def temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(".writing-*"))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def test_a_run_is_there_once_its_manifest_is(store: RunStore) -> None:
    ref = make_ref()
    with store.writing(ref) as folder:
        write_atomic(folder / "weights.safetensors", b"half a run")
        assert store.find(ref) is None
        assert store.all() == []
    run = publish(store, ref, collapsed=True)
    assert store.find(ref) == run == Run(store.folder(ref), read_manifest(store.folder(ref)))
    assert (run.id, run.kind, run.status, run.manifest.config, run.ref) == (
        ref.id,
        "teacher",
        "finished",
        {"seed": 0},
        ref,
    )
    assert run.model.collapsed is True
    assert run.manifest.files == {"weights.safetensors": hashlib.sha256(f"weights of {ref.id}".encode()).hexdigest()}


def test_runs_are_listed_by_kind_and_name_and_only_if_they_are_runs(store: RunStore) -> None:
    assert store.all() == []
    made = [publish(store, make_ref(text, kind=kind)) for kind in ("teacher", "student") for text in "abc"]
    (store.runs / "teacher-unfinished").mkdir()
    (store.runs / "teacher-a-file").write_text("no folder")
    assert store.all() == sorted(made, key=lambda run: run.path.name)
    assert {run.kind for run in store.all("student")} == {"student"}
    assert len(store.all("student")) == 3
    assert store.all("teach") == []


def test_a_run_is_got_by_folder_or_the_beginning_of_its_name_or_id(store: RunStore, tmp_path, monkeypatch) -> None:
    first, second = publish(store, make_ref(id="ab" * 32)), publish(store, make_ref(id="ac" * 32))
    monkeypatch.chdir(tmp_path)
    relative = str(first.path.relative_to(tmp_path))
    for name in (
        str(first.path),
        relative,
        first.path.name,
        "ab",
        first.id,
        first.id[:8],
        "s0-" + first.id[:8],
        first.path.name[:-6],
    ):
        assert store.get(name).id == first.id
    assert store.get("ac") == second
    with pytest.raises(RunError, match=r"2 runs are called a below .*: augdistill runs lists them"):
        store.get("a")
    for name in ("b", "teacher", "../..", "/nowhere"):
        with pytest.raises(RunError):
            store.get(name)
    (store.runs / "teacher-unfinished").mkdir()
    with pytest.raises(RunError, match="teacher-unfinished is unfinished: the command that made it goes on with it"):
        store.get("teacher-unfinished")


def test_two_runs_with_the_same_eight_digits_have_folders_of_their_own(store: RunStore) -> None:
    one, two = make_ref(id="0123abcd" + "1" * 56), make_ref(id="0123abcd" + "2" * 56)
    assert one.folder == two.folder
    first = publish(store, one)
    assert store.find(two) is None
    second = publish(store, two)
    assert first.path != second.path
    assert second.path.name == one.folder + "2" * 16
    assert (store.find(one), store.find(two)) == (first, second)
    with pytest.raises(RunError, match="2 runs are called 0123abcd"):
        store.get("0123abcd")
    store.remove(first.path)
    assert store.find(one) is None
    assert store.find(two) == second  # it stays where it is
    assert publish(store, one).path == first.path
    store.remove(second.path)
    assert [run.id for run in store.all()] == [one.id]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"id": 1}',
        '{"format": 1, "id": "x", "kind": "teacher", "status": "finished"}',
        "\x00\xff",
    ],
)
def test_a_damaged_manifest_is_named_and_never_taken_for_a_run(store: RunStore, content: str) -> None:
    run = publish(store, make_ref())
    (run.path / "manifest.json").write_text(content, encoding="latin1")
    for look in (lambda: store.find(make_ref()), lambda: store.get(run.path.name)):
        with pytest.raises(RunError, match=r"augdistill runs remove .* lets it be made again") as raised:
            look()
        assert str(run.path / "manifest.json") in str(raised.value)
        assert "\n" not in str(raised.value)
    assert store.all() == []


def test_a_file_that_changed_since_is_noticed(store: RunStore) -> None:
    run = publish(store, make_ref())
    weights = run.path / "weights.safetensors"
    assert run.file("weights.safetensors") == weights
    flip_bit(weights, 3)
    with pytest.raises(RunError, match=f"is damaged .*: augdistill runs remove {run.path.name}"):
        run.file("weights.safetensors")
    flip_bit(weights, 3)
    assert run.file("weights.safetensors") == weights
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RunError, match="is damaged"):
        run.file("weights.safetensors")
    weights.unlink()
    for name in ("weights.safetensors", "log", "../log"):
        with pytest.raises(RunError, match=f"has no {name}: remove it with augdistill runs remove"):
            run.file(name)


def test_what_a_killed_process_left_is_gone_with_the_next_writer(store: RunStore) -> None:
    ref = make_ref()
    with store.writing(ref) as folder:
        (folder / ".checkpoints").mkdir()
        for leftover in (folder / ".writing-abc", folder / ".checkpoints" / ".writing-def"):
            leftover.write_bytes(b"half")
        (folder / ".checkpoints" / "000000001-ab.safetensors").write_bytes(b"kept")
    assert len(temporaries(folder)) == 2
    publish(store, ref)
    assert temporaries(folder) == []
    assert (folder / ".checkpoints" / "000000001-ab.safetensors").read_bytes() == b"kept"


def test_a_refused_request_leaves_no_folder_and_any_other_failure_keeps_it(store: RunStore) -> None:
    ref = make_ref()
    for error, stays in ((RequestError("no"), False), (OSError("full"), True), (RequestError("no"), True)):
        with pytest.raises(type(error)):
            fail(store, ref, error)
        assert store.folder(ref).is_dir() == stays
    with store.lock(ref, wait=False):  # it was given back each time
        pass


def test_removing_deletes_the_whole_run_and_nothing_elsewhere(store: RunStore, tmp_path: Path) -> None:
    run, other = publish(store, make_ref("a")), publish(store, make_ref("b"))
    elsewhere = publish(RunStore(tmp_path / "elsewhere"), make_ref("c"))
    with pytest.raises(RunError, match=r"is not below .*outputs="):
        store.remove(elsewhere.path)
    assert (elsewhere.path / "weights.safetensors").is_file()
    with store.lock(run.ref), pytest.raises(HeldError):
        store.remove(run.path)
    store.remove(run.path)
    assert not run.path.exists()
    assert store.all() == [other]


def test_a_manifest_proves_itself(store: RunStore) -> None:
    """Every bit of it; a manifest of an older version has no checksum, and is taken as it is."""
    run = publish(store, make_ref(), accuracy=0.5)
    path = run.path / "manifest.json"
    whole = path.read_bytes()
    for offset in range(0, len(whole), 7):
        flip_bit(path, offset)
        try:
            found = store.find(make_ref())
        except RunError as error:
            assert "lets it be made again" in str(error)  # noqa: PT017
        else:
            # The flip is in the checksum's own key: all that is said is what was said.
            assert found is not None
            assert found.manifest == run.manifest
        path.write_bytes(whole)
    path.write_bytes(whole.replace(b'"accuracy": 0.5', b'"accuracy": 0.7'))
    with pytest.raises(RunError, match=r"cannot be read \(its checksum differs\): augdistill runs remove"):
        store.find(make_ref())
    older = {key: value for key, value in json.loads(whole).items() if key != "checksum"}
    write_json(path, older)
    assert store.get(run.path.name).manifest == run.manifest


@pytest.fixture
def holder(store: RunStore):
    ref = make_ref()
    command = [sys.executable, "-c", HOLD, str(store.outputs), ref.id, ref.folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_held_run_says_who_has_it_and_is_taken_over_when_they_die(store: RunStore, holder, caplog) -> None:
    ref = make_ref()
    whose = f"{socket.gethostname()} pid {holder.pid} since 20"
    with pytest.raises(HeldError, match=f"{ref.folder} is held by {whose}.* UTC: wait=true waits for it"):
        store.writing(ref, wait=False).__enter__()
    caplog.set_level(logging.INFO, "augdistill")
    threading.Timer(0.3, holder.send_signal, [signal.SIGKILL]).start()
    with store.writing(ref):
        assert holder.wait(10) == -signal.SIGKILL
        owner = next((store.outputs / "locks").glob("*.owner")).read_text()
        assert f"pid {os.getpid()} " in owner
    assert f"waiting for {ref.folder}, held by {whose}" in caplog.text
    assert not list((store.outputs / "locks").glob("*.owner"))
    with store.writing(make_ref("another"), wait=False):
        pass
