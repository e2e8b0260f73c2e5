"""The tables of a factorial study."""

from augdistill.report.tables import formats, make_table
from augdistill.results.cells import Cells
from factor_studies import write_factors


def test_effects_and_cells_have_their_rows(tmp_path):
    saved = write_factors(tmp_path)
    table = make_table("Factors", saved, Cells(saved))
    assert [row.labels[1] for row in table.rows] == ["rate", "soft", "rate × soft"]
    assert table.rows[1].labels[2:4] == ("T = 4", "T = 20")
    assert any("3 degrees of freedom" in note for note in table.notes)
    assert formats.to_csv(table).count("\n") == 4
    assert len(make_table("Cells", saved, Cells(saved)).rows) == 8
