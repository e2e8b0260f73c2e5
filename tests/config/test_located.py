"""The key of a config that an error means, in groups and among the entries of lists."""

from augdistill.config.commands import COMMANDS
from augdistill.config.located import in_entry, locate, typed_keys
from augdistill.config.shift import Attack


def test_a_key_is_located_with_its_value_and_those_that_its_group_knows() -> None:
    place = locate(COMMANDS["train-teacher"], {"optim": {"lr": "x", "ls": 1}}, ["optim", "lr"])
    assert (place.path, place.value) == (("optim", "lr"), "x")
    assert {"lr", "epochs"} <= set(place.known)
    nowhere = locate(COMMANDS["train-teacher"], {"optim": {"ls": 1}}, ["optim", "ls"])
    assert (nowhere.path, nowhere.field) == (("optim", "ls"), None)


def test_entries_of_a_list_stand_for_the_list_and_a_key_within_is_asked_for_apart() -> None:
    values = {"corruptions": [{"name": "made"}, {"name": "made", "severities": [6]}]}
    loc = ["corruptions", 1, "severities", 0]
    place = locate(COMMANDS["evaluate"], values, loc)
    assert place.path == ("corruptions",)
    inner = in_entry(place, loc)
    assert inner is not None
    assert (inner.path, inner.value) == (("severities",), [6])
    assert in_entry(place, ["corruptions", 1]) is None


def test_what_tells_kinds_of_entries_apart_is_not_among_the_keys_that_are_typed() -> None:
    assert typed_keys(Attack) == tuple(name for name in Attack.model_fields if name != "kind")
    assert "kind" in Attack.model_fields
