"""`augdistill runs`: a row per model, the values in which they differ, filters, orders and formats."""

import csv
import json
from pathlib import Path

import pytest

import saved_studies
from augdistill.base.errors import AugdistillError
from augdistill.cli.catalogue import difference, list_runs
from augdistill.results.models import differing, models
from augdistill.store.runs import RunStore

GRID = "study.grids=[{distillation.temperature: [1, 4]}]"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two studies that were never trained: of baseline and cutmix with three temperatures, and one of another rate."""
    saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1", GRID)
    saved_studies.write_study(
        tmp_path, "study=tiny", "study.name=slow", "study.blocks=1", "study.students.lenet.optim.lr=0.001"
    )
    return RunStore(tmp_path)


def listed(store: RunStore, **asked: object) -> list[dict[str, str]]:
    return list(csv.DictReader(list_runs(store, form="csv", **asked).splitlines()))  # type: ignore[arg-type]


def test_a_row_is_a_model_with_its_accuracy_and_what_differs(store: RunStore) -> None:
    found = models(store)
    assert {row.run.kind for row in found} == {"teacher", "student"}
    assert all(row.accuracy is not None for row in found)
    keys = differing(found)
    assert {"aug", "distillation.temperature", "optim.lr"} <= {*keys}
    assert "dataset.name" not in keys  # the same in all
    head, first, *_ = list_runs(store).splitlines()
    assert head.split()[:3] == ["status", "accuracy", "kind"]
    assert head.split()[-2:] == ["seconds", "run"]
    assert "T" in head.split()
    assert first.split()[-1] == found[0].run.path.name[-8:]
    assert store.get(first.split()[-1]).id == found[0].run.id


def test_models_are_chosen_by_values_and_studies(store: RunStore) -> None:
    assert len(listed(store, where=["T=4"])) == 2  # two strategies: nothing of the control on labels has a temperature
    both = listed(store, where=["student=lenet", "aug=cutmix"])
    assert [row["run"] for row in both if "cutmix" not in row["run"]] == []
    assert len(listed(store, where=["optim.lr=1e-3"])) == 3
    slow = listed(store, study="slow")
    assert len(slow) == 5
    assert len(listed(store, kind="teacher")) == 2
    assert list_runs(store, where=["T=4", "aug=baseline", "T=1"]) == "no model is so: augdistill runs lists them"


def test_models_are_in_order_of_a_column(store: RunStore) -> None:
    accuracies = [float(row["accuracy"]) for row in listed(store, sort="accuracy")]
    assert accuracies == sorted(accuracies, reverse=True)
    temperatures = [row["T"] for row in listed(store, sort="T")]
    assert [text for text in temperatures if text] == sorted(filter(None, temperatures), key=float)
    assert temperatures[-1] == ""  # of a teacher


def test_json_has_names_in_full(store: RunStore) -> None:
    rows = json.loads(list_runs(store, form="json"))
    assert {row["run"] for row in rows} == {run.path.name for run in store.all() if run.kind in ("teacher", "student")}
    assert isinstance(rows[0]["accuracy"], float)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            {"where": ["TT=4"]},
            r"where=TT=4 names no value of these runs \(did you mean T\?\): as in where=student=lenet",
        ),
        ({"where": ["cutmix"]}, "where=cutmix names no value of these runs"),
        ({"sort": "acuracy"}, r"sort=acuracy is no column \(did you mean accuracy\?\)"),
        ({"form": "xml"}, "format=xml is unknown: choose one of table, csv, json"),
        ({"study": "tny"}, r"no study tny below .* \(did you mean tiny\?\): there are slow, tiny"),
        ({"kind": "teachr"}, r"kind=teachr is unknown \(did you mean teacher\?\)"),
    ],
)
def test_what_cannot_be_listed_is_refused_in_one_line(asked: dict, line: str, store: RunStore) -> None:
    with pytest.raises(AugdistillError, match=line) as raised:
        list_runs(store, **asked)
    assert raised.value.exit_code == 2


def test_two_models_differ_in_what_their_configs_say(store: RunStore) -> None:
    a, b = (
        next(run.path.name for run in store.all("student") if f"-{aug}-" in run.path.name)
        for aug in ("baseline", "cutmix")
    )
    lines = [line.split() for line in difference(store, a, b).splitlines()]
    assert lines[0] == [a, b]
    assert ["aug", "baseline", "cutmix"] in lines
    assert lines[-1][:3] == ["accuracy", "on", "digits-test"]
    assert not [line for line in lines if line[0] == "dataset.name"]
    for words in ((a, None), (a, next(run.path.name for run in store.all("evaluation")))):
        with pytest.raises(AugdistillError, match=r"diff which two runs|is no model"):
            difference(store, *words)
