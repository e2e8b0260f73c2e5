"""Figures as files and as SVGs that share a page."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from augdistill.report.figures import images, make_figures, style


def test_svgs_share_a_page(drawn):
    pages = [images.as_inline_svg(figure) for figure in drawn]
    ids = [name for page in pages for name in re.findall(r'\bid="([^"]+)"', page)]
    assert len(ids) == len(set(ids)) > len(pages)
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


def test_a_smaller_svg_draws_the_same():
    svg = """<g id="a">\n  <path id="mark" d="M 1.23456 2
L -0.001 3.5
" style="fill: none; stroke: red"/>\n <g clip-path="url(#mark)"><use xlink:href="#mark" x="114.1536" style="fill: #fff"
 transform="rotate(-0 1.5 2)"/> <use xlink:href="#mark" x="2" style="fill: #fff"/></g>
 <text transform="rotate(-90 1.2345 2)">0.0412  of it</text></g>"""
    assert images.smaller(svg, "f") == (
        '<style>.fs1{fill:#fff}</style><path id="f0" d="M1.23 2L-0 3.5" style="fill:none;stroke:red"/>'
        '<g clip-path="url(#f0)"><g class="fs1"><use href="#f0" x="114.15"/><use href="#f0" x="2"/></g></g>'
        '<text transform="rotate(-90 1.23 2)">0.0412  of it</text>'
    )


def test_a_shorter_path_leads_the_same_way():
    assert (
        images.shorter_path("M 1 2 L 3 2 L 3 5 L 4 6 C 1 2 3 4 5 6 L 5 9 Z L 5 9") == "M1 2H3V5L4 6C1 2 3 4 5 6V9ZL5 9"
    )


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


def test_figures_stand_in_the_papers_order(drawn):
    assert [figure.number for figure in drawn if figure.number] == [f"Figure {number}" for number in range(1, 7)]
