"""The report of studies that are half finished, joined, without any run, or judged on held-out images."""

import json
import re
import shutil

import pandas as pd
import pytest

import saved_studies
from augdistill.report.building import build_report
from augdistill.report.command import study_names, write_report
from augdistill.results.study import SavedStudy


@pytest.mark.slow
def test_a_half_finished_study_has_a_report_that_says_so(tiny, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(tiny, outputs)
    for folder in (outputs / "runs").glob("*cutmix*"):
        (folder / "manifest.json").unlink()
    page = write_report(["tiny"], outputs)[0].read_text()
    assert "missing 1/1" in page
    assert "2 runs missing of 5" in page


def test_a_study_without_any_run_has_a_report(tiny, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(tiny / "studies", outputs / "studies")
    page = write_report(["tiny"], outputs)[0].read_text()
    assert "no two strategies have students in good health to compare" in page
    assert "no run that it is made of is there yet" in page


@pytest.mark.slow
def test_studies_join_on_one_page(tmp_path, data):
    outputs = tmp_path / "outputs"
    saved_studies.write_study_on(data, outputs, "paper-mnist", "study.blocks=2", "study.students_per_teacher=1")
    mirrored = ("study.blocks=1", "study.students_per_teacher=1", "study.aug=[baseline,cutmix]")
    saved_studies.write_study_on(data, outputs, "paper-mirrored", *mirrored)
    page, answers = write_report(["paper-mnist", "paper-mirrored"], outputs)
    assert page == outputs / "studies" / "paper-mnist+paper-mirrored" / "report" / "index.html"
    assert [answer.split(":")[0] for answer in answers] == ["paper-mnist", "paper-mirrored"]
    text = page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {"paper-mnist-table-2", "paper-mirrored-table-6", "claim-paper-mnist-4", "claim-paper-mirrored-10"} <= set(
        ids
    )
    assert "17 claims not tested here" in text
    assert (page.parent / "tables" / "paper-mirrored-table-6.tex").is_file()


@pytest.mark.slow
def test_studies_that_share_runs_say_so_and_count_them_once(tmp_path, data, caplog):
    outputs = tmp_path / "outputs"
    saved_studies.write_study_on(data, outputs, "tiny")
    plan = json.loads((outputs / "studies" / "tiny" / "plan.json").read_text())
    twin = {**plan, "name": "twin", "study": {**plan["study"], "name": "twin"}}
    (outputs / "studies" / "twin").mkdir()
    (outputs / "studies" / "twin" / "plan.json").write_text(json.dumps(twin))
    page, answers = write_report(study_names(["tiny", "twin", "tiny"]), outputs)
    assert caplog.messages == ["tiny is named 2 times: it is reported once"]
    assert [answer.split(":")[0] for answer in answers] == ["tiny", "twin"]
    assert page.parent.parent.name == "tiny+twin"
    runs = sum(stage["kind"] in ("teacher", "student") for stage in plan["stages"])
    for other in ("tiny", "twin"):
        assert f"{runs} of {runs} runs are runs of {other} too" in page.read_text()
    joined = pd.read_csv(page.parent / "results.csv")
    assert not joined.duplicated(["run", "test_set", "metric"]).any()
    assert len(joined) == len(SavedStudy.load("tiny", outputs).results)


@pytest.mark.slow
def test_a_search_is_reported_by_its_held_out_images(tmp_path, data):
    words = ("study.dataset.validation=10", "study.blocks=2", "study.aug=[baseline,cutmix]")
    saved = saved_studies.write_study_on(data, tmp_path / "outputs", "lr-search", *words)
    page, answers = write_report([saved.name], saved.store.outputs)
    assert "on validation split" in answers[0].lower()
    table = (page.parent / "tables" / "table-1.md").read_text()
    assert "Validation split acc." in table
    assert "60.5 ± 0.7 (2)" in table  # 60 % in one block, 61 % in the other


@pytest.mark.parametrize("test_set", ["null", "digits-test"])
def test_a_study_that_names_no_test_set_is_judged_on_its_own(test_set, tmp_path):
    saved = saved_studies.write_study(tmp_path / "outputs", "study=tiny", f"study.test_set={test_set}")
    assert build_report([saved.name], saved.store.outputs).studies[0].headline.answer.startswith("Not known yet")
    assert saved.meta["test_set"] == "digits-test"
