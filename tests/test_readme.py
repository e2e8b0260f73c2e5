"""Runs the commands of README and docs: short ones as they stand, long ones as far as their config, sweeps job by job.

And does what CONTRIBUTING says: its example of a new strategy trains a teacher.
"""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from augdistill.base.errors import AugdistillError, RequestError, StoppedError
from augdistill.cli import plain
from augdistill.cli.main import COMPOSING
from augdistill.cli.options import read
from augdistill.cli.words import as_overrides
from augdistill.config import choices
from augdistill.config.places import shared_recipes
from composed import compose, job
from conftest import RunAugdistill

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def commands(text: str) -> list[list[str]]:
    """Return the commands of all fenced shell blocks, as words, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


COMMANDS = commands(TEXT)
DOCUMENTED = COMMANDS + [words for path in sorted(ROOT.glob("docs/**/*.md")) for words in commands(path.read_text())]
TYPED = dict.fromkeys(tuple(words[1:]) for words in DOCUMENTED if words[0] == "augdistill")
APART = ("--config-dir", "mypkg/", "hydra/sweeper=")  # which have tests of their own
OURS = [list(words) for words in TYPED if not any(mark in word for word in words for mark in APART)]
SHORT = (["runs"], ["doctor"], ["data"])  # and whatever only says what it would do


def is_sweep(words: list[str]) -> bool:
    return "-m" in words


def runs_as_it_stands(words: list[str]) -> bool:
    return words in SHORT or "dry_run=true" in words


def test_the_readme_opens_with_the_two_commands() -> None:
    assert TEXT.startswith("# augdistill\n\n")
    assert TEXT.index("```sh\n") == TEXT.index("```sh\nmake demo\nmake test\n```\n")
    assert len(TEXT.splitlines()) < 150
    assert {words[0] for words in COMMANDS} == {"make", "augdistill"}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "make"], ids=" ".join)
def test_a_make_target_is_there(words: list[str]) -> None:
    told = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert ("augdistill study" if words[1] == "demo" else "pytest") in told.stdout


PLANS = pytest.mark.slow  # thousands of runs, in a process of its own


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=[PLANS] if "dry_run=true" in words else [], id=" ".join(words))
        for words in OURS
        if not is_sweep(words)
    ],
)
def test_a_command_is_accepted(words: list[str], run_augdistill: RunAugdistill, tmp_path: Path) -> None:
    stands = runs_as_it_stands(words)
    if not stands and words[0] not in COMPOSING:
        assert read(words[0], plain.commands()[words[0]], words[1:])["outputs"] == Path("outputs")
        return
    ran = run_augdistill(words if stands else [*words, "--cfg", "job"], tmp_path)
    assert ran.code == 0, ran.stderr
    if stands:
        assert ran.stdout.strip()
        assert not list(tmp_path.glob("outputs/runs/*"))
        return
    config = OmegaConf.to_container(OmegaConf.create(ran.stdout), resolve=True)
    assert config["outputs"] == "outputs"
    if words[0] in ("train-teacher", "distill"):
        job(words[0], config)


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words in OURS if is_sweep(words)], ids=" ".join)
def test_every_job_of_a_sweep_is_accepted(words: list[str]) -> None:
    command, *overrides = [word for word in words if word != "-m"]
    written = as_overrides(command, ["-m", *overrides])[1:]
    parsed = OverridesParser.create().parse_overrides(written)
    (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    checked = [job(command, compose(command, *one)) for one in jobs]
    assert len(checked) > 1
    distinct = {str(one) for one in checked}
    assert len(distinct) == len(checked)


def listed(group: str) -> set[str]:
    """Return the choices in a group's row; one that names another group has all of that."""
    (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", TEXT, re.MULTILINE)
    found = set(re.findall(r"`([\w.-]+)`", row))
    return found - {"teacher"} | (listed("teacher") if "teacher" in found else set())


@pytest.mark.parametrize("group", ["dataset", "aug", "teacher", "student", "loss", "study"])
def test_the_choices_are_those_of_conf(group: str) -> None:
    """Of models that share their recipes families are named by their first and last."""
    families = set(shared_recipes()) if group in ("teacher", "student") else set()
    there = set(choices(group)) - {"as-trained"}
    assert there - families <= listed(group) <= there


def test_the_exit_codes_are_those_of_the_errors() -> None:
    told = {int(code) for code in re.findall(r"\b(\d+) (?:done|something failed|the request|stopped)", TEXT)}
    assert told == {0, AugdistillError.exit_code, RequestError.exit_code, StoppedError.exit_code}


def test_the_badges_say_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = {path.stem: path.read_text() for path in (ROOT / "docs" / "pictures").glob("*.svg")}
    assert f'aria-label="python: {project["requires-python"].removeprefix(">=")} or newer"' in said["python"]
    assert f'aria-label="licence: {project["license"]}"' in said["licence"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['license']} License")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", TEXT))))
def test_a_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.slow
def test_the_study_of_ones_own_runs_and_answers_with_its_own_claim(
    run_augdistill: RunAugdistill, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "studies.md").read_text()
    files = re.findall(r"^```yaml\n# (mine/\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (words,) = [list(words) for words in TYPED if "--config-dir" in words]
    shorter = ["study.teacher.optim.epochs=1", "study.students.lenet.optim.epochs=1"]
    ran = run_augdistill([*words, *shorter], tmp_path)
    assert ran.code == 0, ran.stderr
    assert [name for name, _ in files] == ["mine/study/calibrated.yaml", "mine/claims.yaml", "mine/study/factors.yaml"]
    assert "calibrated: Students of CutMix teachers are better calibrated: " in ran.stdout
    page = (tmp_path / "outputs" / "studies" / "calibrated" / "report" / "index.html").read_text()
    assert "<h1>Are students of CutMix teachers better calibrated?</h1>" in page
    planned = run_augdistill(["study", "--config-dir", "mine", "study=factors", "dry_run=true"], tmp_path)
    assert planned.code == 0, planned.stderr
    to_do = {line.split()[0]: line.split()[-1] for line in planned.stdout.splitlines()[1:6]}
    assert {kind: to_do[kind] for kind in ("teacher", "outputs", "student")} == {
        "teacher": "4",
        "outputs": "4",
        "student": "24",
    }
