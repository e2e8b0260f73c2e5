"""The page in a real browser: silent, self-contained, readable in light, dark and on a phone, sortable."""

import os
import shutil
from pathlib import Path

import pytest

import saved_studies
from augdistill.report.building import build_report
from augdistill.report.files import write_files
from augdistill.report.page.html import write_page
from conftest import need

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)
need("playwright", reason="pip install playwright")

pytestmark = pytest.mark.slow
HANG = 300_000  # milliseconds that a page may take to load; none takes as many seconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

TEXTS_THAT_OVERLAP = """
(svg) => {
  const turn = (text) => /rotate\\((-?[\\d.]+)/.exec(text.getAttribute("transform") ?? "");
  const slanted = (text) => Number(turn(text)?.[1] ?? 0) % 90 !== 0;
  const shown = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim() && !slanted(text));
  const boxes = shown.map((text) => {
    const box = text.getBoundingClientRect();
    return { name: text.textContent.trim(), left: box.left, right: box.right, top: box.top, bottom: box.bottom };
  });
  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 3) found.push([a.name, b.name]);
  }));
  return found;
}
"""
TEXTS_OUTSIDE = """
(svg) => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    const wide = box.left < frame.left - 1 || box.right > frame.right + 1;
    return wide || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map((text) => text.textContent.trim());
}
"""
COLUMN = """
(table, index) => [...table.tBodies[0].rows].map((row) => row.cells[index])
  .map((cell) => cell.dataset.value ?? cell.textContent.trim())
"""
CONTRAST = """
() => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("main *, header *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("desc, title, style, script")) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    if (!/^rgb/.test(ink) || element.closest("#figure-4 svg")) continue;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push([element.textContent.trim().slice(0, 40), ink, behind(element)]);
  }
  return low;
}
"""


@pytest.fixture(scope="module")
def built(data, tmp_path_factory):
    """The report of a study of the paper's shape, with lost runs, beside its page."""
    outputs, words = tmp_path_factory.mktemp("browser"), ("study.blocks=2", "study.students_per_teacher=1")
    lost = {"lenet-mixup-s1": "diverged", "alexnet-cutout-s0": "missing"}
    saved_studies.write_study_on(data, outputs, "paper", *words, statuses=lost)
    report = build_report(["paper"], outputs)
    write_files(report)
    return report, write_page(report)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, built):
    """Open the page, and assert at the end that it was silent and asked for nothing but itself."""
    pages, said, asked = [], [], []

    def open_one(scheme: str = "light", size: dict = WIDE):
        page = browser.new_context(color_scheme=scheme, viewport=size).new_page()
        page.set_default_timeout(HANG)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(built[1].as_uri())
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.context.close()
    assert said == []
    assert [url for url in asked if url != built[1].as_uri() and not url.startswith("data:")] == []


def test_every_table_and_figure_is_there(open_page, built):
    (study,) = built[0].studies
    page = open_page()
    for table in study.tables:
        found = page.locator(f"#{table.key} table")
        assert found.locator("caption").text_content() == table.heading
        assert found.locator("tbody tr").count() == len(table.rows)
        cells = found.locator("tbody tr").first.locator("th, td")
        assert cells.count() == len(table.row_titles) + len(table.columns)
    assert len(study.figures) == 11
    for drawn in study.figures:
        found = page.locator(f"#{drawn.key} .wide svg[role=img]")
        assert found.bounding_box()["height"] > 80


@pytest.mark.parametrize(("size", "kind"), [(WIDE, "wide"), (PHONE, "narrow")], ids=["wide", "phone"])
def test_nothing_overlaps_or_is_clipped_in_a_figure(open_page, built, size, kind):
    page = open_page(size=size)
    for drawn in built[0].studies[0].figures:
        svg = page.locator(f"#{drawn.key} .{kind} svg")
        assert 80 < svg.bounding_box()["width"] <= size["width"]
        assert svg.evaluate(TEXTS_THAT_OVERLAP) == [], drawn.key
        assert svg.evaluate(TEXTS_OUTSIDE) == [], drawn.key


def test_a_click_sorts_a_table_and_a_second_one_turns_it_round(open_page):
    page = open_page()
    table = page.locator("#table-1 table")
    heading = table.locator("thead tr").last.locator("th").nth(1)
    before = table.evaluate(COLUMN, 1)
    heading.locator("button").click()
    values = table.evaluate(COLUMN, 1)
    numbers = [float(value) for value in values if value != "–"]
    assert numbers == sorted(numbers)
    assert values[-1] == "–"  # what has no value stays last
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").press("Enter")
    values = table.evaluate(COLUMN, 1)
    numbers = [float(value) for value in values if value != "–"]
    assert numbers == sorted(numbers, reverse=True)
    assert values[-1] == "–"
    assert sorted(values) == sorted(before)
    assert heading.get_attribute("aria-sort") == "descending"
    first = table.locator("thead tr").last.locator("th").first
    first.locator("button").click()
    names = table.evaluate(COLUMN, 0)
    assert names == sorted(names)
    assert page.locator("#table-1 [aria-sort]").count() == 1


def test_a_click_on_a_cell_leads_to_its_runs_and_their_values(open_page):
    page = open_page()
    cell = page.locator("#table-1 td a.runs").nth(1)
    arm = page.locator(f"[id='{cell.get_attribute('href')[1:]}']")
    assert not arm.locator("tr[data-run]").first.is_visible()
    cell.click()
    values = arm.locator("td.value").all_inner_texts()
    assert [f"{run} {value}" for run, value in zip(
        arm.locator("tr[data-run]").evaluate_all("(rows) => rows.map((row) => row.dataset.run)"), values, strict=True
    ) if value != "–"] == cell.get_attribute("data-behind").split(", ")  # fmt: skip
    assert arm.locator("th.value").inner_text() == cell.get_attribute("data-what")
    assert arm.locator("td a").first.get_attribute("href").startswith("../../../runs/")


def test_a_table_that_is_cut_says_so_and_none_is_on_a_phone(open_page, built):
    cut = """(places) => places.filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
      .map((one) => [one.closest("[id]").id, one.classList.contains("cut")])"""
    wide = open_page(size={"width": 1200, "height": 900}).locator(".scroll").evaluate_all(cut)
    assert all(says_so for _, says_so in wide)
    phone = {name for name, _ in open_page(size=PHONE).locator(".scroll").evaluate_all(cut)}
    assert phone.isdisjoint(table.key for table in built[0].studies[0].tables)


def test_lost_runs_stand_in_red_words(open_page):
    text = open_page().locator("#table-1").inner_text()
    assert "diverged 1/2" in text
    assert "missing 1/2" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_page_is_readable(open_page, tmp_path, scheme, size):
    page = open_page(scheme, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(CONTRAST) == []
    for name in ("answer", "table-1", "figure-1", "figure-5"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        shot = Path(os.environ.get("SCREENSHOTS", tmp_path)) / f"{name}-{scheme}-{size['width']}.png"
        page.screenshot(path=shot)
        assert shot.stat().st_size > 10_000


def test_the_dark_page_is_dark(open_page):
    def background(scheme):
        return open_page(scheme).evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = (sum(map(int, background(scheme)[4:-1].split(","))) for scheme in ("light", "dark"))
    assert light > 3 * 230
    assert dark < 3 * 30


def test_a_table_of_words_sorts_its_numbers_and_names_them_on_a_phone(open_page):
    page = open_page()
    table = page.locator("#table-costs table")
    heading = table.locator("thead th").nth(1)
    heading.locator("button").click()
    numbers = [float(value.replace(",", "")) for value in table.evaluate(COLUMN, 1)]
    assert len(set(numbers)) > 1
    assert numbers == sorted(numbers)
    cell = open_page(size=PHONE).locator("#table-costs tbody td").first
    named = cell.evaluate("cell => getComputedStyle(cell, '::before').content.slice(1, -1)")
    assert named == heading.text_content().strip()
