"""What a dry run prints: a table of kinds by state."""

from augdistill.cli.planned import stages_table


def test_a_table_counts_kinds_by_state_what_has_ended_first() -> None:
    stages = [("student lenet", "to do")] * 2 + [("teacher lenet", "finished"), ("student lenet", "running")]
    assert [line.split() for line in stages_table(stages).splitlines()] == [
        ["finished", "running", "to", "do", "all"],
        ["student", "lenet", "1", "2", "3"],
        ["teacher", "lenet", "1", "1"],
        ["together", "1", "1", "2", "4"],
    ]
