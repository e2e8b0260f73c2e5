"""The report of real and of synthetic studies: files, page, cautions, provenance, joined studies, from Python."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import saved_studies
from augdistill import api
from augdistill.base.errors import ConfigError, RequestError
from augdistill.base.files import checksum
from augdistill.metrics import score
from augdistill.report.building import build_report
from augdistill.report.command import report, study_names, write_report
from augdistill.report.page.headline import DEPENDS, HELPS, HURTS, OPEN, headline
from augdistill.report.page.html import render
from augdistill.report.page.warnings import study_warnings
from augdistill.results.cells import Cells
from augdistill.results.effects import Effect
from augdistill.results.study import SavedStudy


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def tiny(tiny_study, tmp_path_factory):
    """A copy of the outputs of a real study."""
    folder = tmp_path_factory.mktemp("report") / "outputs"
    shutil.copytree(tiny_study, folder)
    shutil.rmtree(folder / "studies" / "tiny" / "report", ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def tiny_report(tiny):
    page, answers = write_report(["tiny"], tiny)
    assert len(answers) == 1
    return page.parent


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return saved_studies.write_data(tmp_path_factory.mktemp("data"))


def synthetic(outputs, data, name, *words, **changes):
    where = (f"study.dataset.root={data}", "study.dataset.verify=false")
    return saved_studies.write_study(outputs, f"study={name}", *where, *words, **changes)


def test_a_real_study_has_its_page_tables_figures_and_results(tiny, tiny_report):
    found = contents(tiny_report)
    tables = {Path(name).stem for name in found if name.startswith("tables/")}
    assert tables >= {*(f"table-{n}" for n in range(1, 6)), "table-teachers", "table-calibration", "verdicts"}
    for stem in tables:
        assert {f"tables/{stem}.{kind}" for kind in ("csv", "md", "tex")} <= set(found)
    figures = {Path(name).stem for name in found if name.startswith("figures/")}
    assert figures >= {f"figure-{n}" for n in (1, 2, 3, 6, "curves")}  # others need students that did not collapse
    for stem in figures:
        assert {f"figures/{stem}.{kind}" for kind in ("svg", "pdf", "png")} <= set(found)
    rows = list(csv.DictReader(found["results.csv"].decode().splitlines()))
    assert len(rows) == len(SavedStudy.load("tiny", tiny).results) > 200
    assert len({(row["run"], row["test_set"], row["metric"]) for row in rows}) == len(rows)


def test_the_page_needs_nothing_from_elsewhere(tiny_report):
    page = (tiny_report / "index.html").read_text()
    outside = re.findall(r'(?:src|href|data|action)="([^"]*)"', page)
    assert all(not target.startswith(("http", "//", "file")) for target in outside)
    assert not re.search(r"<link[^>]+stylesheet|<script[^>]+src|@import|url\(['\"]?http", page)
    assert "Not known yet: " in page
    assert "augdistill study study=tiny" in page
    assert len(page) < 3e6


def test_every_file_that_the_page_links_to_is_there(tiny_report):
    page = (tiny_report / "index.html").read_text()
    linked = {target for target in re.findall(r'href="([^"#]+)"', page) if not target.startswith("data:")}
    assert len(linked) > 40
    assert [target for target in linked if not (tiny_report / target).is_file()] == []


def test_the_same_results_give_the_same_bytes(tiny, tiny_report):
    before = contents(tiny_report)
    write_report(["tiny"], tiny)
    after = contents(tiny_report)
    assert [name for name in before if before[name] != after.get(name)] == []
    assert set(before) == set(after)


def test_no_model_and_no_torch_is_loaded(tiny, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(tiny, outputs)
    for path in outputs.rglob("weights.safetensors"):
        path.unlink()
    code = f"""
import sys
from augdistill.report.command import report
from pathlib import Path
report("tiny", Path({str(outputs)!r}))
assert not {{"torch", "torchvision", "hydra"}} & set(sys.modules), sorted(sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"report: {outputs / 'studies' / 'tiny' / 'report' / 'index.html'}"


def test_what_an_earlier_report_left_is_removed(tiny, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(tiny, outputs)
    folder = outputs / "studies" / "tiny" / "report"
    for name in ("tables/table-6.csv", "figures/figure-4.svg", "figures/mine.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    write_report(["tiny"], outputs)
    assert not (folder / "tables/table-6.csv").exists()
    assert not (folder / "figures/figure-4.svg").exists()
    assert (folder / "figures/mine.txt").read_text() == "old"


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


def test_the_command_of_the_provenance_repeats_the_study(tiny, tiny_report, run_augdistill):
    """The config written out in full makes the very same runs: all of them are finished."""
    words = ["study", "--config-dir", str(tiny_report / "conf"), "study=tiny-as-run", f"outputs={tiny}", "dry_run=true"]
    ran = run_augdistill(words, tiny.parent)
    assert ran.code == 0, ran.stderr
    planned = {stage.folder for stage in SavedStudy.load("tiny", tiny).plan.stages}
    said = [line.split() for line in ran.stdout.splitlines() if line.split() and line.split()[-1] in planned]
    assert {words[-1] for words in said} == planned
    assert {words[0] for words in said} == {"finished"}


def test_studies_join_on_one_page(tmp_path, data):
    outputs = tmp_path / "outputs"
    synthetic(outputs, data, "paper-mnist", "study.blocks=2", "study.students_per_teacher=1")
    mirrored = ("study.blocks=1", "study.students_per_teacher=1", "study.aug=[baseline,cutmix]")
    synthetic(outputs, data, "paper-mirrored", *mirrored)
    page, answers = write_report(["paper-mnist", "paper-mirrored"], outputs)
    assert page == outputs / "studies" / "paper-mnist+paper-mirrored" / "report" / "index.html"
    assert [answer.split(":")[0] for answer in answers] == ["paper-mnist", "paper-mirrored"]
    text = page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {"paper-mnist-table-2", "paper-mirrored-table-6", "claim-paper-mnist-4", "claim-paper-mirrored-10"} <= set(
        ids
    )
    assert "14 claims not tested here" in text
    assert (page.parent / "tables" / "paper-mirrored-table-6.tex").is_file()


def test_studies_that_share_runs_say_so_and_count_them_once(tmp_path, data, caplog):
    outputs = tmp_path / "outputs"
    synthetic(outputs, data, "tiny")
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


def test_a_search_is_reported_by_its_held_out_images(tmp_path, data):
    words = ("study.dataset.validation=10", "study.blocks=2", "study.aug=[baseline,cutmix]")
    saved = synthetic(tmp_path / "outputs", data, "lr-search", *words)
    page, answers = write_report([saved.name], saved.store.outputs)
    assert "on validation split" in answers[0].lower()
    table = (page.parent / "tables" / "table-1.md").read_text()
    assert "Validation split acc." in table
    assert "0.605 ± 0.007 (2)" in table  # 60 % in one block, 61 % in the other


@pytest.mark.parametrize("test_set", ["null", "digits-test"])
def test_a_study_that_names_no_test_set_is_judged_on_its_own(test_set, tmp_path):
    saved = saved_studies.write_study(tmp_path / "outputs", "study=tiny", f"study.test_set={test_set}")
    assert build_report([saved.name], saved.store.outputs).studies[0].headline.answer.startswith("Not known yet")
    assert saved.meta["test_set"] == "digits-test"


def test_class_names_are_never_markup(tmp_path, data):
    names = ["<script>alert(1)</script>", "a & b", "$5", '"q"', "<img src=x onerror=alert(1)>", *"56789"]
    words = ("study.blocks=1", "study.students_per_teacher=1", "study.aug=[baseline,cutmix]")
    synthetic(tmp_path, data, "paper", *words, classes=names)
    page = render(build_report(["paper"], tmp_path))
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(svg)


def test_cautions_name_what_a_reader_must_know(tmp_path, data):
    words = ("study.blocks=1", "study.students_per_teacher=2", "study.aug=[baseline,cutmix]", "study.teacher.width=8")
    statuses = {"lenet-cutmix-s0": "diverged", "lenet-labels-s1": "collapsed", "alexnet-cutmix-s1": "missing"}
    more = ("study.teacher.optim.select=best-test", "study.distillation.teacher_weights=untrained")
    saved = synthetic(tmp_path, data, "paper", *words, *more, statuses=statuses)
    bf16 = next(place for place in saved.places if place.role == "teacher")
    manifest = saved.store.runs / bf16.folder / "manifest.json"
    changed = json.loads(manifest.read_text().replace('"precision": "fp32"', '"precision": "bf16"'))
    manifest.write_text(json.dumps({**changed, "checksum": checksum(changed)}))
    plan = saved.plan.model_copy(update={"skipped": {"mnist-test": "it is not there"}})
    saved = SavedStudy(plan, saved.store)
    text = "\n".join(study_warnings(saved))
    assert "1 run diverged of 14: LeNet student of CutMix 1 of 2." in text
    assert "1 run collapsed of 14: LeNet student on labels only 1 of 2." in text
    assert "1 run missing of 14: AlexNet student of CutMix 1 of 2." in text
    assert "best on the TEST set (optim.select=best-test): ResNet18." in text
    assert "teachers that were never trained" in text
    assert re.search(r"differ in precision, bf16: 1 arm \(ResNet18 teacher with Baseline\); fp32: \d+ arms", text)
    assert "No evaluation on MNIST: it is not there." in text
    assert re.search(r"cinic10: 30 images; the full test fold has 70,000 \(\d+ of \d+ finished stages\)", text)
    assert "8 channels wide, the paper’s 64" in text
    assert "One block" in text


def test_a_sound_study_needs_no_caution_but_that_its_test_images_are_few(tmp_path):
    saved = saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=2")
    (caution,) = study_warnings(saved)
    assert "300 images, 0.33 points each" in caution


@pytest.mark.parametrize(
    ("differences", "tone", "answer"),
    [
        ([(-2, 0.001), (-3, 0.001)], HURTS, "Yes, on Digits: it hurts in every pairing of strategy and student."),
        ([(-2, 0.001), (1, 0.4)], HURTS, "Yes, on Digits: it hurts in 1 of 2 pairings of strategy and student."),
        ([(2, 0.001), (-1, 0.4)], HELPS, "No, on Digits: it helps in 1 of 2 pairings of strategy and student, and"),
        ([(2, 0.001), (-1, 0.01)], DEPENDS, "It depends on Digits: of 2 differences 1 are clear losses and 1 clear"),
        ([(2, 0.06), (-1, 0.4)], OPEN, "Not shown on Digits: none of 2 differences stands out"),
        ([(2, float("nan"))], OPEN, "Not known yet: a test needs at least two blocks."),
        ([], OPEN, "Not known yet: no two strategies have students in good health"),
    ],
)
def test_the_headline_says_what_the_differences_say(tiny, monkeypatch, differences, tone, answer):
    found = [Effect("lenet", "cutmix", value, value - 1, value + 1, p, p, 3) for value, p in differences]
    monkeypatch.setattr("augdistill.report.page.headline.effects", lambda saved, cells: found)
    saved = SavedStudy.load("tiny", tiny)
    said = headline(saved, Cells(saved), [])
    assert said.tone == tone
    assert said.answer.startswith(answer)
    losses, gains = [v for v, _ in differences if v < 0], [v for v, _ in differences if v > 0]
    assert any("Largest loss: LeNet of CutMix −" in sentence for sentence in said.sentences) == bool(losses)
    assert any("Largest gain: LeNet of CutMix +" in sentence for sentence in said.sentences) == bool(gains)


@pytest.mark.parametrize("study", ["../x", "a/b", "", "..", [], ["a", 3], None])
def test_what_is_no_study_is_refused(study, tmp_path):
    with pytest.raises(ConfigError, match="is not the name of a study"):
        report(study, tmp_path)


def test_an_unknown_study_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(RequestError, match=r"no study nowhere below .*: start it with augdistill study study=nowhere"):
        report("nowhere", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "studies" / "torn").mkdir(parents=True)
    (tmp_path / "studies" / "torn" / "plan.json").write_text('{"name":')
    with pytest.raises(RequestError, match=r"plan.json cannot be read .*: augdistill study study=torn writes it again"):
        report("torn", tmp_path)
    assert study_names(["a", "b", "a"]) == ["a", "b"]


def test_results_and_figures_from_python(tiny):
    results = api.load_results("tiny", tiny)
    assert {"study", "role", "model", "teacher_aug", "block", "test_set", "metric", "value", "status"} <= set(results)
    classes = results[results.metric.str.startswith("class_accuracy[")]
    assert set(classes.metric) == {f"class_accuracy[{digit}]" for digit in range(10)}
    own = results[(results.run == results.run.iloc[0]) & (results.test_set == "digits-test")].set_index("metric").value
    assert own[[f"class_accuracy[{digit}]" for digit in range(10)]].mean() == pytest.approx(own["recall"])
    (figure,) = api.draw("Figure 1", "tiny", tiny)
    assert figure.axes[0].get_title() == "ResNet18 teacher"
    with pytest.raises(RequestError, match="choose one of Effect on students, Effect by cell, Figure 1"):
        api.draw("Figure 9", "tiny", tiny)
    with pytest.raises(RequestError, match="Figure 4 of tiny cannot be drawn: no run was scored against human labels"):
        api.draw("Figure 4", "tiny", tiny)
    with pytest.raises(RequestError, match="no study nowhere"):
        api.load_results("nowhere", tiny)


def test_predictions_are_scored_from_python():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    labels[:4] = range(4)
    expected = score(logits, labels).scalars
    assert api.score_predictions(labels, logits=logits).scalars == pytest.approx(expected, nan_ok=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    from_shares = api.score_predictions(labels.tolist(), probabilities=probabilities.tolist()).scalars
    assert from_shares["nll"] == pytest.approx(expected["nll"])
    assert "human_ce" in api.score_predictions(labels, logits=logits, human=probabilities).scalars
    assert "cohesion_corrected" in api.score_predictions(labels, logits=logits, embeddings=logits).scalars
    for wrong in ({}, {"logits": logits, "probabilities": probabilities}, {"logits": 3.0}, {"logits": logits[:9]}):
        with pytest.raises(RequestError):
            api.score_predictions(labels, **wrong)
