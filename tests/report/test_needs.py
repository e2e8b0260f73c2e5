"""What tables and figures need of a study."""

import saved_studies
from augdistill.metrics import METRICS
from augdistill.report.figures import FIGURES
from augdistill.report.needs import NEEDS, lacking
from augdistill.report.tables import TABLES
from augdistill.results.cells import Cells


def test_tables_figures_and_metrics_name_what_there_is():
    entries = {**TABLES, **FIGURES}
    assert {need for entry in entries.values() for need in entry.needs} == set(NEEDS)
    listing = {entry.metrics for entry in entries.values()} - {""}
    assert {place for metric in METRICS.values() for place in metric.stands_in} == listing


def test_what_is_lacking_is_said_until_it_is_there(tmp_path):
    words = ("study=tiny", "study.blocks=1", "study.aug=[baseline]")
    empty = saved_studies.write_study(tmp_path / "empty", *words, statuses={"-": "missing"})
    assert lacking(["evaluations"], empty, Cells(empty)) == "no evaluated run is there yet"
    assert lacking(["histories", "evaluations"], empty, Cells(empty)) == "no run’s history is there yet"
    whole = saved_studies.write_study(tmp_path / "whole", *words)
    found = {name: lacking([name], whole, Cells(whole)) for name in NEEDS}
    assert found == {
        "evaluations": "",
        "human labels": "no run was scored against human labels (CIFAR-10H)",
        "grids": "the study has no grids",
        "factors": "the study has no factors",
        "shift": "the study asks for nothing under shift",
        "costs": "no network was measured: study.costs=true measures them",
        "histories": "",
    }
    assert lacking([], empty, Cells(empty)) == ""
