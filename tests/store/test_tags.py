"""Tags: names of one's own by which runs are found."""

import json
from pathlib import Path

import pytest

import saved_studies
from augdistill.base.errors import AugdistillError
from augdistill.cli.listing import show_run, tagging
from augdistill.store.runs import RunStore
from augdistill.store.tags import tag, tags


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1")
    return RunStore(tmp_path)


def test_a_run_is_found_by_its_tag_and_no_more_without(store: RunStore) -> None:
    run, other = store.all("student")[:2]
    assert tagging(store, "tag", None, None) == "no run has a tag: augdistill runs tag RUN NAME gives one"
    assert tagging(store, "tag", run.path.name, "best") == f"best means {run.path.name}"
    assert store.get("best").id == run.id
    assert tagging(store, "tag", "best", "camera-ready") == f"camera-ready means {run.path.name}"
    assert "\ntags               best, camera-ready\n" in show_run(store, "best")
    assert [line.split() for line in tagging(store, "tag", None, None).splitlines()[1:]] == [
        ["best", run.path.name],
        ["camera-ready", run.path.name],
    ]
    with pytest.raises(
        AugdistillError, match=f"best is the tag of another run, {run.id[:8]}: augdistill runs untag best"
    ):
        tagging(store, "tag", other.path.name, "best")
    tagging(store, "untag", "best", None)
    with pytest.raises(AugdistillError, match="no run is called best"):
        store.get("best")
    assert tags(store.outputs) == {"camera-ready": run.id}


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 300])
def test_what_is_no_name_is_no_tag(name: str, store: RunStore) -> None:
    with pytest.raises(AugdistillError) as raised:
        tag(store.outputs, name, store.all()[0].id)
    assert raised.value.exit_code == 2
    assert not (store.outputs / "tags.json").exists()


@pytest.mark.parametrize("text", ["[]", '{"best": "short"}', '{"best": 3}', "{"])
def test_tags_that_cannot_be_read_are_refused_in_one_line(text: str, store: RunStore) -> None:
    (store.outputs / "tags.json").write_text(text)
    with pytest.raises(AugdistillError, match=r"tags\.json .*: remove it, and tag anew"):
        tags(store.outputs)
    assert json.loads((store.outputs / "studies/tiny/plan.json").read_text())["name"] == "tiny"  # all else stands
