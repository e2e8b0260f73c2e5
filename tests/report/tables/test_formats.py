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
    source = formats.to_tex(tiny_table(), "mine")
    assert r"\caption{A \& B\_1}" in source
    assert r"\multicolumn{2}{c}{G\%}" in source
    assert r"\textbf{62.5 $\pm$ 17.7 (2)" in source
    assert r"100 \% \{x\}" in source
    assert source.startswith("% needs \\usepackage{booktabs,graphicx,xcolor}\n")
    assert r"\label{tab:mine-table-x}" in source
    assert source.index(r"\end{tabular}") < source.index("a note")
    assert "%" not in source.splitlines()[-3]
    assert source.count(r"\toprule") == source.count(r"\midrule") == source.count(r"\bottomrule") == 1


def test_a_wide_tex_table_is_split_by_groups_of_columns_and_names_its_parts():
    cells = [Cell("accuracy", "x", (0.5 + i / 100, 0.6), published=0.6, below=i == 0) for i in range(12)]
    columns = tuple(Column(f"Group {i // 4}", f"Column {i}") for i in range(12))
    source = formats.to_tex(tiny_table(columns=columns, rows=(Row(("x",), tuple(cells)),)), "mine")
    assert source.count(r"\begin{table}") > 1
    assert r"\label{tab:mine-table-x-2}" in source
    assert source.count("a note") == 1
    assert [source.count(f"Column {i} ") for i in range(12)] == [1] * 12
    assert source.count(r"\textcolor{gray}{") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_tex_compiles_and_no_table_is_wider_than_a_page(paper, tmp_path):
    tables = [made(paper, name) for name in ("Table 1", "Table 3", "Table 5", "Calibration", "What the teachers offer")]
    found = [formats.to_tex(table, "paper") for table in [*tables, tiny_table()]]
    head = r"\documentclass{article}\usepackage[margin=2.5cm,a4paper]{geometry}\usepackage{booktabs,graphicx,xcolor}"
    (tmp_path / "t.tex").write_text(rf"{head}\begin{{document}}" + "\n".join(found) + r"\end{document}")
    ran = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert "Overfull" not in ran.stdout
    assert "Float too large" not in ran.stdout
