"""scripts/gpu-check: its steps name what there is, end in time, and come back as a table."""

import json
import tarfile
import time
import zipfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.__main__ import arguments

from augdistill.data import load

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script() -> ModuleType:
    loader = SourceFileLoader("gpu_check", str(ROOT / "scripts" / "gpu-check"))
    module = module_from_spec(spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("dry", [False, True])
def test_every_step_names_rows_and_tests_that_there_are(script: ModuleType, dry: bool, tmp_path: Path) -> None:
    steps = script.steps(tmp_path, dry)
    for step in steps:
        if step.words[1] == "benchmarks":
            asked = arguments(list(step.words[2:]))  # which exits at an unknown row or flag
            assert asked.rows
            assert asked.quick == dry
        else:
            assert all((ROOT / word).is_file() for word in step.words if word.startswith("tests/"))
    assert steps[0].name == "correctness"  # no figure before it is right


@pytest.mark.slow
def test_the_tests_that_a_gpu_alone_can_tell_of_are_not_left_out(script: ModuleType, tmp_path: Path) -> None:
    (step,) = (one for one in script.steps(tmp_path, True) if one.name == "correctness")
    ended = script.take(step, tmp_path, script.environment(tmp_path, True), 300)
    listed = (tmp_path / "correctness.log").read_text()
    assert ended.code == 0, listed
    assert "test_graphs.py" in listed
    assert "deselected" not in listed


def test_steps_end_in_time_and_say_how(script: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    step = script.Step
    endless = step("endless", 1, ("-c", "import time; print('began', flush=True); time.sleep(600)"))
    chosen = [
        step("well", 60, ("-c", "print('done')")),
        step("badly", 60, ("-c", "print('it broke\\n'); raise SystemExit(3)")),
        endless,
    ]
    monkeypatch.setattr(script, "steps", lambda out, dry: [*chosen, step("late", 4000, ("-c", ""))])
    began = time.monotonic()
    monkeypatch.setenv("AUGDISTILL_DATA", str(tmp_path))
    assert script.run(tmp_path, dry=False, seconds=100, chosen=[]) == 1
    assert time.monotonic() - began < 300
    told = capsys.readouterr().out
    assert f": it broke ({tmp_path / 'gpu-check' / 'badly.log'})" in told
    assert f": began ({tmp_path / 'gpu-check' / 'endless.log'})" in told
    assert ".log" not in "".join(line for line in told.splitlines() if line.startswith(("well", "late")))
    with tarfile.open(tmp_path / script.RESULTS) as archive:
        archive.extractall(tmp_path / "back", filter="data")
    back = tmp_path / "back" / "gpu-check"
    ended = {one["name"]: one["code"] for one in json.loads((back / "steps.json").read_text())}
    assert ended == {"well": 0, "badly": 3, "endless": "stopped after 1 s", "late": "no time was left"}
    assert (back / "well.log").read_text() == "done\n"
    assert script.run(tmp_path, dry=False, seconds=100, chosen=["well"]) == 0


def test_noise_of_the_shape_of_cifar10_stands_in_where_no_data_are(
    script: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv("AUGDISTILL_DATA", raising=False)
    monkeypatch.setattr(script, "PACKED", tmp_path / "packed")
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "small-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small.py", "VALUE = 3")
    written = []
    monkeypatch.setattr(script.subprocess, "run", lambda command, **how: written.append((command[-1], how["env"])))
    env = script.environment(tmp_path / "there", dry=False)
    ((code, used),) = written
    assert used == env
    exec(code.replace("10_000", "10"))
    images = load("cifar10", "train", root=Path(env["AUGDISTILL_DATA"]), cache=tmp_path / "cache", verify=False)
    assert images.images.shape == (50, 3, 32, 32)
    assert (Path(env["PYTHONPATH"].split(":")[-1]) / "small.py").read_text() == "VALUE = 3"


def test_results_are_a_table_that_takes_the_place_of_the_one_before(script: ModuleType, tmp_path: Path) -> None:
    folder, results = tmp_path / "gpu-check", tmp_path / "results.tar.gz"
    (folder / "benchmarks").mkdir(parents=True)
    lenet = {"seconds": {"ours": [2e-6, 4e-6, 3e-6]}, "ratios": {"ours": {"median": 30.0, "spread": [29.0, 31.5]}}}
    (folder / "benchmarks" / "lenet.json").write_text(json.dumps(lenet))
    runs = [{"teacher": "resnet9 of width 32", "strategy": "mixup", "seconds": [1, 9.6], "accuracy": [0.5, 0.9]}]
    (folder / "benchmarks" / "accuracy.json").write_text(json.dumps({"runs": runs}))
    steps = [{"name": "paper", "code": "no time was left", "seconds": 0}, {"name": "training", "code": 0, "seconds": 9}]
    (folder / "steps.json").write_text(json.dumps(steps))
    with tarfile.open(results, "w:gz") as archive:
        archive.add(folder, "gpu-check")
    document = tmp_path / "performance.md"
    document.write_text("# How fast it is\n")
    script.write(results, document)
    first = document.read_text()
    assert "| lenet | ours | 3.00 | 30.00 x (29.00 to 31.50) |" in first
    assert "| accuracy | resnet9 of width 32, mixup | | 90.0 % after 10 s |" in first
    assert "| paper | not done: no time was left | | |" in first
    script.write(results, document)
    assert document.read_text() == first
