"""scripts/gpu-check: its steps name what there is, end in time, and come back as a table."""

import json
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.__main__ import arguments

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


def test_steps_end_in_time_and_say_how(script: ModuleType, tmp_path: Path, monkeypatch) -> None:
    step = script.Step
    endless = step("endless", 1, ("-c", "import time; print('began', flush=True); time.sleep(600)"))
    chosen = [step("well", 60, ("-c", "print('done')")), step("badly", 60, ("-c", "raise SystemExit(3)")), endless]
    monkeypatch.setattr(script, "steps", lambda out, dry: [*chosen, step("late", 4000, ("-c", ""))])
    began = time.monotonic()
    assert script.run(tmp_path, dry=False, seconds=100) == 1
    assert time.monotonic() - began < 300
    ended = {one["name"]: one["code"] for one in json.loads((tmp_path / "steps.json").read_text())}
    assert ended == {"well": 0, "badly": 3, "endless": "stopped after 1 s", "late": "no time was left"}
    assert (tmp_path / "well.log").read_text() == "done\n"


def test_results_are_a_table_that_takes_the_place_of_the_one_before(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    lenet = {"seconds": {"ours": [2e-6, 4e-6, 3e-6]}, "ratios": {"ours": {"median": 30.0, "spread": [29.0, 31.5]}}}
    (tmp_path / "benchmarks" / "lenet.json").write_text(json.dumps(lenet))
    runs = [{"teacher": "resnet9 of width 32", "strategy": "mixup", "seconds": [1, 9.6], "accuracy": [0.5, 0.9]}]
    (tmp_path / "benchmarks" / "accuracy.json").write_text(json.dumps({"runs": runs}))
    steps = [{"name": "paper", "code": "no time was left", "seconds": 0}, {"name": "training", "code": 0, "seconds": 9}]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    document = tmp_path / "performance.md"
    document.write_text("# How fast it is\n")
    script.write(tmp_path, document)
    first = document.read_text()
    assert "| lenet | ours | 3.00 | 30.00 x (29.00 to 31.50) |" in first
    assert "| accuracy | resnet9 of width 32, mixup | | 90.0 % after 10 s |" in first
    assert "| paper | not done: no time was left | | |" in first
    script.write(tmp_path, document)
    assert document.read_text() == first
