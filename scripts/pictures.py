"""Draw the README's pictures into docs/pictures: badges, what strategies do to digits, a page by day and night.

usage: .venv/bin/python scripts/pictures.py [REPORT/index.html]    (the page needs chromium and playwright)
"""

import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor, nn

from augdistill.augment import AUGMENTATIONS, apply_all, draw_epoch
from augdistill.augment.normaliser import Normaliser
from augdistill.config.places import parameters
from augdistill.results import labels

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
SIDE, IMAGES, SEED = 32, 8, 2
SHOWN = {"prob": 1.0, "scope": "sample"}  # so that every image shows what a strategy does
INK = "#7d858e"  # on white and on black
SCREEN = {"width": 1200, "height": 860}
LETTER, MARGIN = 6.4, 7  # mean width of a letter of 11 pixels, and what is left free beside words
BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{what}: {said}">
<rect width="{width}" height="20" rx="3" fill="#4b5563"/>
<path fill="#1f4e9c" d="M{left} 0h{right}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3h-{right}z"/>
<g fill="#fff" font-family="DejaVu Sans,Verdana,sans-serif" font-size="11">
<text x="{margin}" y="14" textLength="{what_length}">{what}</text>
<text x="{beside}" y="14" textLength="{said_length}">{said}</text>
</g>
</svg>
"""


def badges() -> dict[str, str]:
    """Return what each badge says, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    python = project["requires-python"].removeprefix(">=")
    return {"python": f"{python} or newer", "licence": project["license"], "paper": "Das et al. 2020"}


def badge(what: str, said: str) -> str:
    """Return a badge as SVG."""
    what_length, said_length = (round(LETTER * len(words)) for words in (what, said))
    left, right = what_length + 2 * MARGIN, said_length + 2 * MARGIN - 3
    return BADGE.format(
        what=what,
        said=said,
        what_length=what_length,
        said_length=said_length,
        margin=MARGIN,
        left=left,
        right=right,
        beside=left + MARGIN,
        width=left + right + 3,
    )


def digits() -> Tensor:
    """Return bright digits of different classes, [IMAGES,1,SIDE,SIDE], in 0..1."""
    found = load_digits()
    first = [int(np.flatnonzero(found.target == kind)[3]) for kind in range(IMAGES)]
    small = torch.from_numpy(found.images[first] / 16).float()[:, None]
    return nn.functional.interpolate(small, size=(SIDE, SIDE), mode="bilinear").clamp(0, 1)


def draw_strategies(path: Path) -> None:
    """Draw a row for each strategy: the same digits, seen by a teacher under it."""
    images, targets = digits(), torch.eye(IMAGES)
    pixels = (255 * images).round().to(torch.uint8)
    plain = Normaliser(torch.zeros(1), torch.ones(1), (1, SIDE, SIDE), torch.contiguous_format)
    rows = {"baseline": images}
    for name in AUGMENTATIONS.own:
        params = parameters("aug", name)
        ops = [(name, {key: SHOWN.get(key, value) for key, value in params.items()})]
        (draws,) = draw_epoch(ops, SEED, "picture", epoch=0, sizes=[IMAGES], side=SIDE)
        batch = {key: torch.from_numpy(value) for key, value in draws.items()}
        rows[name] = apply_all(ops, pixels, targets, [batch], plain).images
    figure = Figure(figsize=(7.2, 0.82 * len(rows)))
    for number, (name, shown) in enumerate(rows.items()):
        for column in range(IMAGES):
            left, bottom = 0.19 + 0.81 * column / IMAGES, 1 - (number + 1) / len(rows)
            axes = figure.add_axes((left, bottom, 0.8 / IMAGES, 0.94 / len(rows)))
            axes.imshow(shown[column, 0], cmap="gray", vmin=0, vmax=1)
            axes.axis("off")
        figure.text(0.18, 1 - (number + 0.5) / len(rows), labels.strategy(name), ha="right", va="center", color=INK)
    figure.savefig(path, dpi=110, transparent=True)


def show_page(page: Path) -> None:
    """Photograph the first screen of a report, by day and by night."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            tab = browser.new_context(color_scheme=scheme, viewport=SCREEN).new_page()
            tab.goto(page.resolve().as_uri())
            tab.screenshot(path=FOLDER / f"page-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for what, said in badges().items():
        (FOLDER / f"{what}.svg").write_text(badge(what, said))
    draw_strategies(FOLDER / "strategies.png")
    if sys.argv[1:]:
        show_page(Path(sys.argv[1]))
