"""A study's accuracies as a table of plain text."""

import pandas as pd

from augdistill.claims.samples import block_means


def accuracy_table(results: pd.DataFrame, test_set: str) -> str:
    """Return accuracy in percent, mean ± s.d. over blocks (n), by grid cell, teacher's strategy and model."""
    rows = results[(results.metric == "accuracy") & (results.test_set == test_set)]
    arm = ["variant", "role", "model", "teacher_aug", "student_aug"]
    blocks = pd.DataFrame(
        [(*key, mean) for key, group in rows.groupby(arm, sort=False) for mean in _means(group)],
        columns=[*arm, "value"],
    )
    blocks["column"] = [
        model if role == "teacher" else model + ("" if own == "baseline" else f" with {own}")
        for role, model, own in zip(blocks.role, blocks.model, blocks.student_aug, strict=True)
    ]
    cells = blocks.groupby(["variant", "teacher_aug", "column"], sort=False).value.agg(["mean", "std", "count"])
    text = cells.apply(cell, axis=1).unstack("column").fillna("")
    order = [name for name in dict.fromkeys(blocks.teacher_aug) if name != "labels"] + ["labels"]
    index = [
        (variant, aug) for variant in dict.fromkeys(blocks.variant) for aug in order if (variant, aug) in text.index
    ]
    text = text.reindex(index)[list(dict.fromkeys(blocks.column))].reset_index()
    text = text.rename(columns={"variant": "varied", "teacher_aug": "teacher's augmentation"})
    text["varied"] = text["varied"].replace("", "as configured")
    if set(text["varied"]) == {"as configured"}:
        text = text.drop(columns="varied")
    return f"accuracy on {test_set}, %, mean ± s.d. over blocks (n)\n" + text.to_string(index=False)


def _means(runs: pd.DataFrame) -> list[float]:
    """Return the block means of one arm's runs; NaN alone where no run has a value."""
    columns = (runs[name].tolist() for name in ("block", "student_seed", "value"))
    known = {(block, seed): value for block, seed, value in zip(*columns, strict=True) if value == value}
    return list(block_means(known).values()) or [float("nan")]


def cell(row: pd.Series) -> str:
    """Return one cell; the s.d. needs two blocks."""
    spread = f" ± {100 * row['std']:.1f}" if row["count"] > 1 else ""
    return f"{100 * row['mean']:.1f}{spread} ({int(row['count'])})"
