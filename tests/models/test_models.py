"""The table of models: sizes, requests, weights and stacks of each; each has a file of its own beside this."""

import inspect

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from augdistill.base.errors import ConfigError, ModelError
from augdistill.config import conf_dir
from augdistill.config.places import shared_recipes
from augdistill.conformance import models_of_each_class
from augdistill.models import MODELS, build, outline, stacks, trains_on_one
from built import images

EACH_CLASS = [name for name in models_of_each_class() if name != "torchvision"]  # which has a file of its own
NARROW = {"resnet18": {"width": 4}}


@pytest.mark.parametrize(
    ("name", "shape", "count", "embedding"),
    [
        ("resnet18", (3, 32, 32), 11_173_962, 512),
        ("resnet9", (3, 32, 32), 500_522, 128),
        ("airbench", (3, 32, 32), 497_826, 128),
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


# Of 100 classes: parameters, the same in millions as papers print them, dimensions of the embedding.
ZOO = {
    "resnet8": (83_892, 0.08, 64),
    "resnet14": (181_108, 0.18, 64),
    "resnet20": (278_324, 0.28, 64),
    "resnet32": (472_756, 0.47, 64),
    "resnet44": (667_188, 0.67, 64),
    "resnet56": (861_620, 0.86, 64),
    "resnet110": (1_736_564, 1.74, 64),
    "resnet8x4": (1_233_540, 1.23, 256),
    "resnet32x4": (7_433_860, 7.43, 256),
    "wrn-16-1": (180_916, 0.18, 64),
    "wrn-16-2": (703_284, 0.70, 128),
    "wrn-40-1": (569_780, 0.57, 64),
    "wrn-40-2": (2_255_156, 2.26, 128),
    "vgg8": (3_965_028, 3.97, 512),
    "vgg11": (9_277_284, 9.28, 512),
    "vgg13": (9_462_180, 9.46, 512),
    "vgg16": (14_774_436, 14.77, 512),
    "vgg19": (20_086_692, 20.09, 512),
    "mobilenet-v2": (812_836, 0.81, 1280),
    "shufflenet-v1": (949_258, 0.95, 960),
    "shufflenet-v2": (1_355_528, 1.36, 1024),
    "resnet18": (11_220_132, 11.22, 512),
    "resnet34": (21_328_292, 21.33, 512),
    "resnet50": (23_705_252, 23.71, 2048),
}


@pytest.mark.parametrize("name", ZOO)
def test_the_fields_models_have_its_parameter_counts(name):
    count, millions, embedding = ZOO[name]
    with torch.device("meta"):
        model = MODELS[name].network((3, 32, 32), 100).eval()
        logits, embedded = model(torch.empty(2, 3, 32, 32))
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert round(count / 1e6, 2) == millions
    assert (logits.shape, embedded.shape) == ((2, 100), (2, embedding))


def test_the_zoo_is_whole():
    assert {*shared_recipes()} - {"torchvision"} | {"resnet18"} == {*ZOO}


@pytest.mark.parametrize("name", EACH_CLASS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (3, 33, 40), (1, 48, 48)])
def test_any_size_and_channel_count_trains(name, shape):
    model = build(name, shape, 7, seed=0, **NARROW.get(name, {}))
    logits, embedding = model(torch.randn(2, *shape), key=0)
    assert logits.shape == (2, 7)
    assert embedding.ndim == 2
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("resnet181", {}, "did you mean resnet18"),
        ("resnet18", {"widht": 8}, "did you mean width"),
        ("lenet", {"width": 8}, "lenet has no width"),
        ("resnet18", {"width": 0}, "resnet18.width=0"),
        ("resnet18", {"width": 8.0}, "resnet18.width=8.0"),
        ("resnet18", {"width": True}, "resnet18.width=True"),
        ("resnet50", {"width": 0}, "resnet50.width=0"),
        ("resnet20", {"width": 8}, "resnet20 has no width: it takes no parameters"),
        ("torchvision", {"arch": "resnet19"}, "torchvision.arch=resnet19 is unknown (did you mean resnet18?)"),
        ("resnet9", {"width": 0}, "resnet9.width=0"),
        ("resnet9", {"width": 12}, "resnet9.width=12"),
        ("resnet9", {"width": 8.0}, "resnet9.width=8.0"),
        ("airbench", {"width": 12}, "airbench.width=12"),
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


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("resnet20", 4), ("wrn-16-2", 4), ("vgg8", 8), ("mobilenet-v2", 16), ("shufflenet-v1", 8), ("shufflenet-v2", 8)],
)
def test_too_small_images_are_refused_by_the_models_own_name(name, smallest):
    complaint = f"^{name} needs images of at least {smallest} x {smallest} pixels, got {smallest - 1} x 32: enlarge"
    with pytest.raises(ModelError, match=complaint):
        build(name, (3, smallest - 1, 32), 10, seed=0)
    logits, _ = build(name, (3, smallest, smallest), 10, seed=0).eval()(torch.randn(1, 3, smallest, smallest))
    assert logits.isfinite().all()


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
    with_parameters = {"resnet18", "resnet34", "resnet50", "torchvision"}
    others = {"airbench", "resnet9", "alexnet"} if group == "teacher" else set(MODELS) - set(shared_recipes())
    assert {path.stem for path in files} == with_parameters | others
    for path in files:
        parameters = inspect.signature(MODELS[path.stem].network).parameters.values()
        defaults = {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}
        assert OmegaConf.to_container(OmegaConf.load(path)) == {"name": path.stem, **defaults}


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


@pytest.mark.parametrize("name", EACH_CLASS)
def test_gradients_lie_in_memory_as_their_weights_do(name):
    """The fused update goes through memory, not through indices: PyTorch 2.15 takes other strides for the same."""
    model = build(name, (3, 32, 32), 10, seed=0, **NARROW.get(name, {}))
    model.to(memory_format=torch.channels_last)
    x = images(2, 3, 32, 32).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        model(x, key=1)[0].sum().backward()
    assert all(value.grad.stride() == value.stride() for value in model.parameters())
    is_ordered = any(
        value.ndim == 4 and min(value.shape[1:]) > 1 for value in model.parameters()
    )  # ShuffleNets' are not
    assert any(value.stride() != value.contiguous().stride() for value in model.parameters()) == is_ordered


def test_an_outline_has_shapes_and_no_memory():
    found = outline("resnet18", (3, 32, 32), {"width": 1024}, "teacher")
    assert all(value.is_meta for value in found.state_dict().values())
    assert found.head.weight.shape == (2, 8 * 1024)
    with pytest.raises(ConfigError, match=r"^teacher\.width=0 is out of range"):
        outline("resnet18", (3, 32, 32), {"width": 0}, "teacher")


@pytest.mark.parametrize(("name", "smallest"), [("lenet", 16), ("alexnet", 6), ("resnet18", 16)])
def test_statistics_of_batches_allow_no_bank_and_no_single_value_of_a_channel(name, smallest):
    def model(side):
        return outline(name, (3, side, side), {}, name)

    assert stacks(model(smallest)) == (name != "resnet18")
    assert trains_on_one(model(smallest), (3, smallest, smallest))
    if name == "resnet18":  # which makes maps of one pixel of 8 x 8
        assert not trains_on_one(model(8), (3, 8, 8))
