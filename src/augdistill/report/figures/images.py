"""A drawn figure as files, and as an SVG that can stand with others on one page and follow it into the dark."""

import io
import re
from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
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
    body = text[text.index("<svg") :].strip()
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub("|".join(style.dark()), lambda found: f"var({variable(found[0])})", body)
    width = float(drawn.figure.get_figwidth()) * 96
    opening = body[: body.index(">") + 1]
    view = re.search(r'viewBox="[^"]+"', opening)
    assert view is not None
    names = f'aria-labelledby="{drawn.key}-title {drawn.key}-desc"'
    prefix = f"f{urlsafe_b64encode(blake2b(drawn.key.encode(), digest_size=3).digest()).decode()}"  # ids are many
    title = f'<title id="{drawn.key}-title">{escape(drawn.heading)}</title>'
    desc = f'<desc id="{drawn.key}-desc">{escape(drawn.alternative)}</desc>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {view[0]} role="img" {names} style="--width: {width:.0f}px">'
    return f"{head}{title}{desc}{smaller(body[len(opening) : -len('</svg>')], prefix)}</svg>"


def smaller(svg: str, prefix: str) -> str:
    """Return what an SVG draws in a third of the bytes: to a hundredth of a point, each style said once.

    Ids, and the classes of styles, begin with `prefix`.
    """
    used = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}
    names = {name: f"{prefix}{number}" for number, name in enumerate(sorted(used))}

    def tag(found: re.Match[str]) -> str:
        text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), found[0])
        text = re.sub(r' id="([^"]+)"', lambda name: f' id="{names[name[1]]}"' if name[1] in names else "", text)
        text = re.sub(r'href="#([^"]+)"', lambda name: f'href="#{names[name[1]]}"', text.replace("xlink:", ""))
        text = re.sub(r"url\(#([^)]+)\)", lambda name: f"url(#{names[name[1]]})", text)
        text = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", text)
        text = re.sub(r"\s+", " ", text).replace(' "', '"').replace("; ", ";").replace(": ", ":").replace(" />", "/>")
        return re.sub(r' d="([^"]*)"', lambda path: f' d="{shorter_path(path[1])}"', text)

    drawn = re.sub(r">\s+<", "><", re.sub(r"<[^>]+>", tag, svg))
    return in_groups(with_classes(without_bare_groups(drawn), prefix))


def shorter_path(path: str) -> str:
    """Return an SVG path of absolute commands in which lines along an axis say one number."""
    said, at = [], ["", ""]
    for command, numbers in re.findall(r"([A-Z])([^A-Z]*)", path):
        to = numbers.split()
        along = command == "L" and len(to) == 2
        if along and to[1] == at[1]:
            said.append(f"H{to[0]}")
        elif along and to[0] == at[0]:
            said.append(f"V{to[1]}")
        else:
            said.append(command + " ".join(to))
        at = to[-2:] or ["", ""]  # where a closed path began is not known here
    return "".join(said)


def without_bare_groups(svg: str) -> str:
    """Return an SVG without the groups that say nothing of what is in them."""
    bare: list[bool] = []

    def tag(found: re.Match[str]) -> str:
        if found[0] == "</g>":
            return "" if bare.pop() else found[0]
        bare.append(found[0] == "<g>")
        return "" if bare[-1] else found[0]

    return re.sub(r"<g>|<g [^>]*[^/]>|</g>", tag, svg)


def with_classes(svg: str, prefix: str) -> str:
    """Return an SVG in which a style that stands there several times is a class."""
    counts = Counter(re.findall(r' style="([^"]*)"', svg))
    classes = {text: f"{prefix}s{number}" for number, text in enumerate(counts) if counts[text] > 1}
    rules = "".join(f".{name}{{{text}}}" for text, name in classes.items())

    def attribute(found: re.Match[str]) -> str:
        return f' class="{classes[found[1]]}"' if found[1] in classes else found[0]

    return (f"<style>{rules}</style>" if rules else "") + re.sub(r' style="([^"]*)"', attribute, svg)


def in_groups(svg: str) -> str:
    """Return an SVG in which marks of one class in a row are a group of that class."""

    def group(found: re.Match[str]) -> str:
        plain = found[0].replace(f' class="{found[1]}"', "")
        return f'<g class="{found[1]}">{plain}</g>'

    return re.sub(r'<use [^>]*class="([^"]+)"/>(?:<use [^>]*class="\1"/>)+', group, svg)


def variable(colour: str) -> str:
    """Return the CSS variable of a colour of figures."""
    return f"--fig-{colour[1:]}"


def theme_css() -> str:
    """Return the variables of figures' colours, for light pages and for dark ones."""
    light = "".join(f"{variable(colour)}:{colour};" for colour in style.dark())
    dark = "".join(f"{variable(colour)}:{other};" for colour, other in style.dark().items())
    return f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}"
