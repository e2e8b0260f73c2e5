"""From studies to a report: everything is computed here, once; `page` and `files` only write it down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from augdistill.claims.judging import Floors, join, judge
from augdistill.claims.looks import family_of
from augdistill.claims.schema import Study
from augdistill.claims.verdict import Verdict
from augdistill.report.figures import FIGURES, Figure, FigureContext, FigureEntry, make_figures, style
from augdistill.report.figures.images import freeze_layout
from augdistill.report.page.headline import Headline, headline
from augdistill.report.page.provenance import Provenance, provenance
from augdistill.report.page.warnings import shared_runs, study_warnings
from augdistill.report.tables import TABLES, Table, TableEntry, make_table
from augdistill.results.cells import Cells
from augdistill.results.looks import load_looks, record_look
from augdistill.results.study import SavedStudy
from augdistill.stats.floors import ece_floor

WHAT = ["run", "test_set", "metric"]  # a value is of; a run that several studies share is written once


@dataclass(frozen=True)
class StudyReport:
    """What a report says of one study; `left_out` names tables and figures that cannot be made, and why."""

    saved: SavedStudy
    palette: style.Palette
    headline: Headline
    warnings: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[tuple[str, str], ...]
    provenance: Provenance


@dataclass(frozen=True)
class Report:
    """One or several studies with the verdicts that they give together."""

    folder: Path
    studies: tuple[StudyReport, ...]
    verdicts: tuple[Verdict, ...]
    results: pd.DataFrame

    @property
    def is_joined(self) -> bool:
        return len(self.studies) > 1


def build_report(names: Sequence[str], outputs: Path) -> Report:
    """Return the report of studies by name, from saved results alone. Raises RequestError for an unknown study."""
    saved = [SavedStudy.load(name, outputs) for name in dict.fromkeys(names)]
    by_study = [judged(study) for study in saved]
    prefixes = [f"{study.name}-" if len(saved) > 1 else "" for study in saved]
    folder = outputs / "studies" / "+".join(study.name for study in saved) / "report"
    parts = [
        build_study(study, verdicts, folder, prefix, [other for other in saved if other is not study])
        for study, verdicts, prefix in zip(saved, by_study, prefixes, strict=True)
    ]
    results = pd.concat([study.results for study in saved]).drop_duplicates(WHAT, ignore_index=True)
    return Report(folder, tuple(parts), tuple(join(by_study)), results)


def judged(saved: SavedStudy) -> list[Verdict]:
    """Return a study's verdicts, and record in its folder that it was looked at."""
    looks, claims = load_looks(saved.folder), saved.claims
    verdicts = judge(
        saved.results,
        saved.meta,
        claims,
        predictions=saved.correct,
        floors=floors(saved),
        looks=looks,
        hours=hours_per_block(saved),
    )
    record_look(saved.folder, looks, family_of(Study.from_meta(saved.meta, claims), claims), verdicts)
    return verdicts


def hours_per_block(saved: SavedStudy) -> float:
    """Return the computing time of one block on the hardware that the study ran on; NaN before any has run."""
    blocks = {place.block for place in saved.places if place.run is not None}
    seconds = sum(run.manifest.provenance.seconds for run in saved.runs.values())
    return seconds / 3600 / len(blocks) if blocks else float("nan")


def floors(saved: SavedStudy) -> Floors:
    """Return what gives the ECE of a perfectly calibrated model with the confidences of a run on a test set."""
    places = {place.folder: place for place in saved.places}

    def floor(folder: str, test_set: str) -> float | None:
        place = places.get(folder)
        arrays = saved.arrays(place, test_set) if place else None
        if not arrays or "reliability" not in arrays:
            return None
        diagram = arrays["reliability"]
        counts = np.array(diagram["counts"], dtype=np.float64)
        return ece_floor(counts, np.where(counts > 0, np.array(diagram["confidence"], dtype=np.float64), 0.0))

    return floor


def asked(entries: Mapping[str, TableEntry] | Mapping[str, FigureEntry], saved: SavedStudy) -> list[str]:
    """Return the names of tables or figures without those under shift where a study asks for nothing there."""
    return [name for name, entry in entries.items() if saved.shift_sets or "shift" not in entry.needs]


def build_study(
    saved: SavedStudy, verdicts: Sequence[Verdict], folder: Path, prefix: str = "", others: Sequence[SavedStudy] = ()
) -> StudyReport:
    """Return one study's report, to be written to `folder`; `prefix` keeps its files apart from those of `others`."""
    cells = Cells(saved)
    context = FigureContext.of(saved, cells)
    tables: list[Table] = []
    figures: list[Figure] = []
    left_out: list[tuple[str, str]] = []
    for name in asked(TABLES, saved):
        table = make_table(name, saved, cells)
        if isinstance(table, str):
            left_out.append((name, table))
        else:
            tables.append(replace(table, key=prefix + table.key))
    with style.applied(**{"font.family": context.fonts}):
        for name in asked(FIGURES, saved):
            drawn = make_figures(name, context)
            if isinstance(drawn, str):
                left_out.append((name, drawn))
                continue
            with style.stacked():
                narrow = make_figures(name, context)
            assert not isinstance(narrow, str)
            figures += [
                freeze_layout(replace(figure, key=prefix + figure.key, narrow=other.figure))
                for figure, other in zip(drawn, narrow, strict=True)
            ]
    return StudyReport(
        saved=saved,
        palette=context.palette,
        headline=headline(saved, cells, verdicts),
        warnings=(*shared_runs(saved, others), *study_warnings(saved)),
        tables=tuple(tables),
        figures=tuple(figures),
        left_out=tuple(left_out),
        provenance=provenance(saved, folder),
    )
