"""What `doctor` says of the outputs folder before anything is written there, and `runs` of a run."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.cli.listing import studies_of, writable
from augdistill.store.runs import RunStore
from augdistill.study.plan import make_plan


def test_where_results_can_be_written_is_known_without_writing(tmp_path: Path) -> None:
    assert writable(tmp_path / "new" / "outputs") == "can be written"
    (tmp_path / "file").touch()
    for folder in ("file", "file/outputs"):
        assert writable(tmp_path / folder) == f"CANNOT be written ({tmp_path / 'file'}: Not a directory): outputs="
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can write")
def test_root_is_not_believed_to_write_everywhere() -> None:
    assert writable(Path("/proc/outputs")).startswith("CANNOT be written (/proc: ")


def test_a_run_names_the_studies_that_it_is_in(tmp_path: Path) -> None:
    first = saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1", "study.aug=[baseline,mixup]")
    plan = saved_studies.study(tmp_path, "study=tiny", "study.blocks=1", "study.aug=[baseline]", "study.name=less")
    make_plan(plan).save(tmp_path / "studies" / "less")
    store = RunStore(tmp_path)
    names = {
        place.teacher_aug: studies_of(place.run, store)
        for place in first.places
        if place.role == "student" and place.run
    }
    assert names == {"baseline": ["less", "tiny"], "mixup": ["tiny"]}
