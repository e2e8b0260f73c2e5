"""The benchmarks run, their gates hold and can fail, and what they compute from times is right."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import gates, measure, ours
from benchmarks.__main__ import main
from benchmarks.rows import ROWS
from benchmarks.sides import Setting


def test_a_row_of_each_kind_runs_and_is_saved_in_its_smallest_form(tmp_path: Path, capsys) -> None:
    rows = ["lenet", "cutout", "evaluation"]
    assert main(["--quick", "--pairs", "1", "--threads", "1", "--outputs", str(tmp_path), *rows]) == 0
    told = capsys.readouterr().out
    assert told.count("gate: ") == 5
    for name in rows:
        saved = json.loads((tmp_path / f"{name}.json").read_text())
        assert list(saved["seconds"]) == list(ROWS[name].sides(Setting(tmp_path, tmp_path, True, "cpu", 1)))
        assert saved["ratios"][next(iter(saved["seconds"]))] == {"median": 1.0, "spread": [1.0, 1.0]}
        assert saved["facts"]["ours"]["gbyte"] > 0
        assert saved["machine"]["versions"]["torch"] == torch.__version__.split("+")[0]


def test_ratios_are_paired() -> None:
    result = measure.Result("lenet", {"theirs": [2.0, 4.0, 9.0], "ours": [1.0, 1.0, 3.0]}, {})
    assert result.ratios("ours") == [2.0, 4.0, 3.0]
    assert result.to_json()["ratios"]["ours"] == {"median": 3.0, "spread": [2.0, 4.0]}


def test_the_gate_sees_a_loop_that_computes_something_else(tmp_path: Path, monkeypatch) -> None:
    images = ours.read("digits", "train", tmp_path, tmp_path)
    changed = {**ours.DISTILLATION, "temperature": 19}
    monkeypatch.setattr(ours, "DISTILLATION", changed)
    same, _ = gates.loops_agree(images, "lenet", torch.float64, 2)
    monkeypatch.setattr(gates.conventional, "distillation_loss", lambda *_: gates.conventional.label_loss)
    other, _ = gates.loops_agree(images, "lenet", torch.float64, 2)
    assert same < 1e-12 < 1e-3 < other
    with pytest.raises(gates.GateError, match=r"loss: 0\.02, allowed 1e-08"):
        gates.check("loss", 0.02, 1e-8)
    with pytest.raises(gates.GateError, match="nan"):
        gates.check("loss", float("nan"), 1e-8)


def test_operations_and_bytes_are_those_of_a_product() -> None:
    one, other = torch.ones(64, 32), torch.ones(32, 16)
    found = measure.counted(lambda: one @ other)
    assert found["gflop"] == pytest.approx(2 * 64 * 32 * 16 / 1e9)
    assert found["gbyte"] == pytest.approx(4 * (64 * 32 + 32 * 16 + 64 * 16) / 1e9)
    assert measure.counted(lambda: one.t()) == {"gflop": 0, "gbyte": 0}  # a view moves nothing


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
