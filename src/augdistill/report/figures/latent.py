"""t-SNE of the teachers' penultimate embeddings of four classes (Figure 2), kept by run below the report's folder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augdistill.base.errors import RunError
from augdistill.base.files import write_atomic
from augdistill.base.reading import read_arrays
from augdistill.base.seeds import derive
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext
from augdistill.results import labels
from augdistill.results.study import Place, SavedStudy

if TYPE_CHECKING:
    from matplotlib import figure as mpl

PAPERS_CLASSES = ("bird", "cat", "automobile", "truck")
PER_CLASS = 150
DIMENSIONS = 50  # of the principal components that t-SNE starts from, as its authors advise
SETTINGS = 1  # raise when what `embed` computes changes: what was kept is then computed again


@dataclass(frozen=True)
class Map:
    """One teacher's embeddings in the plane: points [n, 2] and the class [n] of each, 0 to 3."""

    strategy: str
    points: NDArray[np.float64]
    members: NDArray[np.int64]


def four_classes(names: Sequence[str], confusions: Sequence[NDArray[np.float64]]) -> list[int]:
    """Return the paper's four classes, or the two pairs that models confuse most, or the first four.

    confusions: matrices [K, K], true class by prediction.
    """
    if set(PAPERS_CLASSES) <= set(names):
        return [names.index(name) for name in PAPERS_CLASSES]
    if len(names) <= 4 or not confusions:
        return list(range(min(4, len(names))))
    confused = np.stack([matrix + matrix.T for matrix in confusions]).sum(axis=0)
    np.fill_diagonal(confused, -np.inf)
    chosen: list[int] = []
    for _ in range(2):
        pair = np.unravel_index(int(np.argmax(confused)), confused.shape)
        chosen += sorted(int(index) for index in pair)
        confused[chosen] = confused[:, chosen] = -np.inf
    return chosen


def embed(embeddings: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Return embeddings [n, d] as points [n, 2] by principal components and t-SNE."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # no types are published

    values = np.asarray(embeddings, dtype=np.float64)
    perplexity = min(30.0, (len(values) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", max_iter=750, random_state=seed, n_jobs=1)
    with threadpool_limits(1):  # on a busy machine its threads wait for each other most of the time
        reduced = PCA(min(DIMENSIONS, *values.shape), svd_solver="full").fit_transform(values)
        return np.asarray(tsne.fit_transform(reduced), dtype=np.float64)


def subset(classes: NDArray[Any], chosen: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return the rows of at most PER_CLASS images of each chosen class, in order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(classes == index))[:PER_CLASS] for index in chosen]
    return np.sort(np.concatenate(rows)).astype(np.int64)


def read_map(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return points [n, 2] and members [n] as they were kept; None where they were not, or are damaged."""
    try:
        arrays = read_arrays(path, "it is made again")
    except (RunError, FileNotFoundError):
        return None
    points, members = arrays.get("points", np.empty(0)), arrays.get("members", np.empty(0))
    whole = points.shape == (len(members), 2) and points.dtype == np.float64 and members.dtype == np.int64
    return (points, members) if whole and np.isfinite(points).all() else None


def teacher_map(saved: SavedStudy, place: Place, chosen: Sequence[int], cache: Path) -> Map | None:
    """Return the map of one teacher, from the cache if it is there; None without embeddings."""
    evaluation = saved.evaluation(place.folder, saved.test_set)
    if evaluation is None:
        return None
    kept = cache / f"tsne{SETTINGS}-{evaluation.id[:16]}-{'-'.join(map(str, chosen))}.npz"
    if (found := read_map(kept)) is not None:
        return Map(place.teacher_aug, *found)
    arrays = saved.predictions(place.folder, saved.test_set, "embeddings", "labels")
    if arrays is None:
        return None
    embeddings, classes = arrays
    rows = subset(classes, chosen, derive(0, "report", "t-SNE rows"))
    if len(rows) < 8:
        return None
    seed = derive(0, "report", "t-SNE") % 2**32
    points = embed(embeddings[rows], seed)
    members = np.array([list(chosen).index(label) for label in classes[rows]], dtype=np.int64)
    content = io.BytesIO()
    np.savez(content, points=points, members=members)
    cache.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, content.getvalue())
    return Map(place.teacher_aug, points, members)


def draw_maps(maps: Sequence[Map], names: Sequence[str]) -> "mpl.Figure":
    """Draw a panel per strategy; classes have the same colours and marks in all."""
    size = 4.6 if len(maps) == 1 else 3.0 if len(maps) < 4 else 2.3
    figure, axes = style.panels(len(maps), 4 if len(maps) == 4 else 5, width=size, height=size + 0.2)
    handles: dict[str, Any] = {}
    for found, ax in zip(maps, axes, strict=True):
        for index, name in enumerate(names):
            points = found.points[found.members == index]
            (handles[name],) = ax.plot(
                points[:, 0],
                points[:, 1],
                style.CLASS_MARKERS[index],
                ms=3.5,
                color=style.CLASS_COLOURS[index],
                alpha=0.7,
                mew=0,
            )
        ax.set_title(labels.strategy(found.strategy))
        ax.set_aspect("equal", adjustable="datalim")
        style.without_frame(ax)
    style.legend_above(figure, list(handles.values()), list(handles), markerscale=2)
    return figure


def latent_space(context: FigureContext) -> list[Figure] | str:
    """Figure 2: the teachers' embeddings of four classes."""
    saved = context.saved
    teachers = [next(saved.plain("teacher", saved.teacher, aug), None) for aug in saved.augs]
    arrays = [saved.arrays(place, saved.test_set) for place in teachers if place]
    confusions = [np.array(found["confusion"], dtype=np.float64) for found in arrays if found]
    chosen = four_classes(saved.classes, confusions)
    maps = [teacher_map(saved, place, chosen, context.cache) for place in teachers if place]
    drawn = [found for found in maps if found is not None]
    if not drawn:
        return "no teacher’s embeddings are there yet"
    names = [context.classes[index] for index in chosen]
    blocks = sorted({place.block for place in teachers if place})
    which = "" if set(PAPERS_CLASSES) == set(names) else " (the pairs that these teachers confuse most)"
    caption = (
        f"Classes {', '.join(names)}{which}; at most {PER_CLASS} test images each; teachers of block "
        f"{', '.join(map(str, blocks))}. Only which points are neighbours has a meaning: directions, and distances "
        "between clusters, have none."
    )
    text = (
        f"Scatter plots, one per teacher ({', '.join(labels.strategy(found.strategy) for found in drawn)}), of "
        f"{len(drawn[0].points)} test images of the classes {', '.join(names)} placed by t-SNE. "
        "Table 3 measures how well the classes are separated."
    )
    return [Figure("figure-2", caption, text, draw_maps(drawn, names))]
