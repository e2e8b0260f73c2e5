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
)
LARGEST = 1_500_000  # bytes of a page


def copy_report(report: Path, target: Path) -> None:
    """Copy what is kept of a report; its page names no file that is left behind. Ends the process for a large page."""
    shutil.rmtree(target, ignore_errors=True)
    for pattern in KEPT:
        for path in report.glob(pattern):
            copied = target / path.relative_to(report)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())
    page = without_absent_links((report / "index.html").read_text(encoding="utf-8"), target)
    if len(page.encode()) > LARGEST:
        sys.exit(f"{report / 'index.html'} has {len(page.encode()):,} bytes, at most {LARGEST:,} are committed")
    (target / "index.html").write_text(page, encoding="utf-8")


def without_absent_links(page: str, folder: Path) -> str:
    """Return a page in which links to files that a folder lacks are their words, and lists of files leave them out."""

    def there(link: re.Match[str]) -> str:
        return link[0] if link[1].startswith(("#", "http")) or (folder / link[1]).is_file() else link[2]

    def files(listed: re.Match[str]) -> str:
        kept = [link[0] for link in LINK.finditer(listed[1]) if (folder / link[1]).is_file()]
        return f'<p class="files">{" · ".join(kept)}</p>'

    return LINK.sub(there, re.sub(r'<p class="files">(.*?)</p>', files, page))


LINK = re.compile(r'<a href="([^"]+)">(.*?)</a>')

if __name__ == "__main__":
    (given,) = sys.argv[1:]
    copy_report(Path(given), FOLDER / Path(given).resolve().parent.name)
