"""Class names, notes and messages with markup in them: text on the page and in every file beside it."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import saved_studies
from augdistill.report.building import Report, build_report
from augdistill.report.figures.images import as_file
from augdistill.report.page.html import render
from augdistill.report.tables import formats
from augdistill.report.tables.layout import Column, Row, Table
from augdistill.results.cells import Cell

NAMES = [
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "=cmd|' /C calc'!A1",
    "\\input{/etc/passwd}$x$%",
    "![x](http://example.org/x.png)",
    "]]><!-- --><style>*{display:none}</style>",
    'url(#x) id="a" &lt;b&gt; &#60;',
]
TAGS = ("script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "foreignobject", "image")


class Page(HTMLParser):
    """What a browser would make of a page: elements that could do something, and every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag.rpartition(":")[2])
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Report:
    """The report of a synthetic study with hostile names of classes, and such a reason why a test set is missing."""
    outputs = tmp_path_factory.mktemp("hostile") / "outputs"
    saved = saved_studies.write_study(outputs, "study=tiny", classes=NAMES)
    (outputs / "studies" / "tiny" / "plan.json").write_text(
        json.dumps({**saved.plan.plain(), "skipped": {"x": NAMES[1]}})
    )
    return build_report(["tiny"], outputs)


@pytest.fixture(scope="module")
def page(built) -> Page:
    return Page(render(built))


@pytest.mark.slow
def test_markup_in_names_makes_no_element_and_no_attribute(page) -> None:
    assert {tag: page.found.count(tag) for tag in TAGS if tag in page.found} == {"script": 1, "link": 1}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    shown = [name for name in NAMES if name in page.text]
    assert NAMES[1] in shown  # as text, in a caution
    assert len(shown) >= 4  # and those of the classes in Figure 2


OWN = (
    r"#|data:,|(tables|figures|conf)/|results\.csv|(\.\./){3}runs/[\w.+-]+/$"  # beside the page, or the folder of a run
)


@pytest.mark.slow
def test_the_page_loads_nothing(page) -> None:
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert re.match(OWN, value or ""), (name, value)
    styles = " ".join(value or "" for name, value in page.attributes if name in ("style", "clip-path"))
    assert not re.search(r"@import|url\((?!#)", styles)
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in (value or ""))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def test_figures_beside_the_page_are_drawings(built) -> None:
    assert built.studies[0].figures
    for drawn in built.studies[0].figures:
        found = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(as_file(drawn, "svg")).iter()}
        assert found.isdisjoint({"script", "foreignObject", "a", "image"})


def test_names_are_only_text_in_every_kind_of_table() -> None:
    cell = Cell("accuracy", "x", (0.5, 0.75))
    rows = tuple(Row((name,), (cell,)) for name in [*NAMES, "+1", "-x", "@x", "\tx", "a\n\\input{b}", "`x`"])
    notes = ("a\n\\input{/etc/passwd}", "<b>")
    table = Table("table-x", ("Class",), (Column(NAMES[1], NAMES[7]),), rows, notes, ("c\n\\d",), "", NAMES[0])
    read = list(csv.reader(io.StringIO(formats.to_csv(table))))[1:]
    assert {row[0] for row in read} >= {"'=cmd|' /C calc'!A1", "'+1", "'-x", "'@x", "'\tx", "<script>alert(1)</script>"}
    markdown = formats.to_markdown(table)
    assert "<" not in markdown
    assert not re.search(r"(?<!\\)[\[\]`]", markdown)
    assert len([line for line in markdown.splitlines() if line.startswith("|")]) == len(rows) + 2
    for line in formats.to_tex(table, "mine").splitlines():
        assert line.startswith("%") or not re.search(r"\\(input|d)\b|(?<!\\)%", line), line
