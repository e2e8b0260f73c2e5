"""Copy a study's report into docs/results/NAME, as it can be committed: fewer files, no links to the runs.

usage: .venv/bin/python scripts/results.py outputs/studies/NAME/report
"""

import re
import shutil
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "results"
KEPT = (
    "conf/study/*.yaml",
    "results.csv",
    "tables/*.csv",
    "tables/*.tex",
    "figures/*.pdf",
    "figures/figure-effect*.svg",
    "figures/figure-sweep-*.svg",
)
LARGEST = 1_500_000  # bytes of a page
LINK = re.compile(r'<a href="([^"]+)">(.*?)</a>')


def copy_report(report: Path, target: Path) -> None:
    """Copy what is kept of a report; its page names no file that is left behind.

    Ends the process, with nothing changed, where the page would be too large.
    """
    kept = {path.relative_to(report) for pattern in KEPT for path in report.glob(pattern)}
    page = without_absent_links((report / "index.html").read_text(encoding="utf-8"), {str(path) for path in kept})
    if len(page.encode()) > LARGEST:
        sys.exit(f"{report / 'index.html'} has {len(page.encode()):,} bytes, at most {LARGEST:,} are committed")
    shutil.rmtree(target, ignore_errors=True)
    for path in kept:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(report / path, target / path)
    (target / "index.html").write_text(page, encoding="utf-8")


def without_absent_links(page: str, kept: set[str]) -> str:
    """Return a page in which links to files that are not kept are their words, and lists of files leave them out."""

    def told(link: re.Match[str]) -> str:
        return link[0] if link[1].startswith(("#", "http")) or link[1] in kept else link[2]

    def files(listed: re.Match[str]) -> str:
        there = [link[0] for link in LINK.finditer(listed[1]) if link[1] in kept]
        return f'<p class="files">{" · ".join(there)}</p>'

    return LINK.sub(told, re.sub(r'<p class="files">(.*?)</p>', files, page))


if __name__ == "__main__":
    (given,) = sys.argv[1:]
    copy_report(Path(given), FOLDER / Path(given).resolve().parent.name)
