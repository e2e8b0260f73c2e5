"""Documents as they are read: the model of their kind, a need from its list, both checksums of a file written anew."""

from typing import Any

import pytest

from augdistill.base.model import validated
from augdistill.store.documents import JOBS, MANIFESTS, EvaluationJob, EvaluationManifest, ModelManifest, TrainingJob

ID = "0123456789abcdef" * 4
PROVENANCE = {
    "versions": {},
    "precision": "fp32",
    "began": "then",
    "ended": "now",
    "seconds": 1.0,
    "parents": {},
    "notes": [],
}
COMMON: dict[str, Any] = {"format": 1, "id": ID, "status": "finished", "document": {}, "provenance": PROVENANCE}
MODEL = {"kind": "teacher", "config": {}, "classes": ["a"], "statistics": {"mean": [0.5], "std": [1]}, "files": {}}
EVALUATION = {"kind": "evaluation", "config": {"run": "teacher-x"}, "test_set": "digits-test", "files": {}}


def test_a_manifest_is_that_of_its_kind() -> None:
    model = validated(MANIFESTS, {**COMMON, **MODEL, "later": 1})
    assert isinstance(model, ModelManifest)
    assert (model.statistics.std, model.collapsed, model.validation_accuracy) == ((1.0,), False, None)
    evaluation = validated(MANIFESTS, {**COMMON, **EVALUATION})
    assert isinstance(evaluation, EvaluationManifest)
    assert evaluation.config == {"run": "teacher-x"}
    for wrong, place in (({"classes": None}, "classes"), ({"kind": "evaluation"}, "config.run")):
        with pytest.raises(ValueError, match=f"^{place} is missing or not what it must be"):
            validated(MANIFESTS, {**COMMON, **MODEL, **wrong})


def test_a_file_written_anew_may_be_what_it_is_and_what_it_was() -> None:
    written = {"files": {"metrics.json": "new", "log": "a"}, "replaced": {"metrics.json": "old"}}
    manifest = validated(MANIFESTS, {**COMMON, **EVALUATION, **written})
    assert manifest.checksums("metrics.json") == {"new", "old"}
    assert manifest.checksums("log") == {"a"}
    assert manifest.checksums("gone") == set()


def test_a_need_is_a_list_where_it_is_written() -> None:
    job = validated(JOBS, {"kind": "teacher", "config": {"outputs": "x"}, "needs": [["outputs", ID, "outputs-x"]]})
    assert isinstance(job, TrainingJob)
    assert [(need.kind, need.id, need.folder) for need in job.needs] == [("outputs", ID, "outputs-x")]
    assert (job.awaited, job.wait, job.bank) == (True, True, ())
    with pytest.raises(ValueError, match=r"^needs\.0\.folder is missing"):
        validated(JOBS, {"kind": "teacher", "config": {"outputs": "x"}, "needs": [["outputs", ID]]})


def test_the_config_of_an_evaluation_is_checked_and_kept_as_it_was_written() -> None:
    runtime = {"device": "cpu", "threads": 1}
    config: dict[str, object] = {
        "run": "x",
        "test_set": "digits",
        "outputs": "o",
        "root": None,
        "verify": None,
        "normalisation": "own",
    }
    job = validated(JOBS, {"kind": "evaluation", "config": {**config, "runtime": runtime}})
    assert isinstance(job, EvaluationJob)
    assert job.config == {**config, "runtime": runtime}
    for wrong, where in ({"run": None}, "config.run"), ({"later": 2}, "config.later"):
        with pytest.raises(ValueError, match=rf"^{where} is missing or not what it must be"):
            validated(JOBS, {"kind": "evaluation", "config": {**config, **wrong}})
