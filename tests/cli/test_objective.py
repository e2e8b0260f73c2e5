"""What a search is told of its trials, and that Optuna's sweeper searches by it."""

from pathlib import Path

import pytest
import yaml

import saved_studies
from augdistill.base.errors import RequestError
from augdistill.cli.objective import check_can_search, objective
from augdistill.results.study import SavedStudy
from conftest import RunAugdistill

HELD_OUT = "study.dataset.validation=1300"


def test_a_study_is_as_good_as_its_worst_arm(tmp_path: Path) -> None:
    saved_studies.write_study(tmp_path, "study=tiny", HELD_OUT, "study.test_set=validation")
    frame = SavedStudy.load("tiny", tmp_path).results
    rows = frame[(frame.metric == "accuracy") & (frame.test_set == "validation") & (frame.role != "teacher")]
    arms: dict[tuple[str, ...], list[float]] = {}
    for row in rows.itertuples():
        arms.setdefault((row.role, row.model, row.teacher_aug, row.variant), []).append(row.value)
    assert len(arms) == 3  # from baseline, from cutmix, from labels
    worst = min(sum(values) / len(values) for values in arms.values())
    assert objective("study", {"study": {"name": "tiny"}, "outputs": str(tmp_path)}, None) == pytest.approx(worst)


@pytest.mark.parametrize(
    ("command", "config", "line"),
    [
        ("evaluate", {}, "evaluate has no accuracy to search by: study, train-teacher and distill have"),
        ("distill", {"dataset": {"validation": 0}}, "a search needs held-out images: dataset.validation above 0"),
        ("study", {"study": {"dataset": {}}}, "a search needs held-out images: study.dataset.validation above 0"),
    ],
)
def test_what_gives_nothing_to_search_by_is_refused(command: str, config: dict, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        check_can_search(command, config)
    check_can_search("distill", {"dataset": {"validation": 9}})


@pytest.mark.slow
def test_optuna_finds_the_better_of_two_rates(run_augdistill: RunAugdistill, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="pip install 'augdistill[search]'")
    sweeper = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=2"]
    sweeper += ["hydra.sweeper.n_jobs=1", "hydra.sweeper.sampler.seed=1"]
    rate = "study.students.lenet.optim.lr"
    words = ["study=tiny", HELD_OUT, "study.blocks=1", f"{rate}=tag(log,interval(0.001,0.1))"]
    ran = run_augdistill(["study", *sweeper, *words, f"study.name=rate-${{{rate}}}"], tmp_path)
    assert ran.code == 0, ran.stderr[-2000:]
    (told,) = (tmp_path / "outputs" / "multirun").glob("*/optimization_results.yaml")
    best = yaml.safe_load(told.read_text())
    folders = sorted((tmp_path / "outputs" / "studies").iterdir())
    assert len(folders) == 2
    about = {"outputs": str(tmp_path / "outputs")}
    values = {path.name: objective("study", {**about, "study": {"name": path.name}}, None) for path in folders}
    assert best["best_value"] == max(values.values())
    assert values[f"rate-{best['best_params'][rate]}"] == max(values.values())
