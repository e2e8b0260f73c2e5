"""The studies in docs/results: pages that are whole and small, and numbers that follow from the values beside them."""

import re
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "results"
STUDIES = sorted(path.parent for path in FOLDER.glob("*/index.html"))
CORRUPTED = "cifar10-test+made-corruptions"
TABLES = {
    "cifar10-small": ("## Table 1", 5 * 6 + 3),
    "cifar10-small-shift": ("## Accuracy under natural shift", 5 * 8 + 4),
}
METRICS = {
    "CIFAR-10 acc., %": ("cifar10-test", "accuracy", 100),
    "CIFAR-10H KLD": ("cifar10h", "human_ce", 1),
    "CINIC-10 acc., %": ("cinic10-imagenet-test", "accuracy", 100),
    "Accuracy, %, CIFAR-10": ("cifar10-test", "accuracy", 100),
    "Accuracy, %, CINIC-10": ("cinic10-imagenet-test", "accuracy", 100),
    "Accuracy, %, CIFAR-10, made corruptions": (CORRUPTED, "accuracy", 100),
    "ECE, CIFAR-10, made corruptions": (CORRUPTED, "ece", 1),
}
STRATEGIES = {"Flip + crop": "flip-crop", "Labels only": "labels"}


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_page_is_small_and_leads_nowhere_else(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    assert len(page.encode()) < 1_500_000
    linked = re.findall(r'(?:href|src)="([^"#][^"]*)"', page)
    assert [path for path in linked if not path.startswith(("data:", "http")) and not (folder / path).is_file()] == []
    written = [page, *(path.read_text() for path in folder.rglob("*.csv"))]
    assert not any(re.search(r"/(?:home|root|work|tmp)/", text) for text in written)
    assert (FOLDER / f"{folder.name}.md").is_file()


def table(text: str, title: str) -> pd.DataFrame:
    """Return the first table below a heading, its cells as words."""
    lines = [line for line in text.split(title)[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip(" *") for cell in line.strip("|").split(" | ")] for line in lines if "---" not in line]
    return pd.DataFrame(cells[1:], columns=[name.strip() for name in cells[0]])


@pytest.mark.parametrize("name", TABLES)
def test_the_means_of_a_table_are_those_of_its_values(name: str) -> None:
    heading, cells = TABLES[name]
    values = pd.read_csv(FOLDER / name / "results.csv")
    written = table((FOLDER / f"{name}.md").read_text(), heading)
    compared = 0
    for _, row in written.iterrows():
        strategy = STRATEGIES.get(row.iloc[0], row.iloc[0].lower())
        for column in written.columns[1:]:
            model, _, what = column.partition(": ")
            if what not in METRICS:
                continue
            test_set, metric, scale = METRICS[what]
            role = "teacher" if "teacher" in model else "control" if strategy == "labels" else "student"
            rows = values[(values.role == role) & (values.test_set == test_set) & (values.metric == metric)]
            blocks = rows[rows.teacher_aug == strategy].groupby("block").value.mean() * scale
            if blocks.empty:
                assert row[column] == "–"
                continue
            digits = 1 if scale == 100 else 3
            assert row[column].startswith(f"{blocks.mean():.{digits}f} ± {blocks.std():.{digits}f} ({len(blocks)})")
            compared += 1
    assert compared == cells


def test_the_answer_of_cifar10_small_is_that_of_its_values() -> None:
    values = pd.read_csv(FOLDER / "cifar10-small" / "results.csv")
    rows = values.query("role == 'student' and test_set == 'cifar10-test' and metric == 'accuracy'")
    means = 100 * rows.groupby("teacher_aug").value.mean()
    gain = (means["mixup"] + means["cutmix"]) / 2 - means["baseline"]
    readme = (FOLDER.parents[1] / "README.md").read_text()
    assert f"scored {gain:.1f} points more" in " ".join((FOLDER / "cifar10-small.md").read_text().split())
    assert f"scored {gain:.1f} points more" in " ".join(readme.replace("**", "").split())


def test_the_sentences_under_shift_are_those_of_its_values() -> None:
    text = " ".join((FOLDER / "cifar10-small-shift.md").read_text().split())
    values = pd.read_csv(FOLDER / "cifar10-small-shift" / "results.csv").query("role == 'student'")

    def means(test_set: str, metric: str) -> pd.Series:
        rows = values[(values.test_set == test_set) & (values.metric == metric)]
        assert len(rows) == 60
        return rows.groupby("teacher_aug").value.mean()

    def gain(found: pd.Series) -> float:
        return float((found["mixup"] + found["cutmix"]) / 2 - found["baseline"])

    assert f"scored {-100 * gain(means(CORRUPTED, 'accuracy')):.1f} points less" in text
    assert f"scored {100 * gain(means('cifar10-test+pgd', 'robust_accuracy')):.1f} points more" in text
    errors = means(CORRUPTED, "ece")
    told = f"ECE of {errors['mixup']:.3f}, of CutMix teachers {errors['cutmix']:.3f}, of baseline teachers "
    assert f"{told}{errors['baseline']:.3f}" in text
