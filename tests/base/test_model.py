"""Structures that are read from files: strict, immutable, refused in some words that name the place."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Discriminator, TypeAdapter, ValidationError

from augdistill.base.files import checksum
from augdistill.base.model import Id, Integer, Many, Name, Printable, Proven, Real, Record, fits, validated


class Inner(Record):
    count: Integer


class Flat(Record):
    kind: Literal["flat"]
    values: Many[Real] = ()


class Deep(Record):
    kind: Literal["deep"]
    id: Id = "0" * 64
    name: Name = "a"
    said: Printable = ""
    named: dict[Name, str] | None = None
    inner: Annotated[dict[str, Any], fits(Inner)] | None = None
    parts: Many[Annotated["Flat | Deep", Discriminator("kind")]] | None = None


ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Flat | Deep, Discriminator("kind")])


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (3, "it"),
        ([], "it"),
        ({}, "kind"),
        ({"kind": "round"}, "kind"),
        ({"kind": ["flat"]}, "kind"),
        ({"kind": "flat", "values": "12"}, "values"),
        ({"kind": "flat", "values": [1, True]}, "values.1"),
        ({"kind": "flat", "values": [1e301]}, "values.0"),
        ({"kind": "flat", "values": [float("inf")]}, "values.0"),
        ({"kind": "flat", "values": [10**400]}, "values.0"),
        ({"kind": "flat", "values": ["1"] * 10**6}, "values.0"),
        ({"kind": "deep", "id": "a" * 63}, "id"),
        ({"kind": "deep", "id": "a" * 64 + "\n"}, "id"),
        ({"kind": "deep", "name": "../x"}, "name"),
        ({"kind": "deep", "name": "x\n"}, "name"),
        ({"kind": "deep", "name": "x" * 201}, "name"),
        ({"kind": "deep", "said": "\x1b[2J"}, "said"),
        ({"kind": "deep", "named": {"a/b": "c"}}, "named.'a/b'"),
        ({"kind": "deep", "named": {"a": 1}}, "named.a"),
        ({"kind": "deep", "inner": {}}, "inner.count"),
        ({"kind": "deep", "inner": {"count": 2**63}}, "inner.count"),
        ({"kind": "deep", "inner": {"count": 1.0}}, "inner.count"),
        ({"kind": "deep", "parts": [{"kind": "flat"}, {"kind": "round"}]}, "parts.1.kind"),
        ({"kind": "deep", "parts": [{"kind": "deep", "parts": [{"kind": "flat", "values": [None]}]}]},
         "parts.0.parts.0.values.0"),
    ],
)  # fmt: skip
def test_the_place_that_does_not_fit_is_named(document, place) -> None:
    with pytest.raises(ValueError, match="is missing or not what it must be") as raised:
        validated(ANY, document)
    assert str(raised.value).split(" is missing")[0] == place


def test_millions_of_wrong_values_are_counted_and_not_listed() -> None:
    with pytest.raises(ValueError, match=r"^5,000 values of it are not what they must be$"):
        validated(Deep, {"kind": "deep", "named": {str(number): 1 for number in range(5000)}})


def test_what_fits_is_immutable_and_leaves_out_what_is_not_known() -> None:
    made = validated(Flat, {"kind": "flat", "values": [1, 2.5], "later": {"x": 1}})
    assert (made.values, made.plain()) == ((1.0, 2.5), {"kind": "flat", "values": [1.0, 2.5]})
    with pytest.raises(ValidationError, match="frozen"):
        made.kind = "flat"


def test_a_group_that_is_kept_as_it_was_written_is_checked_all_the_same() -> None:
    written = {"count": 3, "more": [{}]}
    assert validated(Deep, {"kind": "deep", "inner": written}).inner == written


def test_a_record_proves_itself_if_it_says_how() -> None:
    class Kept(Proven):
        count: Integer

    whole = {"count": 3, "later": "x"}
    for document in (whole, {**whole, "checksum": checksum(whole)}):
        assert validated(Kept, document).count == 3
    with pytest.raises(ValueError, match=r"^its checksum differs$"):
        validated(Kept, {**whole, "later": "y", "checksum": checksum(whole)})
    with pytest.raises(ValueError, match=r"^count is missing"):  # what cannot be read at all comes first
        validated(Kept, {"checksum": "0"})
