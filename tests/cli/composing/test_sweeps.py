"""Sweeps: refused whole before the first job runs, gone on with after a failure, stopped at once."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from augdistill.cli.main import exit_code_of
from command_line import TINY, assert_refused, files
from conftest import COMMAND

TESTBED = Path(__file__).parents[3] / "scripts" / "slurm-testbed"
LAUNCHERS = [  # Hydra's launchers, and the package that each needs
    ("joblib", "hydra_plugins.hydra_joblib_launcher"),
    pytest.param("submitit_local", "hydra_plugins.hydra_submitit_launcher", marks=pytest.mark.long),
    ("submitit_slurm", "hydra_plugins.hydra_submitit_launcher"),
]


@pytest.mark.slow
def test_the_sweep_trains_each_and_goes_on_after_a_failure(run_augdistill, tmp_path):
    words = ["train-teacher", "-m", *TINY, "aug=baseline,mixup", "optim.lr=0.1,1e2"]
    ran = run_augdistill(words, tmp_path)
    runs = [path.name for path in (tmp_path / "outputs/runs").glob("teacher-*")]
    assert len(runs) == 4, ran.stderr
    assert len(list((tmp_path / "outputs/multirun").rglob("multirun.yaml"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    assert ran.code in (0, 1)
    assert ran.code == int("diverged" in ran.stderr)
    reported = run_augdistill(["report", "sweep", "runs=all"], tmp_path)
    assert reported.code == 0, reported.stderr
    page = (tmp_path / "outputs/studies/sweep/report/index.html").read_text()
    assert "augdistill report sweep runs=all" in page
    assert "Verdicts</a>" not in page


@pytest.mark.slow
def test_a_stopped_sweep_begins_no_other_job(tmp_path):
    words = ["train-teacher", "-m", *TINY, "optim.epochs=500", "seed=0,1"]
    with subprocess.Popen([COMMAND, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as sweep:
        assert sweep.stderr is not None
        next(line for line in sweep.stderr if "epoch 1/500" in line)
        sweep.send_signal(signal.SIGTERM)
        *_, last = sweep.communicate(timeout=60)[1].splitlines()
    assert sweep.returncode == 143
    assert re.fullmatch(r"augdistill train-teacher: stopped at step \d+ with everything saved: the same .*", last)
    (run,) = (tmp_path / "outputs/runs").iterdir()
    assert "-s0-" in run.name


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("train-teacher optim.lr=0.1,-2", "optim.lr=-2 is out of range"),
        ("train-teacher optim.lrr=0.1,2", "optim.lrr is not a config key (did you mean optim.lr?)"),
        ("train-teacher aug=cutmix,cutmx", "aug=cutmx is unknown (did you mean cutmix?)"),
        ("train-teacher dataset=digits dataset.size=16,4", "dataset.size=4"),
        ("train-teacher dataset=cifar10 seed=0,1", "augdistill data fetch cifar10"),
        ("distill dataset=digits student=lenet,alexnet-small", "25 x 25"),
        ("distill dataset=digits seed=0,1", "is not there yet"),
        ("evaluate run=22505397,22e43682", "no run is called 22505397"),
        ("evaluate predictions=a.npz,b.npz dataset=digits", "a.npz is not a file"),
        ("study study=tiny executor.workers=1,0", "executor.workers=0"),
    ],
)
def test_a_sweep_with_a_refused_job_leaves_nothing_behind(words, wanted, tmp_path, monkeypatch, capsys):
    command, *rest = words.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr("sys.argv", ["augdistill"])
    assert exit_code_of(command, [command, "-m", *rest]) == 2
    assert wanted in capsys.readouterr().err
    assert files(tmp_path) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "plugin"), LAUNCHERS)
def test_a_sweep_through_a_launcher_is_refused_whole_or_runs_all(launcher, plugin, run_augdistill, tmp_path):
    """Two jobs elsewhere; one that is refused keeps both from starting, and leaves nothing behind."""
    pytest.importorskip(plugin, reason=f"pip install {plugin.rpartition('.')[2].replace('_', '-')}")
    if (
        launcher == "submitit_slurm"
        and subprocess.run([TESTBED, "status"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no SLURM here: scripts/slurm-testbed start")
    words = ["train-teacher", "-m", *TINY, f"hydra/launcher={launcher}"]
    assert_refused(run_augdistill([*words, "seed=0,-1"], tmp_path), "seed=-1 is out of range")
    assert files(tmp_path) == set()
    ran = run_augdistill([*words, "seed=0,1"], tmp_path)
    assert ran.code == 0, ran.stderr
    assert len(list((tmp_path / "outputs/runs").glob("teacher-*-s[01]-*/manifest.json"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
