"""The command and the config of the provenance repeat the study."""

import shlex

import pytest

from augdistill.results.study import SavedStudy


@pytest.mark.slow
def test_the_command_of_the_provenance_repeats_the_study(tiny, tiny_report, run_augdistill):
    """The config written out in full makes the very same runs: all of them are finished."""
    words = ["study", "--config-dir", str(tiny_report / "conf"), "study=tiny-as-run", f"outputs={tiny}", "dry_run=true"]
    ran = run_augdistill(words, tiny.parent)
    assert ran.code == 0, ran.stderr
    count = str(len(SavedStudy.load("tiny", tiny).plan.stages))
    assert ran.stdout.splitlines()[0].split() == ["finished", "all"]
    assert ran.stdout.splitlines()[-1].split() == ["together", count, count]


@pytest.mark.slow
def test_the_command_of_the_page_is_what_was_typed_and_makes_the_same_plan(tiny, tiny_report, run_augdistill):
    saved = SavedStudy.load("tiny", tiny)
    assert saved.plan.command is not None
    assert f"<code>{saved.plan.command}</code>" in (tiny_report / "index.html").read_text().replace("&#39;", "'")
    words = [word for word in shlex.split(saved.plan.command)[1:] if not word.startswith("outputs=")]
    ran = run_augdistill([*words, f"outputs={tiny}", "dry_run=true"], tiny.parent)
    assert ran.code == 0, ran.stderr
    count = str(len(saved.plan.stages))
    assert [line.split() for line in ran.stdout.splitlines() if "together" in line] == [["together", count, count]]
