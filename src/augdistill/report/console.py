"""A study's accuracies as a table of plain text, and a line for each set of images under shift."""

import pandas as pd

from augdistill.base.status import KEPT
from augdistill.claims.samples import block_means
from augdistill.report.tables.paper import strategies
from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.inheritance import questions
from augdistill.results.study import SavedStudy


def accuracy_table(results: pd.DataFrame, test_set: str) -> str:
    """Return accuracy in percent, mean ± s.d. over blocks (n), by grid cell, teacher's strategy and model.

    Of an arm whose runs collapsed, diverged or are missing, how many.
    """
    rows = results[(results.metric == "accuracy") & (results.test_set == test_set)]
    arm = ["variant", "role", "model", "teacher_aug", "student_aug"]
    blocks = pd.DataFrame(
        [(*key, mean, _lost(group)) for key, group in rows.groupby(arm, sort=False) for mean in _means(group)],
        columns=[*arm, "value", "lost"],
    )
    blocks["column"] = [
        model if role == "teacher" else model + ("" if own == "baseline" else f" with {own}")
        for role, model, own in zip(blocks.role, blocks.model, blocks.student_aug, strict=True)
    ]
    by_cell = blocks.groupby(["variant", "teacher_aug", "column"], sort=False)
    cells = by_cell.value.agg(["mean", "std", "count"]).join(by_cell.lost.first())
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


def _lost(runs: pd.DataFrame) -> str:
    """Return how many of one arm's runs collapsed, diverged or are missing, in words."""
    counts = runs.status[~runs.status.isin(KEPT)].value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def cell(row: pd.Series) -> str:
    """Return one cell; the s.d. needs two blocks."""
    mean = f"{100 * row['mean']:.1f}" if row["count"] else "-"
    spread = f" ± {100 * row['std']:.1f}" if row["count"] > 1 else ""
    return f"{mean}{spread} ({'; '.join(filter(None, (str(int(row['count'])), row['lost'])))})"


def shift_lines(saved: SavedStudy) -> list[str]:
    """Return a line for each set of images under shift: accuracy, or AUROC, of all students by strategy.

    A strategy's number is the mean over its students' models of the means over blocks.
    """
    cells, lines = Cells(saved), []
    for metric, where in questions(saved, cells):
        numbers = []
        for strategy in strategies(saved):
            found = (cells.get(arm("student", student, strategy), metric, where) for student in saved.students)
            means = [cell.mean for cell in found if cell is not None and cell.n]
            if means:
                value = labels.scale(metric) * sum(means) / len(means)
                numbers.append(f"{strategy} {labels.number(value, labels.digits(metric, where))}")
        if numbers:
            what = labels.with_percent(f"{labels.metric(metric)} of students", metric)
            lines.append(f"{labels.test_set(where)}, {what}: {', '.join(numbers)}")
    return lines
