"""What a dry run prints: a table of kinds by state."""

from augdistill.cli.planned import stages_table
from command_line import assert_refused


def test_a_table_counts_kinds_by_state_what_has_ended_first() -> None:
    stages = [("student lenet", "to do")] * 2 + [("teacher lenet", "finished"), ("student lenet", "running")]
    assert [line.split() for line in stages_table(stages).splitlines()] == [
        ["finished", "running", "to", "do", "all"],
        ["student", "lenet", "1", "2", "3"],
        ["teacher", "lenet", "1", "1"],
        ["together", "1", "1", "2", "4"],
    ]


def test_a_dry_run_writes_nothing_and_tells_of_the_same_runs(run_here, tmp_path):
    words = ["study", "study=tiny", "study.aug=[baseline]"]
    ran = run_here([*words, "dry_run=true"], tmp_path)
    assert (ran.code, list(tmp_path.iterdir())) == (0, [])
    assert ran.stdout.splitlines()[0].split() == ["to", "do", "all"]


def test_a_study_refused_for_its_model_has_packed_nothing(run_here, tmp_path):
    ran = run_here(["study", "study=tiny", "study.dataset.size=16", "study.students=[alexnet-small]"], tmp_path)
    assert_refused(ran, "alexnet-small needs images of at least 25 x 25 pixels", "study.dataset.size=32")
    assert list(tmp_path.iterdir()) == []
