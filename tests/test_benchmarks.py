"""The benchmarks run, their gates hold and can fail, and what they compute from times is right."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from benchmarks import accuracy, gates, measure, ours, processes, sides, study
from benchmarks.__main__ import main, not_here
from benchmarks.measure import Timed
from benchmarks.rows import ROWS
from benchmarks.sides import Setting, Work
from PIL import Image

import saved_studies
from augdistill.base.errors import ConfigError
from augdistill.config.executors import Local
from augdistill.data import cinic10
from augdistill.executors.banks import banks_of
from augdistill.store.documents import Manifest, Provenance
from augdistill.store.runs import Run
from augdistill.study.estimate import kind_of
from augdistill.study.plan import Plan, make_plan
from augdistill.training import graphs
from tape import TapeRecorder

LENET = Work("lenet", "baseline", images=32, epochs=3, threads=1, outputs="cached")


def quick(folder: Path, device: str = "cpu") -> Setting:
    return Setting(folder / "cache", folder, True, device, 1)


@pytest.mark.slow
def test_a_row_of_each_kind_runs_and_is_saved_in_its_smallest_form(tmp_path: Path, capsys) -> None:
    rows = ["lenet", "losses", "cutout", "evaluation", "deterministic-lenet", "several-teachers"]
    assert main(["--quick", "--pairs", "1", "--threads", "1", "--outputs", str(tmp_path), *rows]) == 0
    told = capsys.readouterr().out
    assert told.count("gate: ") == 5
    for name in rows:
        saved = json.loads((tmp_path / f"{name}.json").read_text())
        assert list(saved["seconds"]) == list(ROWS[name].sides(quick(tmp_path)))
        assert saved["ratios"][next(iter(saved["seconds"]))] == {"median": 1.0, "spread": [1.0, 1.0]}
        assert not ROWS[name].counts or saved["facts"]["ours"]["gbyte"] > 0
        assert saved["machine"]["versions"]["torch"] == torch.__version__.split("+")[0]
    forward = 2 * (75 * 6 * 28**2 + 150 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10)  # LeNet's, by its layers
    trained = 3 * forward - 2 * 75 * 6 * 28**2  # images have no gradient
    assert json.loads((tmp_path / "lenet.json").read_text())["facts"]["ours"]["gflop"] == pytest.approx(trained / 1e9)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_the_study_is_extrapolated_by_its_own_stages_in_its_smallest_form(tmp_path: Path, capsys) -> None:
    words = [
        "--quick",
        "--no-gates",
        "--threads",
        "1",
        "--outputs",
        str(tmp_path),
        "--study",
        "study.blocks=4",
        "paper",
    ]
    assert main(words) == 0
    saved = json.loads((tmp_path / "paper.json").read_text())
    assert (saved["epochs"], saved["at_once"], saved["overrides"]) == (2, 1, ["study.blocks=4"])
    assert (saved["the whole study"]["stages"], saved["its first block"]["stages"]) == (4 * 18, 18)
    by_kind = sum(kind["stages"] * kind["seconds"] for kind in saved["kinds"].values())
    assert saved["the whole study"]["minutes"] == pytest.approx(by_kind / 60)
    assert saved["its first block"]["minutes"] == pytest.approx(by_kind / 60 / 4)
    assert "the whole study, extrapolated: " in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["paper.json"]


@pytest.mark.slow
def test_teachers_are_told_by_what_they_cost_and_reach_on_held_out_images(tmp_path: Path, capsys) -> None:
    words = ["--quick", "--no-gates", "--threads", "1", "--outputs", str(tmp_path), "--epochs", "1", "accuracy"]
    assert main(words) == 0
    saved = json.loads((tmp_path / "accuracy.json").read_text())
    titles = [(run["teacher"], run["strategy"]) for run in saved["runs"]]
    assert titles == [
        (f"{model} of width {width}", strategy)
        for model, width in (("resnet18", 4), ("resnet9", 8))
        for strategy in ("baseline", "flip-crop")
    ]
    assert all(len(run["seconds"]) == len(run["accuracy"]) == 1 for run in saved["runs"])
    assert all(run["seconds"][0] > 0 for run in saved["runs"])
    rights = [200 * run["accuracy"][0] for run in saved["runs"]]  # of 200 images
    assert rights == pytest.approx([round(count) for count in rights])
    assert "resnet9 of width 8" in capsys.readouterr().out


def test_the_stopwatch_leaves_out_what_is_between_stop_and_start(monkeypatch) -> None:
    times = iter([10.0, 13.0, 20.0, 25.0])
    monkeypatch.setattr(time, "process_time", lambda: next(times))
    watch = accuracy.Stopwatch(on_gpu=False)
    assert watch.stop() == 3.0
    watch.start()
    assert watch.stop() == 8.0


def test_what_a_machine_cannot_tell_is_said_with_why(tmp_path: Path) -> None:
    on_cpu, on_gpu = (Setting(tmp_path, tmp_path, False, device, 1) for device in ("cpu", "cuda"))
    names = [*ROWS, "paper"]
    only_a_gpu = {name for name in names if not_here(name, on_cpu, memory=False)}
    several = {"several-teachers", "several-alexnets", "bank-alexnet"}
    assert only_a_gpu == {"paper", *several, *(name for name in ROWS if name.startswith("deterministic-"))}
    assert {name for name in names if not_here(name, on_gpu, memory=False)} == {
        "quickstart",
        "commands",
        "planning",
        "lookups",
        "checkpoints",
    }
    assert not any(not_here(name, quick(tmp_path), memory=False) for name in names)
    assert not_here("paper", on_gpu, memory=True) == not_here("accuracy", on_cpu, memory=True) == "it has no sides"
    assert not_here("accuracy", on_cpu, memory=False) is None


def test_on_a_gpu_our_sides_run_eagerly_and_as_graphs(tmp_path: Path) -> None:
    setting = Setting(tmp_path, tmp_path, False, "cuda", 1)
    for name in ("teacher", "lenet", "alexnet", "bank", "flip-crop"):
        named = list(ROWS[name].sides(setting))
        assert {"ours, eager", "ours, CUDA graphs"} <= set(named)
        assert not any("thread" in side or "core" in side for side in named)
    assert list(ROWS["bank"].sides(setting))[:2] == ["alone, eager", "alone, CUDA graphs"]


@pytest.mark.slow
def test_the_memory_of_a_side_is_that_of_a_process_of_its_own(tmp_path: Path, monkeypatch) -> None:
    name = "deterministic-lenet"
    default = {side: make for side, make in ROWS[name].sides(quick(tmp_path)).items() if side == "default"}
    monkeypatch.setitem(ROWS, name, dataclasses.replace(ROWS[name], sides=lambda setting: default))  # one is enough
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # as a study that ran in this process leaves it
    words = ["--quick", "--no-gates", "--memory", "--threads", "1", "--outputs", str(tmp_path), name]
    assert main(words) == 0
    saved = json.loads((tmp_path / f"{name}-memory.json").read_text())
    assert list(saved) == ["default"]
    assert 100 < saved["default"]["process"] < 10_000  # MB


@pytest.mark.slow
def test_no_side_of_ours_loads_torchvision_which_counts_in_the_yardsticks_memory(tmp_path: Path) -> None:
    asked = ["evaluation", "--quick", "--outputs", str(tmp_path), "--side"]
    program = (
        "import sys; from benchmarks.__main__ import main; main(sys.argv[1:]); print('torchvision' in sys.modules)"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(main.__code__.co_filename).parents[1])}
    for side, loads in (("ours", "False"), ("conventional", "True")):
        command = [sys.executable, "-c", program, *asked, side]
        told = subprocess.run(command, env=here, stdout=subprocess.PIPE, text=True, check=True).stdout
        assert told.split()[-1] == loads


def test_ratios_are_paired_and_to_the_better_way_of_the_yardstick() -> None:
    result = measure.Result("lenet", "theirs", {"theirs": [2.0, 4.0, 9.0], "ours": [1.0, 1.0, 3.0]}, {})
    assert result.ratios("ours") == [2.0, 4.0, 3.0]
    assert result.to_json()["ratios"]["ours"] == {"median": 3.0, "spread": [2.0, 4.0]}
    seconds = {"alone, eager": [8.0], "alone, CUDA graphs": [4.0], "alone on one thread": [1.0], "ours, eager": [2.0]}
    bank = measure.Result("bank", "alone", seconds, {})
    assert (bank.best("alone"), bank.best("ours")) == ("alone, CUDA graphs", "ours, eager")
    assert bank.ratios("ours, eager") == [2.0]


def test_a_side_that_fails_is_left_out_and_a_row_without_its_yardstick_fails(capsys) -> None:
    def broken() -> measure.Side:
        raise ValueError("cannot be recorded")

    def side() -> float:
        time.sleep(0.001)
        return 10.0

    row = {"theirs, eager": lambda: side, "theirs, CUDA graphs": broken, "ours": lambda: side}
    result, ready = measure.in_turn("row", row, 2)
    assert list(ready) == list(result.seconds) == ["theirs, eager", "ours"]
    assert result.failed == {"theirs, CUDA graphs": "ValueError: cannot be recorded"}
    assert result.yardstick == "theirs"
    assert all(len(seconds) == 2 and min(seconds) > 0.0001 for seconds in result.seconds.values())
    with pytest.raises(measure.RowError, match=r"row: theirs cannot be measured: .*cannot be recorded"):
        measure.in_turn("row", {"theirs": broken, "ours": lambda: side}, 1)
    assert capsys.readouterr().err.count("Traceback") == 2


def test_the_first_of_several_epochs_stands_apart(tmp_path: Path) -> None:
    together: list[float] = []

    def meet() -> None:
        time.sleep(0.05)
        together.append(time.perf_counter())

    done = sides.our_side(quick(tmp_path), LENET, meet)()
    ended = time.perf_counter()
    assert isinstance(done, Timed)
    assert (done.images, done.apart, len(together)) == (64, 32, 1)
    assert 0 < done.seconds < ended - together[0]
    assert measure.timed(lambda: done) == (done.seconds, 64)
    assert sides.our_side(quick(tmp_path), dataclasses.replace(LENET, epochs=1))() == 32


def test_a_side_as_graphs_that_replays_nothing_or_something_else_is_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(graphs, "Recorder", TapeRecorder)
    work = dataclasses.replace(LENET, graphs=True)  # three epochs of two batches
    refused = "its steps were not replayed as CUDA graphs"
    monkeypatch.setattr(sides, "device_for", lambda *how: gates.CPU)
    with pytest.raises(measure.RowError, match=refused):
        sides.our_side(quick(tmp_path), work)()
    monkeypatch.setattr(sides, "device_for", lambda *how: dataclasses.replace(gates.CPU, graphs=True))
    assert isinstance(sides.our_side(quick(tmp_path), work)(), Timed)
    assert TapeRecorder.replayed == 3
    monkeypatch.setattr(graphs, "is_close", lambda *groups: False)
    with pytest.raises(measure.RowError, match=refused):
        sides.our_side(quick(tmp_path), work)()


@pytest.mark.slow
def test_processes_at_once_are_timed_together_and_wait_for_none_that_failed(tmp_path: Path, monkeypatch) -> None:
    done = processes.side_by_side(quick(tmp_path), LENET, 2)()
    assert isinstance(done, Timed)
    assert (done.images, done.apart) == (128, 64)
    barrier = Barrier(2)
    monkeypatch.setattr(processes, "MEETING", [barrier])
    with pytest.raises(ConfigError, match="model=none is unknown"):
        processes.in_process(quick(tmp_path), dataclasses.replace(LENET, model="none"))
    assert barrier.broken


def test_the_gate_sees_a_loop_that_computes_something_else(tmp_path: Path, monkeypatch) -> None:
    images = ours.read("digits", "train", tmp_path, tmp_path)
    changed = ours.DISTILLATION.model_copy(update={"temperature": 19.0})
    monkeypatch.setattr(ours, "DISTILLATION", changed)
    same, _ = gates.loops_agree(images, "lenet", torch.float64, 2)
    monkeypatch.setattr(gates.conventional, "distillation_loss", lambda *_: gates.conventional.label_loss)
    other, _ = gates.loops_agree(images, "lenet", torch.float64, 2)
    assert same < 1e-12 < 1e-3 < other
    with pytest.raises(gates.GateError, match=r"loss: 0\.02, allowed 1e-08"):
        gates.check("loss", 0.02, 1e-8)
    with pytest.raises(gates.GateError, match="nan"):
        gates.check("loss", float("nan"), 1e-8)


@pytest.mark.slow
def test_the_gates_of_a_gpu_hold_by_a_tape_and_see_a_batch_that_stays(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(graphs, "Recorder", TapeRecorder)
    images, device = ours.read("digits", "train", tmp_path, tmp_path), dataclasses.replace(gates.CPU, graphs=True)
    loss, weights = gates.loops_agree(images, "lenet", torch.float64, 20, device)
    assert max(loss, weights) < 1e-12
    assert TapeRecorder.replayed == 17  # of 20 steps the first three are eager
    assert gates.replays_agree(images, "cutmix", device) == 0
    assert (TapeRecorder.recorded, TapeRecorder.replayed) == (2, 5 * 8 - 3 + 5 - 3)
    monkeypatch.setattr(graphs.Replays, "load", lambda self, plan: self.__dict__.update(plan=self.plan or plan))
    with caplog.at_level(logging.CRITICAL):
        assert gates.replays_agree(images, "cutmix", device) > 0.1


def test_operations_and_bytes_are_those_of_a_product() -> None:
    one, other = torch.ones(64, 32), torch.ones(32, 16)
    found, made = measure.pluralise(lambda: one @ other)
    assert found["gflop"] == pytest.approx(2 * 64 * 32 * 16 / 1e9)
    assert found["gbyte"] == pytest.approx(4 * (64 * 32 + 32 * 16 + 64 * 16) / 1e9)
    assert made.shape == (64, 16)
    assert measure.pluralise(lambda: one.t())[0] == {"gflop": 0, "gbyte": 0}  # a view moves nothing


def test_unknown_rows_are_refused_with_those_that_there_are(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["lenett"])
    assert "no row is called lenett: known are teacher, lenet" in capsys.readouterr().err


def test_the_yardstick_cuts_the_square_that_ours_draws_from() -> None:
    cutout, found = gates.conventional.Cutout(), []
    np.random.seed(0)  # noqa: NPY002, as that code draws it
    found = [int((cutout(torch.ones(1, 32, 32)) == 0).sum()) for _ in range(2000)]
    assert max(found) == 256
    assert np.mean(found) / 1024 == pytest.approx(0.1914, abs=0.005)


LOG = """2026-01-02 10:00:00,500 INFO resnet18: 50000 images
2026-01-02 10:00:04,000 INFO epoch 1/3: loss 2.1
2026-01-02 10:00:06,000 INFO epoch 2/3: loss 1.9
2026-01-02 10:00:08,250 INFO epoch 3/3: loss 1.8
"""  # the first epoch took longer; those after it 2 and 2.25 seconds


def test_a_run_with_more_epochs_takes_the_median_of_its_epochs_for_each(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    run = ended(tmp_path, "teacher")
    assert study.lasts(run, 9.0, 3) == 9.0
    assert study.lasts(run, 9.0, 203) == 9.0 + 200 * 2.125
    assert study.lasts(ended(tmp_path, "student", "one", "two", "three", "four"), 3.0, 203) == 3.0 + 200 * 2.125 / 4
    assert study.lasts(ended(tmp_path / "nowhere", "evaluation"), 1.5, 0) == 1.5


def ended(path: Path, kind: str, *bank: str) -> Run:
    """Return a run of which nothing is known but its kind and its bank."""
    return Run(path, Manifest.model_construct(kind=kind, provenance=Provenance.model_construct(bank=bank)))


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Plan:
    """The study `paper` as planned over tiny data in the publishers' formats."""
    folder = tmp_path_factory.mktemp("paper")
    root = saved_studies.write_data(folder / "data")
    words = ("study=paper", f"study.dataset.root={root}", "study.dataset.verify=false", "study.costs=false")
    return make_plan(saved_studies.study(folder / "outputs", *words))


def test_the_part_that_is_run_shows_every_kind_with_whole_banks_and_all_teachers(paper: Plan, monkeypatch) -> None:
    monkeypatch.setattr(study, "devices", lambda plan: ["0"])
    part = study.part_of(paper, Local(name="local"))
    kinds = Counter(map(kind_of, part.stages))
    assert set(kinds) == {kind_of(stage) for stage in paper.stages}
    assert min(kinds.values()) >= 2
    for some in (part, study.part_of(paper, Local(name="local", bank=1))):
        taught = {stage.arm["teacher_aug"] for stage in some.stages if stage.kind == "teacher"}
        assert taught == set(paper.study.aug)
    there = {stage.id for stage in part.stages}
    assert all(there.issuperset(stage.parents) for stage in part.stages)
    lenets = [stage for stage in part.stages if stage.kind == "student" and stage.arm["model"] == "lenet"]
    assert len(lenets) == len(banks_of(paper, "auto", on_gpu=True)[lenets[0].id]) == 12
    assert banks_of(part, "auto", on_gpu=True) == {stage.id: tuple(lenets) for stage in lenets}
    alexnets = [stage for stage in part.stages if stage.kind == "student" and stage.arm["model"] == "alexnet"]
    assert [stage.arm["role"] for stage in alexnets] == ["student", "student"]


def test_one_gpu_takes_all_stages_one_after_the_other_and_shared_ones_are_shared(paper: Plan, monkeypatch) -> None:
    seconds = {"teacher": 3.0, "outputs": 6.0, "student": 0.3, "evaluation": 1.0}  # each of 200 epochs, or all

    def lasts(run: Run, seconds: float, epochs: int) -> float:
        return seconds * epochs if run.kind in ("teacher", "student") else seconds

    monkeypatch.setattr(study, "lasts", lasts)
    monkeypatch.setattr(study, "devices", lambda plan: ["0"])
    runs = [(stage, ended(Path("nowhere"), stage.kind), seconds[stage.kind]) for stage in paper.stages]
    one, two = (study.told(paper, runs, Local(name="local", per_device=n), 11, []) for n in (1, 2))
    whole = 25 * (600 + 6) + 120 * 60 + (25 + 120) * 3
    assert one["the whole study"] == {"stages": 605, "minutes": whole / 60, "computing_minutes": whole / 60}
    assert one["its first block"]["minutes"] == pytest.approx(whole / 5 / 60)
    assert two["the whole study"]["minutes"] == pytest.approx(whole / 2 / 60)


def test_the_test_images_stand_in_for_those_of_another_set(tmp_path: Path, monkeypatch) -> None:
    root = saved_studies.write_data(tmp_path / "data")
    monkeypatch.setattr(cinic10, "FULL", 45)
    setting = Setting(tmp_path / "cache", root, False, "cpu", 1)
    found = study.whole_data(setting, tmp_path / "whole")
    pixels, test = cinic10.read(found, "test", False), setting.data("test")
    assert len(pixels.images) == 45 > len(test.images)
    assert pixels.note == ""
    known = {image.tobytes(): label for image, label in zip(test.images, test.labels, strict=True)}
    assert [known[image.tobytes()] for image in pixels.images] == pixels.labels.tolist()
    assert set(known) == {image.tobytes() for image in pixels.images}
    Image.open(next((root / cinic10.FOLDER).glob("*/*.png"))).close()  # the data themselves stay as they are
    monkeypatch.setattr(cinic10, "FULL", 1)
    assert study.whole_data(setting, tmp_path / "again") == root
