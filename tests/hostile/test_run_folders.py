"""Run folders and studies made by hand: read as data, refused in one line, and nothing of them leads elsewhere."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

import saved_studies
from augdistill.base.errors import AugdistillError, RequestError, RunError, WorkError
from augdistill.base.locks import held, holder
from augdistill.base.reading import sha256
from augdistill.cli import listing
from augdistill.models import build
from augdistill.report.command import write_report
from augdistill.report.page.provenance import provenance
from augdistill.results.frame import load_plan
from augdistill.results.scores import load_scores
from augdistill.results.study import SavedStudy
from augdistill.stages import folders
from augdistill.stages.common import run_log
from augdistill.stages.evaluation import teacher_of
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run, RunStore, read_manifest
from augdistill.store.unfinished import progress
from augdistill.training import checkpoint
from hostile.corpus import HOSTILE_ARRAYS, HOSTILE_JSON, bounded_memory, npz, refusal

pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The outputs folder of a synthetic study of ten stages; tests work on copies."""
    outputs = tmp_path_factory.mktemp("made") / "outputs"
    saved_studies.write_study(outputs, "study=tiny")
    return outputs


@pytest.fixture
def outputs(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "outputs")
    return tmp_path / "outputs"


def run_of(outputs: Path, kind: str) -> Path:
    return next(path for path in sorted((outputs / "runs").iterdir()) if path.name.startswith(kind))


def forge(run: Path, **changed: Any) -> None:
    """Change a run's manifest and make all checksums right, as a forger would."""
    path = run / "manifest.json"
    manifest = {**json.loads(path.read_text()), **changed}
    if "files" not in changed:
        manifest["files"] = {name: sha256(run / name) for name in manifest["files"]}
    manifest.pop("checksum", None)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("what", HOSTILE_JSON)
def test_a_manifest_is_strict_json_of_the_right_form(what, outputs) -> None:
    run = run_of(outputs, "teacher")
    (run / "manifest.json").write_bytes(HOSTILE_JSON[what])
    with bounded_memory():
        for look in (read_manifest, lambda path: RunStore(outputs).get(str(path))):
            with pytest.raises(RunError, match=r"augdistill runs remove .* lets it be made again") as raised:
                look(run)
            assert str(run / "manifest.json") in refusal(raised.value)


def test_one_bad_manifest_hides_no_other_run(outputs, caplog, capsys) -> None:
    """It is listed by nobody, named in one line, and what verify counts."""
    store, run = RunStore(outputs), run_of(outputs, "teacher")
    names = [other.path.name for other in store.all()]
    forge(run, id="../../../x")
    listed = listing.list_runs(store, None)
    assert [name for name in names if name not in listed.split()] == [run.name]
    (line,) = caplog.messages
    assert line.startswith(
        f"passed over: {run / 'manifest.json'} cannot be read (id is missing or not what it must be)"
    )
    with pytest.raises(WorkError, match="1 damaged"):
        listing.verify_runs(store, None)
    assert len([line for line in capsys.readouterr().out.splitlines() if str(run / "manifest.json") in line]) == 1


FORGED: list[tuple[str, Any]] = [
    *[("id", wrong) for wrong in ("../../../x", "a" * 63, "A" * 64, "a" * 64 + "\n", 1, None)],
    *[("kind", wrong) for wrong in ("../teacher", "common", ["teacher"], None)],
    *[("status", wrong) for wrong in ("running", "<b>", 1, ["finished"])],
    *[("config", wrong) for wrong in (None, [], "x")],
    *[("document", wrong) for wrong in (None, {"parents": {"teacher": "../x"}}, {"parents": []}, {"data": 1})],
    *[("files", wrong) for wrong in ({"../x": "0"}, {"/etc/passwd": "0"}, {"a/b": "0"}, {"x": 1}, [], {"": "0"})],
    *[("classes", wrong) for wrong in (None, "abc", [1], ["a\nb"], ["\x1b[31m"])],
    *[("statistics", wrong) for wrong in (None, {"mean": ["x"], "std": [1.0]}, {"mean": [10**400], "std": [1]})],
    ("format", 2),
    ("collapsed", "no"),
    ("validation_accuracy", "high"),
    ("provenance", None),
]


@pytest.mark.parametrize(("key", "value"), FORGED, ids=lambda value: repr(value)[:40])
def test_a_manifest_made_by_hand_is_refused_by_its_place(key, value, outputs) -> None:
    run = run_of(outputs, "teacher")
    forge(run, **{key: value})
    with pytest.raises(RunError, match="missing or not what it must be") as raised:
        read_manifest(run)
    assert key in refusal(raised.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("seconds", wrong) for wrong in ("1", None, float("1e999"), [1])],
        *[("parents", wrong) for wrong in ({"teacher": "../../x"}, {"teacher": None}, [])],
        *[("versions", wrong) for wrong in (None, {"torch": 2}, [])],
        *[("notes", wrong) for wrong in ("x", [1])],
        *[(key, 5) for key in ("ended", "began", "precision")],
    ],
)
def test_provenance_made_by_hand_is_refused_by_its_place(key, value, outputs) -> None:
    run = run_of(outputs, "student")
    text = json.loads((run / "manifest.json").read_text())["provenance"]
    if value == float("inf"):
        value = 0  # strict JSON has no infinity; a number too large for one has it all the same
        forge(run, provenance={**text, key: "INFINITE"})
        path = run / "manifest.json"
        path.write_text(path.read_text().replace('"INFINITE"', "1e999"))
    else:
        forge(run, provenance={**text, key: value})
    with pytest.raises(RunError, match=rf"provenance\.{key}") as raised:
        read_manifest(run)
    refusal(raised.value)


@pytest.mark.parametrize("name", ["manifest.json", "metrics.json", "history.csv"])
def test_a_pipe_or_device_in_a_run_is_not_opened(name, outputs) -> None:
    run = run_of(outputs, "student" if name == "history.csv" else "evaluation")
    for replace in (os.mkfifo, lambda path: os.symlink("/dev/zero", path), os.mkdir):
        (run / name).unlink() if (run / name).is_symlink() or not (run / name).is_dir() else (run / name).rmdir()
        replace(run / name)
        with pytest.raises(AugdistillError) as raised:
            report_of(outputs)
        refusal(raised.value)


def report_of(outputs: Path) -> SavedStudy:
    """Read all that a report reads of a study but what figures alone need."""
    saved = SavedStudy.load("tiny", outputs)
    assert len(saved.results)
    for place in saved.places:
        saved.arrays(place, saved.test_set)
        saved.history(place)
        saved.correct(place.folder, saved.test_set)
        saved.predictions(place.folder, saved.test_set, "embeddings", "labels")
    return saved


def change_plan(outputs: Path, change: Any) -> None:
    path = outputs / "studies" / "tiny" / "plan.json"
    plan = json.loads(path.read_text())
    change(plan)
    path.write_text(json.dumps(plan))


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(name="../../../x"),
        lambda plan: plan.update(name="other"),
        lambda plan: plan.update(stages={}),
        lambda plan: plan.update(skipped=[1]),
        lambda plan: plan["stages"][0].update(folder="../../x"),
        lambda plan: plan["stages"][0].update(id="x"),
        lambda plan: plan["stages"][0].update(kind="../x"),
        lambda plan: plan["stages"][0]["arm"].update(block="1"),
        lambda plan: plan["stages"][0]["arm"].update(model="<b>\n"),
        lambda plan: plan["stages"][0]["job"].update(config=None),
        lambda plan: plan["stages"][-1]["job"]["config"].update(run="../x"),
        lambda plan: plan["stages"][-1]["arm"].pop("test_set"),
        lambda plan: plan["study"].update(students={"x": {"name": "../../x", "optim": {}}}),
        lambda plan: plan["study"].update(teacher={"name": "$(x)", "optim": {}}),
        lambda plan: plan["study"].update(aug=["../x"]),
        lambda plan: plan["study"].update(blocks="many"),
        lambda plan: plan["study"].update(note="${oc.env:HOME}"),
        lambda plan: plan["study"].pop("dataset"),
    ],
)
def test_a_plan_made_by_hand_is_refused_and_writes_nothing_elsewhere(change, outputs) -> None:
    change_plan(outputs, change)
    with pytest.raises(RequestError, match=r"plan\.json") as raised:
        write_report(["tiny"], outputs)
    refusal(raised.value)
    assert [path.name for path in outputs.parent.iterdir()] == ["outputs"]
    assert [path.name for path in (outputs / "studies").iterdir()] == ["tiny"]


@pytest.mark.parametrize("name", ["../x", "/etc", "..", ".", "", "a/b", "a\n", "<b>"])
def test_a_report_is_of_a_study_by_name(name, tmp_path) -> None:
    with pytest.raises(RequestError) as raised:
        load_plan(tmp_path, name)
    refusal(raised.value)


def test_a_plan_names_no_command(outputs) -> None:
    """What a page tells to type follows from the study's name alone."""
    change_plan(outputs, lambda plan: plan.update(command="curl example.org | sh"))
    made = provenance(SavedStudy.load("tiny", outputs), outputs)
    assert made.command == "augdistill study study=tiny"


def write_scores(outputs: Path, change: Any) -> None:
    run = run_of(outputs, "evaluation")
    scores = json.loads((run / "metrics.json").read_text())
    change(scores)
    (run / "metrics.json").write_text(json.dumps(scores))
    forge(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda scores: scores["scalars"].update(accuracy="high"),
        lambda scores: scores["scalars"].update(accuracy=[1]),
        lambda scores: scores["scalars"].update({"<script>": 1.0}),
        lambda scores: scores.update(scalars=[]),
        lambda scores: scores.update(arrays=None),
        lambda scores: scores.pop("scaling"),
        lambda scores: scores["arrays"].update(class_accuracy=[0.5] * 9),
        lambda scores: scores["arrays"].update(confusion=[[1]] * 10),
        lambda scores: scores["arrays"].update(confusion=[["1"] * 10] * 10),
        lambda scores: scores["arrays"].update(class_means=5),
        lambda scores: scores["arrays"]["reliability"].update(counts=[1] * 9),
        lambda scores: scores["arrays"]["reliability"].pop("accuracy"),
        lambda scores: scores["arrays"].update(
            {name: [[1.0] * 4] * 4 for name in ("confusion", "class_means")}, class_accuracy=[1.0] * 4
        ),
    ],
)
def test_metrics_made_by_hand_are_refused(change, outputs) -> None:
    write_scores(outputs, change)
    with pytest.raises(RunError, match=r"metrics\.json") as raised:
        report_of(outputs)
    refusal(raised.value)


@pytest.mark.parametrize("what", HOSTILE_JSON)
def test_metrics_are_strict_json(what, tmp_path) -> None:
    (tmp_path / "metrics.json").write_bytes(HOSTILE_JSON[what])
    with bounded_memory(), pytest.raises(RunError, match="cannot be read") as raised:
        load_scores(tmp_path / "metrics.json")
    refusal(raised.value)


@pytest.mark.parametrize(
    "text",
    ["epoch,loss\n0,low\n", "epoch\n1,2,3\n", "a" * 200_000, "epoch\n\x00\n", "epoch,loss\n0,\udcff\n", "e\n1_\n"],
)
def test_a_history_holds_numbers(text, outputs) -> None:
    run = run_of(outputs, "teacher")
    (run / "history.csv").write_bytes(text.encode(errors="surrogateescape"))
    forge(run)
    with suppress(RunError):  # a file of headings alone holds no number that could be wrong
        saved = report_of(outputs)
        rows = [row for place in saved.places for row in saved.history(place)]
        assert all(type(value) is float for row in rows for value in row.values())


def arrays(**changed: Any) -> bytes:
    """Return predictions.npz of 300 images, with arrays changed, or bytes instead of them."""
    import io

    values = {"logits": np.eye(10, dtype=np.float32)[np.arange(300) % 10], "labels": np.arange(300) % 10, **changed}
    kept = {name: value for name, value in values.items() if not isinstance(value, bytes)}
    raw = {f"{name}.npy": value for name, value in values.items() if isinstance(value, bytes)}
    content = {}
    for name, value in kept.items():
        file = io.BytesIO()
        np.save(file, value)
        content[f"{name}.npy"] = file.getvalue()
    return npz({**content, **raw})


@pytest.mark.parametrize(
    "changed",
    [
        {"logits": np.zeros((299, 10), np.float32)},
        {"logits": np.zeros((300, 9), np.float32)},
        {"logits": np.zeros(300, np.float32)},
        {"logits": np.full((300, 10), np.nan, np.float32)},
        {"logits": np.zeros((300, 10), np.int64)},
        {"labels": np.full(300, 10)},
        {"labels": np.full(300, -1)},
        {"labels": np.zeros(300)},
        {"labels": np.zeros((300, 1), int)},
        {"labels": np.int64(3), "logits": np.float32(3)},
        {"embeddings": np.zeros((2, 3), np.float32)},
        {"embeddings": np.full((300, 3), np.inf, np.float32)},
        *({"logits": content} for content in HOSTILE_ARRAYS.values()),
    ],
)
def test_predictions_made_by_hand_are_refused(changed, outputs) -> None:
    run = next(path for path in (outputs / "runs").glob("evaluation-*student*"))
    (run / "predictions.npz").write_bytes(arrays(**changed))
    forge(run)
    with bounded_memory(), pytest.raises(RunError, match=r"predictions\.npz") as raised:
        report_of(outputs)
    refusal(raised.value)


def test_what_runs_say_is_printed_without_escapes(outputs) -> None:
    run = run_of(outputs, "teacher")
    (run / "config.yaml").write_bytes(b"a: \x1b]0;title\x07\x1b[2J\xff\n")
    text = json.loads((run / "manifest.json").read_text())["provenance"]
    forge(run, provenance={**text, "notes": ["\x1b[31m", "\r\x9b2J"]})
    shown = listing.show_run(RunStore(outputs), run.name)
    assert "title" in shown
    assert all(mark.isprintable() or mark == "\n" for mark in shown)


def no_file(path: Path, what: str) -> None:
    """Put a pipe, a device without end or a folder where a file should be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make = {"pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/zero", path), "folder": os.mkdir}
    make[what](path)


NO_FILES = ("pipe", "device", "folder")


@pytest.mark.parametrize("what", NO_FILES)
def test_a_listing_opens_no_log_and_no_note_that_is_no_file(what, outputs) -> None:
    name = "teacher-digits-resnet18-x-s0-01234567"
    no_file(outputs / "runs" / name / "log", what)
    no_file(outputs / "locks" / "0123456701234567.owner", what)
    with bounded_memory():
        assert f"unfinished                  {name}" in listing.list_runs(RunStore(outputs), None)


@pytest.mark.parametrize("what", [*NO_FILES, "link"])
def test_a_run_writes_into_no_log_that_is_no_file(what, tmp_path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    if what == "link":
        (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    else:
        no_file(tmp_path / "log", what)
    with pytest.raises(RunError, match="no regular file") as raised, run_log(tmp_path):
        pass
    refusal(raised.value)
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_lock_takes_the_place_of_a_note_that_leads_elsewhere(tmp_path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    for what in ("link", "pipe"):
        owner = tmp_path / "locks" / "a.owner"
        owner.parent.mkdir(exist_ok=True)
        os.symlink(tmp_path / "elsewhere", owner) if what == "link" else os.mkfifo(owner)
        with held(tmp_path / "locks", "a", "a run"):
            assert f"pid {os.getpid()} since" in (holder(tmp_path / "locks", "a") or "")
    assert (tmp_path / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize("what", [*NO_FILES, "terabytes"])
def test_a_checkpoint_that_is_no_file_is_passed_over(what, tmp_path, caplog) -> None:
    model = nn.Linear(3, 3)
    path = tmp_path / checkpoint.FOLDER / "000000003-0123456789abcdef.safetensors"
    if what == "terabytes":
        path.parent.mkdir()
        sparse(path)
    else:
        no_file(path, what)
    with bounded_memory():
        assert checkpoint.load_checkpoint(tmp_path, model, torch.optim.SGD(model.parameters(), lr=0.1)) is None
    assert [str(path) in line for line in caplog.messages] == [True]


def sparse(path: Path) -> None:
    """Make a file of ten terabytes that takes no space."""
    path.touch()
    os.truncate(path, 10 * 2**40)


def test_no_file_of_terabytes_is_read(outputs, capsys) -> None:
    store = RunStore(outputs)
    runs = [run_of(outputs, kind) for kind in ("teacher", "student", "evaluation")]
    names = ["history.csv", "history.csv", "metrics.json"]
    for run, name in zip(runs, names, strict=True):
        sparse(run / name)
    with bounded_memory(), pytest.raises(WorkError, match="3 damaged"):
        listing.verify_runs(store, None)
    assert capsys.readouterr().out.count("is damaged (larger than 17,179,869,184 bytes)") == 3
    with pytest.raises(RunError, match="larger than") as raised:
        store.get(runs[0].name).file("history.csv")
    refusal(raised.value)
    sparse(runs[0] / "manifest.json")
    sparse(outputs / "studies" / "tiny" / "plan.json")
    assert f"  {runs[0].name}\n" not in listing.list_runs(store, None)
    with bounded_memory(), pytest.raises(RequestError, match="larger than"):
        load_plan(outputs, "tiny")


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


@pytest.mark.parametrize("text", ["\ud800", "a\udc80b", "\udc00\ud800"])
def test_text_that_is_no_unicode_is_refused_wherever_it_stands(text, outputs) -> None:
    change_plan(outputs, lambda plan: plan["skipped"].update(digits=text))
    with pytest.raises(RequestError, match=r"plan\.json cannot be read \(skipped\.digits is no Unicode") as raised:
        write_report(["tiny"], outputs)
    refusal(raised.value)
    change_plan(outputs, lambda plan: plan["skipped"].pop("digits"))
    run = run_of(outputs, "teacher")
    kept = json.loads((run / "manifest.json").read_text())["provenance"]
    forge(run, provenance={**kept, "notes": [text]})
    with pytest.raises(RunError, match="no Unicode"):
        read_manifest(run)
    forge(run, provenance={**kept, "notes": ["\U0001f600 ü"]})  # as JSON a pair of surrogates, and text
    assert RunStore(outputs).get(run.name).manifest.provenance.notes == ("\U0001f600 ü",)


def test_a_run_without_parents_keeps_nothing_from_being_removed(outputs) -> None:
    for other in ("student", "evaluation"):
        forge(run_of(outputs, other), document={})
    run = run_of(outputs, "teacher")
    assert listing.remove_run(RunStore(outputs), run.name) == f"removed {run}"


def test_teachers_form_no_circle(outputs) -> None:
    store, teacher, student = RunStore(outputs), run_of(outputs, "teacher"), run_of(outputs, "student")
    for run, named in ((teacher, teacher), (student, student)):
        made = json.loads((run / "manifest.json").read_text())["provenance"]
        forge(run, provenance={**made, "parents": {"teacher": named.name}})
    assert teacher_of(store.get(teacher.name), store) is None
    with pytest.raises(RunError, match="for a teacher, which is none") as raised:
        teacher_of(store.get(student.name), store)
    refusal(raised.value)


def test_a_model_of_another_width_is_refused_before_it_takes_memory(tmp_path) -> None:
    """ResNet18 of width 1,024 has 2.9 thousand million weights, 11 GB."""
    model = build("resnet18", (1, 8, 8), 10, seed=0, width=4)
    (tmp_path / folders.WEIGHTS).write_bytes(save(model.state_dict()))
    run = Run(tmp_path, Manifest.model_construct(files={folders.WEIGHTS: sha256(tmp_path / folders.WEIGHTS)}))
    with bounded_memory(), pytest.raises(RunError, match="does not hold the model of its config") as raised:
        folders.load_model(run, lambda: build("resnet18", (1, 8, 8), 10, seed=0, width=1024))
    refusal(raised.value)
    loaded = folders.load_model(run, lambda: build("resnet18", (1, 8, 8), 10, seed=1, width=4))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())
