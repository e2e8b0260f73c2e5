"""The documentation as a site: built without a warning, whole without a network, with every key and command."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from augdistill.cli.main import COMMANDS, COMPOSING
from augdistill.config import choices
from composed import compose
from conftest import need

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
need("mkdocs", reason="pip install 'augdistill[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site; --quiet would hide warnings from --strict."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = re.findall(r'<(?:script|img|link|source)\b[^>]*?(?:src|srcset|href)="([^"]+)"', page.read_text())
        assert [where for where in loaded if re.match(r"(https?:)?//", where)] == [], page


def test_every_document_is_a_page(site: Path) -> None:
    documents = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {*documents, "index", "contributing", "changelog"} <= {path.stem for path in site.glob("*.html")}


def test_every_key_of_every_command_has_its_row(site: Path) -> None:
    text = unescape((site / "reference" / "keys.html").read_text())
    for command in COMPOSING:
        section = text.split(f'<h2 id="{command}">')[1].split("<h2 ")[0]
        lines = [key for key in leaves(compose(command)) if not key.startswith(("study.", "hydra"))]
        assert [key for key in lines if f"<code>{key}</code>" not in section] == []
    for choice in (name for group in ("aug", "loss", "dataset") for name in choices(group)):
        assert f"<td><code>{choice}</code></td>" in text


def leaves(values: dict, prefix: str = "") -> list[str]:
    """Return every dotted key that holds no group."""
    found: list[str] = []
    for key, value in values.items():
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
    return found


def test_every_command_and_every_public_name_is_told(site: Path) -> None:
    import augdistill

    commands = (site / "reference" / "commands.html").read_text()
    assert [name for name in COMMANDS if f'<h2 id="{name}">' not in commands] == []
    python = (site / "reference" / "python.html").read_text()
    public = [name for name in augdistill.__all__ if not name.startswith("__")]
    assert [name for name in public if f'id="augdistill.api.{name}"' not in python] == []
