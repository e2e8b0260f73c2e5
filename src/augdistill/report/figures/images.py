"""A drawn figure as files, and as an SVG that can stand with others on one page and follow it into the dark."""

import io
import re
from dataclasses import replace
from html import escape

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure

PNG_DPI = 200
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def freeze_layout(drawn: Figure) -> Figure:
    """Lay a figure out once, instead of anew for every file, and return it."""
    with style.applied():
        for figure in (drawn.figure, drawn.narrow):
            if figure is not None:
                engine = figure.get_layout_engine()
                assert engine is not None
                engine.execute(figure)
                figure.set_layout_engine(None)  # a "none" would have `savefig` draw everything twice
    return drawn


def for_page(drawn: Figure) -> list[tuple[str, str]]:
    """Return a figure's drawings, each with the class by which the page shows it, as SVG."""
    if drawn.narrow is None:
        return [("any", as_inline_svg(drawn))]
    stacked = replace(drawn, key=f"{drawn.key}-narrow", figure=drawn.narrow)
    return [("wide", as_inline_svg(drawn)), ("narrow", as_inline_svg(stacked))]


def as_file(drawn: Figure, kind: str) -> bytes:
    """Return a figure as "svg" (text as paths), "pdf" or "png", the same bytes for the same figure."""
    content = io.BytesIO()
    with style.applied():
        drawn.figure.savefig(content, format=kind, dpi=PNG_DPI if kind == "png" else None, metadata=UNDATED[kind])
    return content.getvalue()


def as_inline_svg(drawn: Figure) -> str:
    """Return a figure as SVG for a page: a text alternative, ids of its own, colours as CSS variables."""
    content = io.BytesIO()
    with style.applied(**{"svg.fonttype": "none"}):
        drawn.figure.savefig(content, format="svg", metadata=UNDATED["svg"], facecolor="none")
    text = content.getvalue().decode()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub("|".join(style.dark()), lambda found: f"var({variable(found[0])})", own_ids(body, drawn.key))
    width = float(drawn.figure.get_figwidth()) * 96
    opening = body[: body.index(">") + 1]
    view = re.search(r'viewBox="[^"]+"', opening)
    assert view is not None
    names = f'aria-labelledby="{drawn.key}-title {drawn.key}-desc"'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    title = f'<title id="{drawn.key}-title">{escape(drawn.heading)}</title>'
    desc = f'<desc id="{drawn.key}-desc">{escape(drawn.alternative)}</desc>'
    head = f'<svg {spaces} {view[0]} role="img" {names} style="--width: {width:.0f}px">'
    return f"{head}{title}{desc}{smaller(body[len(opening) :])}".strip()


def smaller(svg: str) -> str:
    """Return what an SVG draws in about half of the bytes: to a hundredth of a point, without unused ids and blanks."""
    used = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}

    def tag(found: re.Match[str]) -> str:
        text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), found[0])
        text = re.sub(r' id="([^"]+)"', lambda name: name[0] if name[1] in used else "", text)
        text = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", text)
        return re.sub(r"\s+", " ", text).replace(' "', '"').replace("; ", ";")

    return re.sub(r">\s+<", "><", re.sub(r"<[^>]+>", tag, svg))


def own_ids(svg: str, prefix: str) -> str:
    """Return an SVG whose ids, and what refers to them, begin with `prefix`."""
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)


def variable(colour: str) -> str:
    """Return the CSS variable of a colour of figures."""
    return f"--fig-{colour[1:]}"


def theme_css() -> str:
    """Return the variables of figures' colours, for light pages and for dark ones."""
    light = "".join(f"{variable(colour)}:{colour};" for colour in style.dark())
    dark = "".join(f"{variable(colour)}:{other};" for colour, other in style.dark().items())
    return f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}"
