"""Tests of the paper's own numbers: which are packaged, and whether they agree with the claims."""

import pytest

from augdistill.claims.printed import agrees_with_print, load_published, printed_numbers
from claim_tables import CLAIMS, IDS


def test_the_packaged_numbers_are_those_of_the_paper():
    published = load_published()
    assert len(published) == 293
    assert set(published["table"]) == {"1", "2", "3", "4", "5", "6", "F5", "F6"}
    assert printed_numbers(published)["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] == 0.9886


def printed(claim):
    return agrees_with_print(CLAIMS[claim], CLAIMS, printed_numbers(load_published()))


def test_whether_print_agrees_is_computed_and_is_what_the_claims_file_says():
    words = {claim: printed(claim).outcome for claim in IDS}
    assert [claim for claim, word in words.items() if word == "no"] == ["4", "12"]
    assert [claim for claim, word in words.items() if word == "not printed"] == ["7b", "8", "9", "11", "15", *IDS[-3:]]
    assert words["10"] == "not clearly"
    assert {words[claim] for claim in ("1", "2", "3", "5", "6", "7a")} == {"yes"}
    assert dict(printed("4").parts) == pytest.approx({"mixup": -0.18, "cutmix": 0.07})
    assert "2.3 pt" in printed("10").explanation
    against = {label for label, value in printed("12").parts if value < 0}
    assert against == {"mixup lenet", "cutmix lenet"}


def test_what_print_does_not_settle_of_the_last_claims():
    """LeNet of flip-crop 0.631 < 0.633 of mixup; D and AlexNet's accuracy rank with +0.1: both below the margin."""
    assert (printed("13").outcome, printed("14").outcome) == ("not clearly", "not clearly")
    assert dict(printed("14").parts)["flip-crop mixup lenet"] == pytest.approx(-0.2)
    assert dict(printed("13").parts)["alexnet"] == pytest.approx(-0.1)


def test_a_changed_printed_number_changes_the_answer():
    numbers = printed_numbers(load_published())
    numbers["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] = 0.98
    assert agrees_with_print(CLAIMS["4"], CLAIMS, numbers).outcome == "yes"
