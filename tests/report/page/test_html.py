"""The page as text: self-contained, every link there, no class name is markup."""

import re
from xml.etree import ElementTree

import pytest

import saved_studies
from augdistill.report.building import build_report
from augdistill.report.page.html import render


def test_the_page_needs_nothing_from_elsewhere(tiny_report):
    page = (tiny_report / "index.html").read_text()
    outside = re.findall(r'(?:src|href|data|action)="([^"]*)"', page)
    assert all(not target.startswith(("http", "//", "file")) for target in outside)
    assert not re.search(r"<link[^>]+stylesheet|<script[^>]+src|@import|url\(['\"]?http", page)
    assert "Not known yet: " in page
    assert "augdistill study study=tiny" in page
    assert len(page) < 3e6


def test_every_file_that_the_page_links_to_is_there(tiny_report):
    page = (tiny_report / "index.html").read_text()
    linked = {target for target in re.findall(r'href="([^"#]+)"', page) if not target.startswith("data:")}
    assert len(linked) > 30
    assert [target for target in linked if not (tiny_report / target).exists()] == []


@pytest.mark.slow
def test_class_names_are_never_markup(tmp_path, data):
    names = ["<script>alert(1)</script>", "a & b", "$5", '"q"', "<img src=x onerror=alert(1)>", *"56789"]
    words = ("study.blocks=1", "study.students_per_teacher=1", "study.aug=[baseline,cutmix]")
    saved_studies.write_study_on(data, tmp_path, "paper", *words, classes=names)
    page = render(build_report(["paper"], tmp_path))
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert ">$5</text>" in page  # as text, not as mathematics
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(svg)
