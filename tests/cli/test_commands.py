"""The commands that compose: what `evaluate` does where one of many runs cannot be evaluated."""

import shutil

from core import flip_bit


def test_evaluate_goes_past_a_run_that_cannot_be_evaluated(tiny_study, run_here, tmp_path) -> None:
    shutil.copytree(tiny_study, tmp_path / "outputs")
    runs = tmp_path / "outputs" / "runs"
    for folder in runs.glob("evaluation-*"):
        shutil.rmtree(folder)
    bad, *good = sorted(path.name for kind in ("teacher", "student") for path in runs.glob(f"{kind}-*"))
    flip_bit(runs / bad / "weights.safetensors")
    ran = run_here(["evaluate"], tmp_path)
    assert ran.code == 1
    assert f"{bad} on digits cannot be evaluated: " in ran.stderr
    assert ran.stderr.rstrip().endswith("1 evaluation could not be made; all others are there")
    evaluated = {path.name for path in runs.glob("evaluation-*")}
    for name in good:
        assert any(name.rpartition("-")[0] in folder for folder in evaluated), name
    assert not any(bad.rpartition("-")[0] in folder for folder in evaluated)
