"""What every figure is made from and what it becomes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augdistill.report.figures.fonts import drawable
from augdistill.report.figures.style import Palette, import_matplotlib
from augdistill.results.cells import Cells
from augdistill.results.study import LABELS, SavedStudy

if TYPE_CHECKING:
    from matplotlib import figure as mpl


@dataclass(frozen=True)
class FigureContext:
    """A study with its cells and colours; `cache` is where slow results of the report itself are kept.

    `classes` are their names as `fonts`, families of this machine, can draw them.
    """

    saved: SavedStudy
    cells: Cells
    palette: Palette
    cache: Path
    classes: list[str]
    fonts: list[str]

    @classmethod
    def of(cls, saved: SavedStudy, cells: Cells | None = None) -> "FigureContext":
        """Return what a study's figures are made from."""
        palette = Palette([*saved.augs, LABELS])
        import_matplotlib()
        fonts, classes = drawable(saved.classes)
        return cls(saved, cells or Cells(saved), palette, saved.folder / "report" / "cache", classes, fonts)


@dataclass(frozen=True)
class Figure:
    """A figure with what stands below it, and with what is said to those who do not see it.

    `student` is the model that it is about, if it is about one, and `test_set` the set, if not the study's first.
    Number and title come from its line in FIGURES.
    """

    key: str
    caption: str
    alternative: str
    figure: "mpl.Figure"
    student: str = ""
    number: str = ""
    title: str = ""
    test_set: str = ""
    narrow: "mpl.Figure | None" = None
    """the same for a phone, its panels one below the other"""

    @property
    def heading(self) -> str:
        return f"{self.number}. {self.title}" if self.number else self.title


def sentence(parts: Iterable[str]) -> str:
    """Return parts as one text alternative."""
    return "; ".join(part for part in parts if part) + "."
