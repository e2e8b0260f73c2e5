"""A study's accuracies as a table of plain text."""

import pandas as pd


def accuracy_table(results: pd.DataFrame, test_set: str) -> str:
    """Return accuracy in percent, mean +- s.d. over blocks (n), by teacher's strategy and model, on one test set."""
    rows = results[(results.metric == "accuracy") & (results.test_set == test_set) & (results.variant == "")]
    blocks = (
        rows.groupby(["role", "model", "teacher_aug", "student_aug", "block"], sort=False).value.mean().reset_index()
    )
    blocks["column"] = [
        model if role == "teacher" else model + ("" if own == "baseline" else f" with {own}")
        for role, model, own in zip(blocks.role, blocks.model, blocks.student_aug, strict=True)
    ]
    cells = blocks.groupby(["teacher_aug", "column"], sort=False).value.agg(["mean", "std", "count"])
    text = cells.apply(cell, axis=1).unstack("column").fillna("")
    order = [name for name in dict.fromkeys(blocks.teacher_aug) if name != "labels"] + ["labels"]
    text = text.reindex([name for name in order if name in text.index])[list(dict.fromkeys(blocks.column))]
    text.index.name, text.columns.name = "teacher's augmentation", None
    return f"accuracy on {test_set}, %, mean ± s.d. over blocks (n)\n" + text.reset_index().to_string(index=False)


def cell(row: pd.Series) -> str:
    """Return one cell; the s.d. needs two blocks."""
    spread = f" ± {100 * row['std']:.1f}" if row["count"] > 1 else ""
    return f"{100 * row['mean']:.1f}{spread} ({int(row['count'])})"
