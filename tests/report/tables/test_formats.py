"""Tables as files: every number in full, and what is special escaped."""

import csv
import io
import shutil
import statistics
import subprocess

import pytest

from augdistill.report.tables import formats
from augdistill.report.tables.layout import Column, Row, Table
from augdistill.results.cells import Cell
from made_tables import made


def tiny_table(**changes):
    cell = Cell("accuracy", "x", (0.5, 0.75), lost="diverged 1/3", published=0.6, best=True)
    values = {
        "key": "table-x",
        "number": "Table 9",
        "title": "A & B_1",
        "row_titles": ("Strategy",),
        "columns": (Column("G%", "<b>a|b</b>"), Column("G%", "c")),
        "rows": (Row(("100 % {x}",), (cell, None)),),
        "notes": ("a note",),
        "remarks": (),
    }
    return Table(**{**values, **changes})


def test_csv_holds_every_number_in_full():
    (row,) = csv.DictReader(io.StringIO(formats.to_csv(tiny_table())))
    assert (float(row["mean"]), int(row["n"]), row["lost"], row["best"]) == (62.5, 2, "diverged 1/3", "1")
    assert (row["unit"], row["below"]) == ("%", "0")
    assert float(row["sd"]) == 100 * statistics.stdev((0.5, 0.75))
    assert float(row["difference"]) == pytest.approx(2.5)
    assert (row["group"], row["column"], row["Strategy"]) == ("G%", "<b>a|b</b>", "100 % {x}")


def test_markdown_and_tex_escape_what_is_special():
    text = formats.to_markdown(tiny_table())
    assert "| G%: &lt;b>a\\|b&lt;/b> |" in text
    assert "**62.5 ± 17.7 (2); paper 60.0 (+2.5); diverged 1/3**" in text
    source = formats.to_tex(tiny_table())
    assert r"\caption{A \& B\_1}" in source
    assert r"\multicolumn{2}{c}{G\%}" in source
    assert r"\textbf{62.5 $\pm$ 17.7 (2)" in source
    assert r"100 \% \{x\}" in source
    assert source.count(r"\toprule") == source.count(r"\midrule") == source.count(r"\bottomrule") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_tex_compiles(paper, tmp_path):
    tables = [made(paper, name) for name in ("Table 1", "Table 3", "Table 5", "Calibration")]
    body = "\n".join(formats.to_tex(table) for table in [*tables, tiny_table()])
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(head + body + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)
