"""State dicts from elsewhere: tensors alone are read, and what does not fit is named."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from augdistill.base.errors import ModelError
from augdistill.models.state_files import load_state, read_state, state_digest


def net() -> nn.Module:
    """A small network with statistics of batches."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize("inside", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_what_training_scripts_save_is_read(tmp_path, inside, prefix):
    trained = net()
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save(state if inside is None else {inside: state, "epoch": 3}, tmp_path / "w.pt")
    fresh = net()
    load_state(fresh, read_state(tmp_path / "w.pt"), "net")
    assert state_digest(fresh) == state_digest(trained) != state_digest(net())


def test_safetensors_are_read_and_what_batch_norm_counts_may_be_missing(tmp_path):
    trained = net()
    state = {name: value for name, value in trained.state_dict().items() if "num_batches" not in name}
    save_file(state, tmp_path / "w.safetensors")
    fresh = net()
    load_state(fresh, read_state(tmp_path / "w.safetensors"), "net")
    assert torch.equal(fresh[3].weight, trained[3].weight)


def test_pickled_objects_addresses_and_damage_are_refused(tmp_path):
    torch.save(net(), tmp_path / "whole.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"a": print}))
    (tmp_path / "bad.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    torch.save({"w": torch.tensor([float("nan")])}, tmp_path / "nan.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name, words in (
        ("whole.pt", "cannot be read"),
        ("pickle.pt", "cannot be read"),
        ("bad.safetensors", "cannot be read"),
        ("nan.pt", "w holds NaN"),
        ("list.pt", "holds no state dict"),
        ("missing.pt", "is not a file; nothing is downloaded"),
        ("https://example.org/w.pt", "is an address, and nothing is downloaded"),
    ):
        with pytest.raises(ModelError, match=words) as refusal:
            read_state(tmp_path / name if "://" not in name else name)
        assert "\n" not in str(refusal.value)


def test_what_does_not_fit_is_named_with_the_nearest_name():
    state = dict(net().state_dict())
    others = {
        "it has no 3.wieght": {**state, "3.wieght": state["3.weight"]},
        r"they have no 3.bias \(did you mean 3.bais\?\)": {
            ("3.bais" if name == "3.bias" else name): value for name, value in state.items()
        },
        r"3.weight is \[9, 16\], and \[2, 16\] is needed": {**state, "3.weight": torch.zeros(9, 16)},
    }
    for words, wrong in others.items():
        with pytest.raises(ModelError, match=words):
            load_state(net(), wrong, "net of 2 classes")
