"""Figures: their numbers against naive ones, colours that people tell apart, SVGs that share a page."""

import itertools
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.report.figures import FIGURES, FigureContext, images, make_figures, style
from augdistill.report.figures.curves import course
from augdistill.report.figures.forest import draw_forest
from augdistill.report.figures.humans import human_means, matrices
from augdistill.report.figures.latent import four_classes, subset, teacher_map
from augdistill.report.figures.properties import relations
from augdistill.report.figures.reliability import FEWEST, curve
from augdistill.results.cells import Cells
from augdistill.results.effects import effects

HOSTILE = ["<script>alert(1)</script>", "a & b", "$5", '"quoted"', "x_y^z", "ünï", "6", "7", "8", "9"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    base = tmp_path_factory.mktemp("figures")
    root = saved_studies.write_data(base / "data")
    words = (
        f"study.dataset.root={root}",
        "study.dataset.verify=false",
        "study.blocks=2",
        "study.students_per_teacher=1",
    )
    return FigureContext.of(saved_studies.write_study(base / "outputs", "study=paper", *words, classes=HOSTILE))


@pytest.fixture(scope="module")
def drawn(source):
    with style.applied():
        made = {name: make_figures(name, source) for name in FIGURES if name != "Effect by cell"}
    assert not [found for found in made.values() if isinstance(found, str)]
    return [images.freeze_layout(figure) for figures in made.values() for figure in figures]


def values(source, role, model, aug, metric="accuracy"):
    rows = source.saved.results
    same = (rows.role == role) & (rows.model == model) & (rows.teacher_aug == aug) & (rows.metric == metric)
    return list(rows[same & (rows.test_set == "cifar10-test")].value)


def test_effects_are_welchs_with_holm_over_all(source):
    found = effects(source.saved, Cells(source.saved))
    assert [(effect.student, effect.strategy) for effect in found] == list(
        itertools.product(["lenet", "alexnet"], ["flip-crop", "cutout", "mixup", "cutmix"])
    )
    tests = []
    for effect in found:
        pair = [values(source, "student", effect.student, aug) for aug in (effect.strategy, "baseline")]
        tests.append(stats.ttest_ind(*pair, equal_var=False))
        assert effect.value == pytest.approx(100 * (np.mean(pair[0]) - np.mean(pair[1])))
        low, high = tests[-1].confidence_interval()
        assert (effect.low, effect.high) == pytest.approx((100 * low, 100 * high))
        assert effect.p == pytest.approx(tests[-1].pvalue)
    smallest = min(found, key=lambda effect: effect.p)
    assert smallest.p_holm == pytest.approx(min(1, 8 * smallest.p))


def test_effects_within_a_cell_of_a_grid_are_welchs_with_shared_runs_in_their_place(tmp_path):
    source = FigureContext.of(saved_studies.write_controls(tmp_path))
    rows = source.saved.results.query("role == 'student' and metric == 'accuracy'").set_index(
        ["variant", "teacher_aug"]
    )
    own = {"baseline": "", "mixup": "distillation.transform=rescale"}  # the baseline has its own s.d. already
    found = effects(source.saved, source.cells, own["mixup"])
    assert [effect.strategy for effect in found] == ["mixup", "cutmix"]
    pair = [rows.loc[(own[aug], aug), "value"] for aug in ("mixup", "baseline")]
    expected = stats.ttest_ind(*pair, equal_var=False)
    assert found[0].value == pytest.approx(100 * (np.mean(pair[0]) - np.mean(pair[1])))
    assert found[0].p == pytest.approx(expected.pvalue)
    with style.applied():
        (drawn,) = (images.freeze_layout(figure) for figure in make_figures("Effect by cell", source))
    assert drawn.key == "figure-grids-lenet"
    for name in ("as configured", "teacher’s logits rescaled to the baseline’s s.d.", "Mixup with hard labels"):
        assert f"{name}: Mixup " in drawn.alternative
    (ax,) = drawn.figure.axes
    assert len(ax.get_yticks()) == len(source.saved.variants) == 7


@pytest.mark.parametrize("students", [1, 2])
def test_the_axis_of_the_effects_is_named_within_the_figure(students, source):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    kept = [found for found in effects(source.saved, source.cells) if found.student in ["lenet", "alexnet"][:students]]
    with style.applied():
        figure = draw_forest(kept, source.palette, "flip-crop+cutmix")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    (text,) = [text for text in figure.texts if text.get_text().startswith("accuracy minus")]
    box = text.get_window_extent(canvas.get_renderer())
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y0 >= 0


def test_reliability_curves_pool_the_students_of_a_block_image_by_image():
    rng = np.random.default_rng(0)
    edges = np.arange(11) / 10
    diagrams, raw = [], {}
    for block, _ in itertools.product(range(3), range(2)):
        confidence = rng.uniform(0.1, 1, 150)
        correct = rng.uniform(size=150) < confidence
        raw.setdefault(block, []).append((confidence, correct))
        index = np.minimum(np.ceil(confidence * 10).astype(int) - 1, 9)
        counts = np.bincount(index, minlength=10)
        means = [np.bincount(index, array, 10) / np.where(counts, counts, np.nan) for array in (confidence, correct)]
        diagrams.append((block, {"counts": counts, "confidence": means[0], "accuracy": means[1]}))
    found = curve("mixup", diagrams)
    expected = []
    for low, high in itertools.pairwise(edges):
        blocks = []
        for runs in raw.values():
            pooled = [right[(low < sure) & (sure <= high)] for sure, right in runs]
            if len(np.concatenate(pooled)) >= FEWEST:
                blocks.append(np.concatenate(pooled).mean())
        if blocks:
            expected.append((np.mean(blocks), np.std(blocks, ddof=1) if len(blocks) > 1 else np.nan))
    np.testing.assert_allclose(found.accuracy, [mean for mean, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(found.sd, [sd for _, sd in expected], rtol=1e-12)
    assert curve("mixup", []) is None


def test_four_classes_are_the_papers_or_the_most_confused_pairs():
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert [names[index] for index in four_classes(names, [])] == ["bird", "cat", "automobile", "truck"]
    confusion = np.full((6, 6), 1.0) + 50 * np.eye(6)
    confusion[4, 1] = confusion[1, 4] = 9
    confusion[1, 2] = 12  # a third of the pair (1, 2) is taken by the larger (1, 4)
    confusion[5, 0] = 7
    assert four_classes(list("abcdef"), [confusion]) == [1, 4, 0, 5]
    assert four_classes(list("abc"), [confusion]) == [0, 1, 2]


def test_embeddings_are_placed_once_and_the_same_each_time(source, tmp_path, monkeypatch):
    place = next(source.saved.plain("teacher", "resnet18", "mixup"))
    first = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "a")
    again = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "b")
    np.testing.assert_array_equal(first.points, again.points)
    assert first.points.shape == (120, 2)
    assert [int((first.members == member).sum()) for member in range(4)] == [30] * 4
    monkeypatch.setattr("augdistill.report.figures.latent.embed", None)  # what is kept is not computed again
    kept = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "a")
    np.testing.assert_array_equal(kept.points, first.points)
    with pytest.raises(TypeError):
        teacher_map(source.saved, place, [4, 5, 6, 7], tmp_path / "a")


def test_a_subset_has_at_most_so_many_of_each_class():
    classes = np.repeat(np.arange(5), 400)
    rows = subset(classes, [4, 1], seed=0)
    assert np.bincount(classes[rows], minlength=5).tolist() == [0, 150, 0, 0, 150]
    assert (np.diff(rows) > 0).all()


def test_human_figures_show_what_evaluations_measured(source):
    means = human_means(source)
    truth = saved_studies.TRUTH
    naive = np.stack([saved_studies.HUMANS[truth == index].mean(axis=0) for index in range(10)])
    np.testing.assert_allclose(means, naive, rtol=1e-12)
    found = {(matrix.role, matrix.model, matrix.strategy): matrix for matrix in matrices(source)}
    assert len(found) == 15
    rows = source.saved.results.query("role == 'teacher' and teacher_aug == 'cutmix' and test_set == 'cifar10h'")
    for metric, value in (("diagonal", "human_kl_diagonal"), ("off_diagonal", "human_kl_off_diagonal")):
        shown = getattr(found["teacher", "resnet18", "cutmix"], metric)
        assert shown == pytest.approx(rows[rows.metric == value].value.mean())


def test_properties_correlate_means_over_strategies(source):
    found = {(relation.metric, relation.test_set): relation for relation in relations(source, "lenet")}
    names = ["accuracy", "ece", "discrimination_corrected", "class_separability", "logit_sd", "label_information_20"]
    own = [(name, "cifar10-test") for name in names]
    assert list(found) == own + [(name, "distillation") for name in names if not name.startswith("discrimination")]
    augs = source.saved.augs
    x = [np.mean(values(source, "teacher", "resnet18", aug, "ece")) for aug in augs]
    y = [np.mean(values(source, "student", "lenet", aug)) for aug in augs]
    assert found["ece", "cifar10-test"].rho == pytest.approx(stats.spearmanr(x, y).statistic)


def test_courses_cover_the_epochs_that_all_runs_have():
    found = course("mixup", [[3.0, 2.0, 1.0], [5.0, 4.0]])
    assert (found.mean.tolist(), found.low.tolist(), found.high.tolist()) == ([4, 3], [3, 2], [5, 4])


def test_svgs_share_a_page(drawn):
    pages = [images.as_inline_svg(figure) for figure in drawn]
    ids = [name for page in pages for name in re.findall(r'\bid="([^"]+)"', page)]
    assert len(ids) == len(set(ids)) > 100
    for page, figure in zip(pages, drawn, strict=True):
        root = ElementTree.fromstring(page)
        own = set(re.findall(r'\bid="([^"]+)"', page))
        used = re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page)
        assert set(used) <= own
        assert set(root.attrib["aria-labelledby"].split()) <= own
        title, desc = root[0], root[1]
        assert (title.text, desc.text) == (figure.heading, figure.alternative)
        assert len(figure.alternative) > 40
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", page)


def test_no_class_name_is_markup(drawn):
    pages = "".join(images.as_inline_svg(figure) for figure in drawn)
    assert "<script>" not in pages
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages
    assert ">$5</text>" in pages


def test_every_colour_of_a_figure_follows_the_page(drawn):
    """What is left as a plain colour is heat or the black and white on it."""
    for figure in drawn:
        if figure.key not in ("figure-4", "figure-5"):
            page = images.as_inline_svg(figure)
            body = page[page.index("</desc>") :]
            assert not re.findall(r"#[0-9a-f]{6}\b", body), figure.key
            assert "var(--fig-" in body
    for colour in style.DARK:
        assert f"--fig-{colour[1:]}:" in images.theme_css()


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_files_are_the_same_each_time_and_what_they_say(source, drawn, kind):
    first = images.as_file(drawn[1], kind)
    with style.applied():
        (again,) = make_figures("Figure 1", source)
    assert images.as_file(images.freeze_layout(again), kind) == first
    assert first[:5].strip() in {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}[kind] or first.startswith(
        b"\x89PNG"
    )


# What the colour-blind see of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    """sRGB as linear light (IEC 61966-2-1)."""
    value = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """WCAG 2.1."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(light):
    """CIE L*a*b*, D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in matrix @ light / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("dark", [False, True])
def test_strategies_stand_out_and_are_told_apart_whatever_one_sees(dark):
    colours = [style.DARK[colour] if dark else colour for colour in style.STRATEGY_COLOURS.values()]
    page = style.DARK[style.PAPER] if dark else "#ffffff"
    assert min(contrast(colour, page) for colour in colours) > 3
    for vision, matrix in VISIONS.items():
        seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in colours]
        nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
        assert nearest > 15, vision


def test_every_strategy_has_its_own_look_also_unknown_and_stacked_ones():
    names = ["baseline", "flip-crop", "cutout", "mixup", "cutmix", "labels", "mine", "yours", "flip-crop+cutmix"]
    palette = style.Palette(names)
    looks = {(palette.colour(n), palette.marker(n), palette.line(n), palette.fill(n)) for n in names}
    assert len(looks) == len(names)
    assert palette.colour("flip-crop+cutmix") == palette.colour("cutmix")
    assert {palette.colour(n) for n in names} <= set(style.DARK)


def test_one_block_and_missing_arms_still_make_figures(tmp_path):
    words = ("study=tiny", "study.blocks=1")
    saved = saved_studies.write_study(tmp_path, *words, statuses={"cutmix": "missing"})
    source = FigureContext.of(saved)
    with style.applied():
        made = {name: make_figures(name, source) for name in FIGURES}
    left_out = {name: found for name, found in made.items() if isinstance(found, str)}
    assert set(left_out) == {"Effect on students", "Effect by cell", "Figure 4", "Figure 5", "Teacher properties"}
    (figure,) = made["Figure 1"]
    assert "CutMix" not in figure.alternative


def test_headings_carry_the_papers_number(drawn):
    numbered = [figure.number for figure in drawn if figure.number]
    assert numbered == [f"Figure {number}" for number in range(1, 7)]
    assert replace(drawn[0], number="Figure 9").heading == f"Figure 9. {drawn[0].title}"
