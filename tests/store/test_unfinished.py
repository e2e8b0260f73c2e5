"""What was begun and has no end: it is listed, and can be removed unless somebody works on it."""

import shutil
from pathlib import Path

import pytest

from augdistill.base.errors import HeldError, RequestError, RunError
from augdistill.cli import catalogue, listing
from augdistill.store.identity import Ref
from augdistill.store.runs import RunStore
from augdistill.store.unfinished import progress
from core import flip_bit

LEFT = Ref("teacher", "0123abcd" * 8, "teacher-digits-resnet18-mixup-s7-0123abcd", {})
BANK = Ref("bank", "89abcdef" * 8, "bank-89abcdef89abcdef", {})
LOG = (
    "2026-01-01 10:00:00,123 INFO epoch 1/5: loss 2, ce 2, 100 images/s\n"
    "2026-01-01 10:00:10,456 INFO epoch 2/5: loss 1, ce 1, 100 images/s\n"
)


@pytest.fixture
def store(tiny_study: Path, tmp_path: Path) -> RunStore:
    """A copy of the tiny study's runs, a teacher without an end, and a bank."""
    shutil.copytree(tiny_study / "runs", tmp_path / "runs")
    store = RunStore(tmp_path)
    with store.writing(LEFT) as folder:
        (folder / "log").write_text(LOG)
    (store.banks / BANK.folder / ".checkpoints").mkdir(parents=True)
    return store


def rows(store: RunStore, kind: str | None = None) -> dict[str, str]:
    """Return the status of each run that `runs list` prints, by name or its last eight digits."""
    lines = [line.split() for line in catalogue.list_runs(store, kind).splitlines()[1:] if line]
    return {line[-1]: line[0] for line in lines if line[0] != "state"}


def test_runs_lists_what_has_no_end_after_what_has(store: RunStore) -> None:
    assert list(rows(store).items())[-2:] == [(LEFT.folder, "unfinished"), (BANK.folder, "unfinished")]
    assert len(rows(store)) == 7  # five models
    assert list(rows(store, "teacher").values()) == ["finished", "finished", "unfinished"]
    with store.lock(LEFT):
        assert rows(store)[LEFT.folder] == "running"
    with store.lock(BANK):
        assert BANK.folder not in rows(store)  # its students tell of it
    (store.runs / "teacher-\x1b[2J").mkdir()
    assert "teacher-?[2J" in rows(store)
    shutil.rmtree(store.runs)
    assert list(rows(store)) == [BANK.folder]
    store.remove(store.banks / BANK.folder)
    assert catalogue.list_runs(store, None).startswith("no runs below ")


@pytest.mark.parametrize("ref", [LEFT, BANK], ids=lambda ref: ref.kind)
def test_what_has_no_end_is_removed_unless_somebody_works_on_it(ref: Ref, store: RunStore) -> None:
    path = store.place(ref.folder)
    with store.lock(ref), pytest.raises(HeldError, match=f"{ref.folder} is worked on by .* pid .*: stop that before"):
        listing.remove_run(store, ref.folder)
    assert path.is_dir()
    assert listing.remove_run(store, ref.folder) == f"removed {path}"
    assert ref.folder not in rows(store)
    assert len(rows(store)) == 6


def test_a_damaged_run_is_removed_by_what_its_refusal_says_though_others_came_from_it(store: RunStore) -> None:
    """Whole it is not; damaged it is, and its children stay: it is made again under the same name."""
    run, other = store.all("teacher")
    children = r"\d runs came from teacher-.*: cascade=true removes them before it, dry_run=true lists them"
    with pytest.raises(RequestError, match=children):
        listing.remove_run(store, run.path.name)
    flip_bit(run.path / "weights.safetensors", 1000)
    (other.path / "manifest.json").write_text("{}")
    for damaged, look in ((run, lambda: run.file("weights.safetensors")), (other, lambda: store.find(other.ref))):
        with pytest.raises(RunError) as raised:
            look()
        words = str(raised.value).partition(": augdistill runs remove ")[2].split()
        assert words[:2] == [damaged.path.name, f"outputs={store.outputs}"]
        listing.remove_run(store, words[0])
    assert store.all("teacher") == []
    assert len(store.all()) == 10


def test_a_run_is_removed_with_all_that_came_from_it_children_first(store: RunStore) -> None:
    run, *_ = store.all("teacher")
    would = listing.remove_run(store, run.path.name, dry_run=True).splitlines()
    assert len(store.all()) == 12
    told = listing.remove_run(store, run.path.name, cascade=True).splitlines()
    assert [line.removeprefix("removed ") for line in told] == [line.removeprefix("would remove ") for line in would]
    assert told[-1] == f"removed {run.path}"
    assert len(told) > 3
    left = store.all()
    assert len(left) == 12 - len(told)
    assert all(
        parent in {other.id for other in left} for other in left for parent in other.manifest.document.parents.values()
    )


def test_progress_without_epochs_is_unknown(tmp_path: Path) -> None:
    assert progress(tmp_path / "log") == ("", "")
    (tmp_path / "log").write_text("2026-01-01 10:00:00,123 INFO 1437 images\n")
    assert progress(tmp_path / "log") == ("", "")
    (tmp_path / "log").write_text(LOG.splitlines()[0])
    assert progress(tmp_path / "log") == ("1/5", "")


@pytest.mark.parametrize(
    ("last", "left"),
    [
        ("2026-01-01 10:00:10,1 INFO epoch 2/4:", "0:00:20"),
        ("2026-01-01 09:00:00,1 INFO epoch 2/4:", ""),  # the clock was set back
        ("2026-99-01 10:00:00,1 INFO epoch 2/4:", ""),
        ("9999-12-31 23:59:59,1 INFO epoch 2/999999999:", ""),
        ("0000-00-00 00:00:00,1 INFO epoch 2/4:", ""),
    ],
)
def test_times_in_a_log_may_be_no_times(last, left, tmp_path) -> None:
    (tmp_path / "log").write_text(f"2026-01-01 10:00:00,1 INFO epoch 1/4:\n{last}\n")
    epochs = last.rpartition("/")[2].rstrip(":")
    assert progress(tmp_path / "log") == (f"2/{epochs}", left)


@pytest.mark.parametrize("last", ["x y,1 INFO epoch 2/4:", f"2026-01-01 10:00:10,1 INFO epoch 2/{'9' * 3000}:"])
def test_what_is_no_line_of_a_log_is_passed_over(last, tmp_path) -> None:
    (tmp_path / "log").write_text(f"2026-01-01 10:00:00,1 INFO epoch 1/4:\n{last}\n")
    assert progress(tmp_path / "log")[0] in ("1/4", "")
