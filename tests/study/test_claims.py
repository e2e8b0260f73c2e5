"""Claims of one's own: read from a study's file, refused by file and place, kept in the plan, judged as ours are."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from augdistill.base.errors import ConfigError
from augdistill.config.checking import check_command
from augdistill.report.building import build_report
from augdistill.report.page.html import render
from augdistill.results.study import SavedStudy
from augdistill.study.claims import claims_of
from composed import compose
from saved_studies import write_study

ARMS = {
    "plus": {"role": "student", "model": "lenet", "teacher_aug": "cutmix"},
    "minus": {"role": "student", "model": "lenet", "teacher_aug": "baseline"},
}
CLAIM = {"id": "surer", "text": "they are surer", "kind": "difference", "metric": "ece", "unit": "",
         "margin": 0.01, "parts": [ARMS]}  # fmt: skip
RANK = {**CLAIM, "kind": "rank", "parts": [{"x": {"metric": "ece", "role": "teacher"}, "y": {"role": "student"}}]}


def written(folder: Path, content: Any) -> Path:
    path = folder / "claims.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return path


def asked(path: Path | str, *words: str) -> dict[str, Any] | None:
    """Return the content of a file of claims, as the study `tiny` with one claim gets it."""
    found = compose("study", "study=tiny", f"study.claims_file='{path}'", "study.claims=[surer]", *words)
    return claims_of(check_command("study", found).study)


def test_a_file_of_claims_is_kept_as_it_was_written(tmp_path) -> None:
    content = {"claims": [CLAIM], "dataset": "digits", "stand_ins": {"lenet": "alexnet"}}
    assert asked(written(tmp_path, content), "+study.margins={surer: 0.5}") == content
    assert claims_of(check_command("study", compose("study", "study=paper")).study) is None


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "claims.yaml: it is no file of claims: claims: is a list of them"),
        ("- 1", "claims.yaml: it is no file of claims"),
        ("claims: 5", "claims.yaml: it is no file of claims"),
        ("claims: [5]", "claims.yaml, claim 1: id is a name of its own"),
        ("a: 1\na: 2", "duplicate key a"),
        ("claims: !!python/name:os.system x", "the tag tag:yaml.org,2002:python/name:os.system"),
        ("claims: ['${oc.env:HOME}']", "no resolver"),
        ({"claims": [CLAIM], "clams": []}, "claims.yaml: clams is not a config key (did you mean claims?)"),
        ({"claims": [CLAIM, CLAIM]}, "claims.yaml, claim surer: id is a name of its own"),
        ({"claims": [{**CLAIM, "id": "<b>"}]}, "claims.yaml, claim <b>: id is a name of its own: letters, digits"),
        ({"claims": [{**CLAIM, "marign": 1}]}, "claims.yaml, claim surer: unknown key 'marign'"),
        ({"claims": [{**CLAIM, "kind": "equal"}]}, "claim surer: kind 'equal': it must be 'difference', 'equi"),
        ({"claims": [{**CLAIM, "margin": "wide"}]}, "claim surer: margin 'wide': it must be a valid number"),
        ({"claims": [{**CLAIM, "margin": float("nan")}]}, "claim surer: margin 'nan': it must be a finite number"),
        ({"claims": [{**CLAIM, "margin": 0}]}, "claim surer: margin '0': it must be greater than 0"),
        ({"claims": [{**CLAIM, "text": [5]}]}, "claim surer: text '[5]': it must be a valid string"),
        ({"claims": [{**CLAIM, "parts": {"plus": 1}}]}, "it must be a valid tuple"),
        ({"claims": [{**CLAIM, "parts": [{"plus": ARMS["plus"]}]}]}, "claim surer: a difference needs plus and minus"),
        (
            {"claims": [{**CLAIM, "parts": [{**ARMS, "plus": {"role": "pupil"}}]}]},
            "role 'pupil': it must be one of teacher",
        ),
        ({"claims": [{**CLAIM, "metric": "brierr"}]}, "metric=brierr is unknown (did you mean brier?)"),
        ({"claims": [RANK]}, "claim surer: 'parts.0.y.metric' is missing"),
        (
            {"claims": [{**CLAIM, "parts": [{**ARMS, "plus": {**ARMS["plus"], "teacher_aug": "cutmx"}}]}]},
            "the study has none of the arms that it compares: it has students lenet and strategies baseline",
        ),
        ({"claims": [{**CLAIM, "id": "other"}]}, "study.claims=surer is unknown: choose one of other"),
        ({"claims": [CLAIM], "stand_ins": 5}, "claims.yaml: stand_ins '5': it must be a valid dictionary"),
    ],
)
def test_a_file_that_holds_anything_else_is_refused_by_file_and_place(content: Any, line: str, tmp_path) -> None:
    with pytest.raises(ConfigError) as raised:
        asked(written(tmp_path, content))
    assert line in str(raised.value)
    assert "claims" in str(raised.value).partition(":")[0]
    assert "\n" not in str(raised.value)


def test_only_a_file_of_some_size_is_read(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"claims_file=nowhere\.yaml is not a file: name a YAML file of claims"):
        asked("nowhere.yaml")
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match=f"claims_file={path} is not a file"):
            asked(path)
    with pytest.raises(ConfigError, match="it is no file of at most"):
        asked(written(tmp_path, "#" * 2**20 + "\nclaims: []\n"))


@pytest.fixture
def outputs(tmp_path) -> Path:
    """The outputs of the study `tiny` with claims of its own in two blocks; their file is gone."""
    content = {"claims": [CLAIM, {**CLAIM, "id": "2", "text": "another <b>claim</b>"}]}
    path = written(tmp_path, content)
    words = ("study=tiny", "study.blocks=2", "study.claims=[surer]", "+study.margins={surer: 0.02}")
    write_study(tmp_path / "outputs", *words, f"study.claims_file='{path}'", "study.question='Are they surer?'")
    path.unlink()
    return tmp_path / "outputs"


def test_the_plan_holds_what_the_file_said_and_not_where_it_lay(outputs, tmp_path) -> None:
    text = (outputs / "studies" / "tiny" / "plan.json").read_text()
    assert str(tmp_path) not in text.replace(str(outputs), "")
    assert json.loads(text)["claims"]["claims"][0] == CLAIM
    assert json.loads(text)["study"]["claims_file"] is None


@pytest.mark.slow
def test_a_claim_of_ones_own_is_judged_by_the_students_means(outputs) -> None:
    report = build_report(["tiny"], outputs)
    (verdict, other) = report.verdicts
    rows = SavedStudy.load("tiny", outputs).results
    rows = rows[(rows.metric == "ece") & (rows.role == "student") & (rows.test_set == "digits-test")]
    means = rows.groupby("teacher_aug").value.mean()
    assert (verdict.claim.id, verdict.margin, len(verdict.parts)) == ("surer", 0.02, 1)
    assert verdict.parts[0].estimate == pytest.approx(means["cutmix"] - means["baseline"])
    assert other.parts == ()
    assert not any("exploratory" in warning for warning in verdict.warnings)


@pytest.mark.slow
def test_the_page_asks_the_studys_question_and_shows_its_claims_as_ours(outputs) -> None:
    page = render(build_report(["tiny"], outputs))
    assert "<h1>Are they surer?</h1>" in page
    assert "They are surer: " in page.partition('<p class="big">')[2].partition("</p>")[0]
    assert "Does augmenting the teacher hurt the student? " in page
    assert "another &lt;b&gt;claim&lt;/b&gt;" in page
    assert "<h2>What it says about its claims</h2>" in page
    plain = render(build_report([write_study(outputs / "plain", "study=tiny").name], outputs / "plain"))
    assert "<h1>Does augmenting the teacher hurt the student?</h1>" in plain


@pytest.mark.slow
def test_what_repeats_the_study_brings_its_claims_along(outputs) -> None:
    from augdistill.cli.composing.compose import composed
    from augdistill.cli.main import as_config
    from augdistill.report.files import write_files

    report = build_report(["tiny"], outputs)
    write_files(report)
    again = as_config(composed("study", ["study=tiny-as-run"], str(report.folder / "conf")))
    content = claims_of(check_command("study", again).study)
    assert content is not None
    assert content["claims"][0] == CLAIM


@pytest.mark.slow
def test_studies_with_other_claims_of_the_same_name_are_joined_claim_by_claim(outputs) -> None:
    write_study(outputs, "study=tiny", "study.name=plain", "study.claims=['2']")
    verdicts = build_report(["tiny", "plain"], outputs).verdicts
    twos = [verdict.claim.text for verdict in verdicts if verdict.claim.id == "2"]
    assert twos == ["another <b>claim</b>", "students of mixed-sample teachers are less accurate"]
