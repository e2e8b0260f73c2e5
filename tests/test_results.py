"""The studies in docs/results: pages that are whole and small, and numbers that follow from the values beside them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

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
    lines = [line for line in text.split(title)[1].split("\n## ")[0].splitlines() if line.startswith("|")]
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


def test_the_effects_of_cifar10_factors_are_those_of_its_values() -> None:
    text = (FOLDER / "cifar10-factors.md").read_text()
    effects, cells = table(text, "## What each factor changes"), table(text, "## What every recipe gave")
    rows = pd.read_csv(FOLDER / "cifar10-factors" / "results.csv", dtype=str).query(
        "role == 'student' and test_set == 'cifar10-test' and metric == 'accuracy' and status != 'collapsed'"
    )
    names = list(cells.columns[1:-1])
    healthy = rows.rename(columns=lambda name: name.replace("-", " ")).dropna(subset="value").astype({"value": float})
    means = healthy.pivot(index=["block", *names], columns="teacher_aug", values="value")
    responses = (100 * ((means["mixup"] + means["cutmix"]) / 2 - means["baseline"])).dropna()
    written = cells.set_index(["Block", *names]).iloc[:, 0].str.replace("−", "-")
    assert len(written) == 32
    assert [(cell[2], cell[6]) for cell in written.index[written == "missing"]] == 5 * [("low", "batchmean")]
    assert responses.map("{:+.2f}".format).to_dict() == written[written != "missing"].to_dict()
    high = dict(zip(names, ("0.05", "high", "20", "0.9", "rescale", "batchmean", "15"), strict=True))
    levels = responses.index.to_frame(index=False)
    signs = pd.DataFrame({name: 2.0 * (levels[name] == level) - 1 for name, level in high.items()})
    words = {word: [names["ABCDEFG".index(letter)] for letter in word] for word in effects.iloc[:, 0]}
    blocks = pd.get_dummies(levels.block).astype(float)
    model = pd.concat(
        [blocks, *(signs[list(parts)].prod(axis=1).rename(word) for word, parts in words.items())], axis=1
    )
    fitted, residual, rank, _ = np.linalg.lstsq(model.to_numpy(), responses.to_numpy())
    df = len(responses) - rank
    spread = np.sqrt(residual[0] / df * np.linalg.inv(model.T @ model).diagonal())
    half = 2 * stats.t.ppf(0.975, df) * spread[4:]
    found = 2 * fitted[4:]
    for column, values in (("Change, points", found), ("95 % from", found - half), ("to", found + half)):
        assert [f"{value:+.2f}".replace("-", "−") for value in values] == list(effects[column])
    by_hand = responses.reset_index(name="points")
    as_coded = by_hand.query("alpha == '0.9' and reduction == 'elementwise' and `teacher logits` == 'none'").index
    assert list(by_hand.points[as_coded].agg(["max", "min", "size"]).round(1)) == [-2.5, -11.0, 4]
    assert by_hand.points.drop(as_coded).min() > -1.55
    assert by_hand.points.max() == pytest.approx(8.6, abs=0.05)


def test_accuracy_by_temperature_is_that_of_its_values() -> None:
    text = (FOLDER / "label-smoothing-temperature.md").read_text()
    values = pd.read_csv(FOLDER / "label-smoothing-temperature" / "results.csv", dtype={"variant": str}).query(
        "role != 'teacher' and test_set == 'cifar10-test' and metric == 'accuracy'"
    )
    values["temperature"] = values.variant.fillna("").str.removeprefix("distillation.temperature=").replace("", "1")
    blocks = values.groupby(["temperature", "teacher_aug", "block"]).value.mean()
    written = table(text, "## Accuracy at each temperature")
    names = {"Label smoothing": "label-smoothing", "Labels only": "labels"}
    for _, row in written.iterrows():
        for column in written.columns[1:]:
            strategy = names.get(column.partition(": ")[2], column.partition(": ")[2].lower())
            found = blocks["1" if strategy == "labels" else row["Changed"].removeprefix("T = "), strategy]
            assert row[column].startswith(f"{100 * found.mean():.1f} ± {100 * found.std():.1f} (3)")
    means = 100 * blocks.groupby(level=[0, 1]).mean()
    gains = {at: means[at, "label-smoothing"] - means[at, "baseline"] for at in ("1", "2", "4", "20")}
    gains["mixing"] = (means["20", "mixup"] + means["20", "cutmix"]) / 2 - means["20", "baseline"]
    said = re.findall(r"scored (\d\.\d) points (more|less) than those", text.split("## What it says")[1])
    assert said == [(f"{abs(gain):.1f}", "more" if gain > 0 else "less") for gain in gains.values()]


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
