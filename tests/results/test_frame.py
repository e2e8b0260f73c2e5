"""A study's results as one table: where each run stands, what became of it, and which cells share it."""

import json

import numpy as np
import pytest

from augdistill.base.errors import RequestError, RunError
from augdistill.results.frame import class_accuracies, load_plan, read_scores, run_status, with_shared
from augdistill.store.documents import ModelManifest
from augdistill.store.runs import Run


def test_every_run_stands_in_its_place_with_what_its_evaluation_measured(saved):
    rows = saved.results
    assert not rows.duplicated(["run", "test_set", "metric"]).any()
    for place in saved.places:
        own = rows[(rows.run == place.folder) & (rows.test_set == "digits-test")].set_index("metric")
        assert set(own.status) == {place.status}
        assert {tuple(row) for row in own[["role", "model", "teacher_aug", "block", "student_seed"]].to_numpy()} == {
            (place.role, place.model, place.teacher_aug, place.block, place.student_seed)
        }
        evaluation = saved.evaluation(place.folder, "digits-test")
        if evaluation is None:  # of a run that diverged or is not there
            assert own.value.isna().all()
            assert own.index.tolist() == ["accuracy"]
        else:
            scalars = json.loads((evaluation.path / "metrics.json").read_text())["scalars"]
            assert own.value["ece"] == scalars["ece"]
            classes = own.value[own.index.str.startswith("class_accuracy[")]
            assert classes.mean() == pytest.approx(scalars["recall"])
    outputs = rows[(rows.test_set == "distillation") & (rows.role == "teacher")]
    assert outputs.run.nunique() == 10
    fidelity = rows[(rows.test_set == "distillation") & (rows.role != "teacher")]
    assert set(fidelity.role) == {"student"}
    assert set(fidelity.metric) == {"teacher_agreement", "teacher_kl", "teacher_stddev"}
    assert set(fidelity.value[fidelity.metric == "teacher_agreement"]) == {0.95}


def test_what_cells_share_stands_in_each_of_them(controls):
    variant = "distillation.transform=rescale"
    whole = with_shared(controls.results, controls.plan)
    main, cell = (
        whole.query("role == 'student' and teacher_aug == 'baseline' and variant == @v and metric == 'nll'")
        for v in ("", variant)
    )
    assert len(cell) == 2
    assert cell.value.tolist() == main.value.tolist()
    assert not len(controls.results.query("teacher_aug == 'baseline' and variant == @variant"))


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        ("finished", {"training_accuracy": 0.9, "dead_units": 0.0}, "finished"),
        ("finished", {"training_accuracy": 0.14, "dead_units": 0.0}, "collapsed"),  # 1.5 times chance is 0.15
        ("finished", {"training_accuracy": 0.9, "dead_units": 0.2}, "dead units"),
        ("finished", {"collapsed": True}, "collapsed"),  # as versions say that measured nothing
        ("diverged", {"training_accuracy": 0.9, "dead_units": 0.0}, "diverged"),
    ],
)
def test_a_run_is_called_by_what_it_measured(status, facts, expected, saved):
    run = saved.places[1].run
    plain = {"training_accuracy": None, "dead_units": None, "collapsed": False}
    manifest = run.manifest.model_copy(update={"status": status, **plain, **facts})
    assert isinstance(manifest, ModelManifest)
    assert run_status(Run(run.path, manifest)) == expected
    assert run_status(Run(run.path, manifest), keeps_dead=False) == expected.replace("dead units", "collapsed")
    assert run_status(None) == "missing"


def test_scores_of_other_classes_are_refused(saved):
    run = saved.scored[0][1]
    scores = read_scores(run, saved.classes)
    assert class_accuracies(scores, saved.classes)["class_accuracy[cat]"] == scores.arrays["class_accuracy"][3]
    assert np.isfinite(list(class_accuracies(scores, saved.classes).values())).all()
    assert class_accuracies(scores, ()) == {}
    with pytest.raises(RunError, match="is about 10 classes, not 2: augdistill runs remove"):
        read_scores(run, ("a", "b"))


def test_a_plan_of_another_study_is_refused(saved, tmp_path):
    folder = tmp_path / "studies" / "other"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text((saved.folder / "plan.json").read_text())
    with pytest.raises(RequestError, match=r"is the plan of another study, quickstart: augdistill study study=other"):
        load_plan(tmp_path, "other")
    with pytest.raises(RequestError, match=r"no study othr below .* \(did you mean other\?\)"):
        load_plan(tmp_path, "othr")
