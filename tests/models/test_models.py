"""Models against torchvision, functional references and the notes' parameter counts; dropout by its hash."""

import inspect

import pytest
import torch
import torchvision
from omegaconf import OmegaConf
from scipy import stats
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from augdistill.base.errors import ConfigError, ModelError
from augdistill.config import conf_dir
from augdistill.models import MODELS, build, stacks
from augdistill.models.dropout import Dropout, keep_mask


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_double(name: str, shape: tuple[int, int, int], **params) -> nn.Module:
    return build(name, shape, 10, seed=3, **params).double().eval()


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "shape", "count", "embedding"),
    [
        ("resnet18", (3, 32, 32), 11_173_962, 512),
        ("resnet9", (3, 32, 32), 500_522, 128),
        ("lenet", (3, 32, 32), 62_006, 84),
        ("alexnet", (3, 32, 32), 14_859_082, 2048),
        ("alexnet", (3, 28, 28), 11_189_066, 2048),
        ("alexnet-small", (3, 32, 32), 2_472_266, 256),
    ],
)
def test_parameter_counts_and_embeddings(name, shape, count, embedding):
    model = build(name, shape, 10, seed=0).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    logits, embedded = model(torch.randn(2, *shape))
    assert embedded.shape == (2, embedding)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    assert torch.equal(logits, last(embedded))
    assert logits.shape == (2, 10)


@pytest.mark.parametrize("training", [False, True])
def test_resnet18_is_torchvisions_with_a_small_stem(training):
    ours = in_double("resnet18", (3, 16, 16)).train(training)
    theirs = torchvision.models.resnet18(num_classes=10).double().train(training)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False).double(), nn.Identity()
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [False, True])
def test_resnet9_is_a_plain_sequence_of_its_layers(training):
    width, (channels, side) = 8, (1, 24)
    wide = 4 * width

    def pair(before: int, after: int) -> list[nn.Module]:
        pooled = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(after), nn.ReLU()]
        return [*pooled, nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    layers = [nn.Conv2d(channels, width, 2), nn.ReLU(), *pair(width, width), *pair(width, wide), *pair(wide, wide)]
    theirs = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(wide, 10)).double().train(training)
    ours = in_double("resnet9", (channels, side, side), width=width).train(training)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = images(3, channels, side, side)
    logits, expected = ours(x)[0], theirs(x)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    logits.square().sum().backward(), expected.square().sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-8, atol=1e-8)


def test_resnet9_has_as_many_weights_as_its_layers_and_cannot_be_in_a_bank():
    width = 16
    stem = 3 * 4 * width + width
    blocks = 9 * (2 * width**2 + 4 * width**2 + 3 * (4 * width) ** 2) + 2 * (2 * width + 4 * (4 * width))
    model = build("resnet9", (3, 32, 32), 10, seed=0, width=width)
    assert sum(parameter.numel() for parameter in model.parameters()) == stem + blocks + 4 * width * 10 + 10
    assert not stacks(model)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", [8, 16, 24])
def test_resnet9_in_fp32_computes_the_same_gradients_channels_last(width, threads):
    """What PyTorch 2.15 cannot be trusted with in channels last (`is_unsound`), this model does not have."""
    torch.set_num_threads(threads)
    precise = build("resnet9", (3, 32, 32), 10, seed=0, width=width).double()
    single = build("resnet9", (3, 32, 32), 10, seed=0, width=width)
    x = images(8, 3, 32, 32)
    precise(x)[0].square().sum().backward(), single(x.float())[0].square().sum().backward()
    for mine, other in zip(single.parameters(), precise.parameters(), strict=True):
        distance = (mine.grad - other.grad).norm() / other.grad.norm().clamp(min=1e-3)
        assert distance < 1e-3


def lenet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[4], w[5])), w[6], w[7])), w[8], w[9])


def alexnet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], padding=2)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3], padding=2)), 2)
    for i in (4, 6, 8):
        x = F.relu(F.conv2d(x, w[i], w[i + 1], padding=1))
    x = F.max_pool2d(x, 3, stride=2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[10], w[11])), w[12], w[13])), w[14], w[15])


def small_alexnet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], stride=4, padding=5)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3], padding=2)), 2)
    for i in (4, 6, 8):
        x = F.relu(F.conv2d(x, w[i], w[i + 1], padding=1))
    return F.linear(F.max_pool2d(x, 2).flatten(1), w[10], w[11])


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [("lenet", lenet_by_hand), ("alexnet", alexnet_by_hand), ("alexnet-small", small_alexnet_by_hand)],
)
def test_logits_equal_the_layers_of_the_notes(name, by_hand):
    model, x = in_double(name, (3, 32, 32)), images(2, 3, 32, 32)
    torch.testing.assert_close(model(x)[0], by_hand(x, list(model.parameters())), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (3, 33, 40), (1, 48, 48)])
def test_any_size_and_channel_count_trains(name, shape):
    params = {"width": 4} if name == "resnet18" else {}
    model = build(name, shape, 7, seed=0, **params)
    logits, embedding = model(torch.randn(2, *shape), key=0)
    assert logits.shape == (2, 7)
    assert embedding.ndim == 2
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "smallest"), [("lenet", 16), ("alexnet", 6), ("alexnet-small", 25), ("resnet18", 8), ("resnet9", 9)]
)
def test_an_image_too_small_is_refused_in_one_line(name, smallest):
    assert build(name, (3, smallest, smallest), 10, seed=0).eval()(torch.zeros(1, 3, smallest, smallest))
    for shape in [(3, smallest - 1, smallest - 1), (3, smallest, smallest - 1), (1, smallest - 1, 64)]:
        with pytest.raises(ModelError) as refusal:
            build(name, shape, 10, seed=0)
        message = str(refusal.value)
        assert f"{name} needs images of at least {smallest} x {smallest} pixels" in message
        assert f"got {shape[1]} x {shape[2]}" in message
        enlarged = int(message.rsplit("=", 1)[1])
        assert enlarged >= smallest
        assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("resnet181", {}, "did you mean resnet18"),
        ("resnet18", {"widht": 8}, "did you mean width"),
        ("lenet", {"width": 8}, "lenet has no width"),
        ("resnet18", {"width": 0}, "resnet18.width=0"),
        ("resnet18", {"width": 8.0}, "resnet18.width=8.0"),
        ("resnet18", {"width": True}, "resnet18.width=True"),
        ("resnet9", {"width": 0}, "resnet9.width=0"),
        ("resnet9", {"width": 12}, "resnet9.width=12"),
        ("resnet9", {"width": 8.0}, "resnet9.width=8.0"),
        ("alexnet", {"dropout": 1.0}, "alexnet.dropout=1.0"),
        ("alexnet", {"dropout": -0.1}, "alexnet.dropout=-0.1"),
        ("alexnet", {"dropout": "0.5"}, "alexnet.dropout=0.5"),
        ("alexnet", {"dropout": float("nan")}, "alexnet.dropout=nan"),
    ],
)
def test_bad_requests_are_refused_in_one_line(name, params, complaint):
    with pytest.raises(ConfigError) as refusal:
        build(name, (3, 32, 32), 10, seed=0, **params)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build("lenet", (3, 32, 32), 10, seed=2**62 + 1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    torch.rand(5)
    again = build("lenet", (3, 32, 32), 10, seed=2**62 + 1).state_dict()
    other = build("lenet", (3, 32, 32), 10, seed=2**62 + 2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_initialisation_is_pytorchs_default():
    torch.manual_seed(5)
    expected = nn.Conv2d(3, 6, 5)
    assert torch.equal(next(build("lenet", (3, 32, 32), 10, seed=5).parameters()), expected.weight)


@pytest.mark.parametrize("group", ["teacher", "student"])
def test_yaml_lists_exactly_the_keyword_arguments(group):
    files = sorted((conf_dir() / group).glob("*.yaml"))
    assert {path.stem for path in files} == ({"resnet18", "resnet9", "alexnet"} if group == "teacher" else set(MODELS))
    for path in files:
        parameters = inspect.signature(MODELS[path.stem].network).parameters.values()
        defaults = {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}
        assert OmegaConf.to_container(OmegaConf.load(path)) == {"name": path.stem, **defaults}


def mix_by_hand(bits: int) -> int:
    bits = ((bits ^ (bits >> 16)) * 0x21F0AAAD) % 2**32
    bits = ((bits ^ (bits >> 15)) * 0x735A2D97) % 2**32
    return bits ^ (bits >> 15)


def kept_by_hand(key: int, layer: int, sample: int, unit: int, p: float) -> bool:
    """Return the mask's definition, in Python's unbounded integers."""
    step = mix_by_hand(mix_by_hand(mix_by_hand(key % 2**32) ^ (key >> 32) % 2**32) ^ layer)
    bits = mix_by_hand(sample ^ step) ^ mix_by_hand(unit + 0x9E3779B9)
    bits = ((bits ^ (bits >> 16)) * 0x21F0AAAD) % 2**32
    bits = ((bits ^ (bits >> 15)) * 0x735A2D97) % 2**32
    return (bits + 2**31) % 2**32 >= round(p * 2**32)


@pytest.mark.parametrize("key", [0, 17, 2**31, 2**40 + 17, 2**62 + 5])
def test_masks_equal_the_definition_in_unbounded_integers(key):
    mask = keep_mask(key, 2, 9, 50, 0.6)
    expected = [[kept_by_hand(key, 2, sample, unit, 0.6) for unit in range(50)] for sample in range(9)]
    assert mask.tolist() == expected
    assert torch.equal(keep_mask(torch.tensor(key), 2, 9, 50, 0.6), mask)


def test_a_smaller_batch_and_layer_share_the_mask():
    assert torch.equal(keep_mask(5, 1, 128, 512, 0.6)[:7, :100], keep_mask(5, 1, 7, 100, 0.6))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.6, 0.999])
def test_keep_rate(p):
    mask = keep_mask(12345, 1, 1000, 1000, p)
    assert stats.binomtest(int(mask.sum()), mask.numel(), 1 - p).pvalue > 1e-4


def correlations(rows: Tensor, p: float) -> Tensor:
    """Return the correlations between all pairs of columns, times the root of the number of rows: standard normal."""
    scaled = (rows.double() - (1 - p)) / (p * (1 - p)) ** 0.5
    products = scaled.T @ scaled / len(rows) ** 0.5
    upper = torch.triu_indices(*products.shape, offset=1)
    return products[upper[0], upper[1]]


@pytest.mark.parametrize("across", ["units", "samples", "steps and layers", "cells over steps"])
def test_masks_are_independent(across):
    p = 0.6
    if across == "units":
        found = correlations(keep_mask(3, 1, 3000, 600, p), p)
    elif across == "samples":
        found = correlations(keep_mask(3, 1, 600, 3000, p).T, p)
    elif across == "steps and layers":
        masks = [keep_mask(2**40 + step, layer, 50, 60, p).flatten() for step in range(300) for layer in (1, 2)]
        found = correlations(torch.stack(masks, dim=1), p)
    else:
        masks = [keep_mask(2**40 + step, 1, 20, 30, p).flatten() for step in range(3000)]
        found = correlations(torch.stack(masks), p)
    assert abs(float(found.mean())) < 5 / len(found) ** 0.5
    assert abs(float(found.square().mean()) - 1) < 5 * (2 / len(found)) ** 0.5
    assert float(found.abs().max()) < stats.norm.isf(1e-4 / 2 / len(found))


def test_neighbouring_units_form_all_patterns_evenly():
    patterns = (keep_mask(8, 1, 2000, 4000, 0.5).view(-1, 8) * 2 ** torch.arange(8)).sum(1)
    assert stats.chisquare(torch.bincount(patterns, minlength=256).numpy()).pvalue > 1e-4


def test_dropout_scales_what_it_keeps_and_passes_its_gradient():
    layer = Dropout(0.6, layer=1)
    x = torch.rand(64, 512, dtype=torch.float64).add_(1).requires_grad_()
    assert layer(x, None) is x
    y = layer(x, 7)
    mask = keep_mask(7, 1, 64, 512, 0.6)
    torch.testing.assert_close(y, torch.where(mask, x / 0.4, 0.0))
    y.sum().backward()
    torch.testing.assert_close(x.grad, mask.double() / 0.4)
    assert layer(x.detach().bfloat16(), 7).dtype == torch.bfloat16


def test_masks_need_no_value_on_the_host():
    key = torch.empty((), dtype=torch.int64, device="meta")
    assert keep_mask(key, 1, 8, 16, 0.6, "meta").shape == (8, 16)


def test_alexnet_drops_by_key_and_not_in_evaluation():
    model, x = in_double("alexnet", (3, 16, 16)), images(4, 3, 16, 16)
    with torch.no_grad():
        clean = model(x)[0]
        assert torch.equal(model.train()(x)[0], clean)
        dropped = model(x, key=1)[0]
        assert torch.equal(model.eval()(x, key=torch.tensor(1))[0], dropped)
        assert not torch.allclose(dropped, clean)
        assert not torch.allclose(model(x, key=2)[0], dropped)
        flat = model.features(x).flatten(1)
        hidden = torch.relu(model.hidden1(flat * keep_mask(1, 1, 4, flat.shape[1], 0.6) / 0.4))
        embedding = torch.relu(model.hidden2(hidden * keep_mask(1, 2, 4, 2048, 0.6) / 0.4))
        torch.testing.assert_close(dropped, model.head(embedding))


@pytest.mark.parametrize("name", ["lenet", "alexnet"])
def test_a_stack_of_students_equals_each_alone(name):
    students = [build(name, (3, 16, 16), 10, seed=seed).double() for seed in range(2)]
    weights, buffers = stack_module_state(students)
    x, keys = images(2, 3, 3, 16, 16), torch.tensor([5, 2**40 + 6])

    def forward(weights, buffers, x, key):
        return functional_call(students[0], (weights, buffers), (x, key))

    stacked, _ = vmap(forward)(weights, buffers, x, keys)
    for i, student in enumerate(students):
        torch.testing.assert_close(stacked[i], student(x[i], keys[i])[0])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_lie_in_memory_as_their_weights_do(name):
    """The fused update goes through memory, not through indices: PyTorch 2.15 takes other strides for the same."""
    model = build(name, (3, 32, 32), 10, seed=0, **({"width": 4} if name == "resnet18" else {}))
    model.to(memory_format=torch.channels_last)
    x = images(2, 3, 32, 32).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        model(x, key=1)[0].sum().backward()
    assert all(value.grad.stride() == value.stride() for value in model.parameters())
    assert any(value.stride() != value.contiguous().stride() for value in model.parameters())
