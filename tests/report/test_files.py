"""The files beside the page: which there are, the same bytes each time, and none of an earlier report."""

import csv
import shutil
from pathlib import Path

import pytest

from augdistill.report.command import write_report
from augdistill.results.study import SavedStudy


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(tiny, tiny_report):
    before = contents(tiny_report)
    write_report(["tiny"], tiny)
    after = contents(tiny_report)
    assert [name for name in before if before[name] != after.get(name)] == []
    assert set(before) == set(after)


@pytest.mark.slow
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
