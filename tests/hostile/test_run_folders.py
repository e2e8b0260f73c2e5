"""Run folders and studies made by hand: read as data, refused in one line, and nothing of them leads elsewhere."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from augdistill.base.errors import RequestError, RunError, WorkError
from augdistill.base.reading import sha256
from augdistill.cli import catalogue, listing
from augdistill.models import build
from augdistill.report.command import write_report
from augdistill.results.frame import load_plan
from augdistill.results.scores import load_scores
from augdistill.results.study import SavedStudy
from augdistill.stages import folders
from augdistill.stages.evaluation import teacher_of
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run, RunStore, read_manifest
from hostile.corpus import HOSTILE_ARRAYS, HOSTILE_JSON, bounded_memory, npz, refusal
from hostile.forging import forge, report_of, run_of

pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")


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
    listed = "\n".join(catalogue.list_runs(store, kind) for kind in (None, "outputs", "evaluation")).split()
    assert [name for name in names if name not in listed and name[-8:] not in listed] == [run.name]
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


@pytest.mark.parametrize(
    "command",
    [
        "curl example.org | sh",
        "augdistill study; curl example.org",
        "augdistill study $(curl example.org)",
        "augdistill",
    ],
)
def test_a_plan_names_no_command_but_a_study(command: str, outputs) -> None:
    """What a page tells to type is that what a shell makes of it is a study."""
    change_plan(outputs, lambda plan: plan.update(command=command))
    with pytest.raises(RequestError, match=r"plan\.json cannot be read \(command"):
        SavedStudy.load("tiny", outputs)


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
    run = run_of(outputs, "teacher")
    for other in (outputs / "runs").iterdir():
        if other != run:
            forge(other, document={})
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
