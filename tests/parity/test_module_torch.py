"""Layers beside PyTorch's: numbers, gradients, print, and weights carried there and back."""

import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from beside import check, same

import nn
from tinygrad_sm import Tensor, no_grad

pytestmark = pytest.mark.usefixtures("float64")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def to_torch(ours, theirs):
    """Carry the weights over by their names."""
    theirs.load_state_dict({name: torch.from_numpy(a) for name, a in ours.state_dict().items()})


# Each layer with the shape of its input. `m` is nn or torch.nn.
LAYERS = {
    "Linear": (lambda m: m.Linear(4, 3), (2, 4)),
    "Linear without bias": (lambda m: m.Linear(4, 3, bias=False), (2, 4)),
    "BatchNorm1d": (lambda m: m.BatchNorm1d(3), (5, 3)),
    "BatchNorm1d of sequences": (lambda m: m.BatchNorm1d(3, eps=0.1), (2, 3, 4)),
    "BatchNorm1d plain average": (lambda m: m.BatchNorm1d(3, momentum=None), (5, 3)),
    "BatchNorm1d without weights": (lambda m: m.BatchNorm1d(3, affine=False), (5, 3)),
    "BatchNorm1d, batch only": (lambda m: m.BatchNorm1d(3, track_running_stats=False), (5, 3)),
    "BatchNorm2d": (lambda m: m.BatchNorm2d(2, momentum=0.3), (3, 2, 4, 3)),
    "BatchNorm2d bare": (
        lambda m: m.BatchNorm2d(2, affine=False, track_running_stats=False),
        (3, 2, 4, 3),
    ),
    "Conv1d": (lambda m: m.Conv1d(2, 4, 3, padding=1, groups=2), (3, 2, 5)),
    "Conv2d": (lambda m: m.Conv2d(2, 3, 2, stride=2, padding=1), (2, 2, 5, 4)),
    "Conv2d without bias": (lambda m: m.Conv2d(2, 3, (3, 1), bias=False), (2, 2, 4, 4)),
    "ConvTranspose2d": (lambda m: m.ConvTranspose2d(2, 3, 2, stride=2), (2, 2, 3, 2)),
    "LayerNorm": (lambda m: m.LayerNorm(4), (3, 4)),
    "LayerNorm of two axes": (lambda m: m.LayerNorm((2, 4), eps=0.1), (3, 2, 4)),
    "LayerNorm without bias": (lambda m: m.LayerNorm(4, bias=False), (3, 4)),
    "LayerNorm bare": (lambda m: m.LayerNorm([4], elementwise_affine=False), (2, 3, 4)),
    "GroupNorm": (lambda m: m.GroupNorm(2, 4), (3, 4)),
    "GroupNorm of images": (lambda m: m.GroupNorm(2, 6, eps=0.1), (2, 6, 3, 2)),
    "GroupNorm of one channel each": (lambda m: m.GroupNorm(3, 3, affine=False), (2, 3, 5)),
    "BatchNorm1d without bias": (lambda m: m.BatchNorm1d(3, bias=False), (5, 3)),
    "GroupNorm without bias": (lambda m: m.GroupNorm(2, 4, bias=False), (3, 4)),
    "Identity": (lambda m: m.Identity(), (2, 3)),
    "Flatten": (lambda m: m.Flatten(), (2, 3, 4)),
    "Sequential": (
        lambda m: m.Sequential(m.Linear(4, 3), m.BatchNorm1d(3), m.Tanh(), m.Linear(3, 2)),
        (5, 4),
    ),
}


def pair(name):
    """The same layer here and there, with weights that are not the ones it starts with."""
    make, shape = LAYERS[name]
    ours, theirs = make(nn), make(torch.nn).double()
    for i, p in enumerate(ours.parameters()):
        p.data = normal(*p.shape, seed=i)
    to_torch(ours, theirs)
    return ours, theirs, shape


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", LAYERS)
def test_value_gradients_and_second_derivatives(name, mode):
    ours, theirs, shape = pair(name)
    x = 2 + normal(*shape)
    for layer in ours, theirs:
        for b, value in zip(layer.buffers(), (0.5, 1.5, 3), strict=False):
            b.data[...] = value
        layer.train(mode)
    names = [n for n, _ in ours.named_parameters()]

    def here(x, *parameters):
        for n, p in zip(names, parameters, strict=True):
            *path, last = n.split(".")
            vars(ours.get_submodule(".".join(path)))[last] = p
        return ours(x)

    def there(x, *parameters):
        return torch.func.functional_call(theirs, dict(zip(names, parameters, strict=True)), x)

    check(here, there, x, *(p.data.copy() for p in ours.parameters()))


@pytest.mark.parametrize("name", [n for n in LAYERS if "BatchNorm" in n])
def test_running_statistics(name):
    ours, theirs, shape = pair(name)
    for step in range(4):
        x = step + normal(*shape, seed=step)
        same(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)), 1e-9)
        for b, t in zip(ours.buffers(), theirs.buffers(), strict=True):
            same(b.numpy(), t, 1e-12)
    x = normal(*shape)
    same(ours.eval()(Tensor(x)).numpy(), theirs.eval()(torch.tensor(x)), 1e-9)
    with no_grad():  # training statistics without a graph
        same(ours.train()(Tensor(x)).numpy(), theirs.train()(torch.tensor(x)), 1e-9)
    for b, t in zip(ours.buffers(), theirs.buffers(), strict=True):
        same(b.numpy(), t, 1e-12)


@pytest.mark.parametrize("padding", [None, 2, -1])
def test_embedding(padding):
    ours, theirs = (m.Embedding(5, 3, padding_idx=padding) for m in (nn, torch.nn))
    theirs = theirs.double()
    to_torch(ours, theirs)
    indices = np.array([[0, 2, 2], [4, 1, 0]])
    y, t = ours(Tensor(indices)), theirs(torch.tensor(indices))
    same(y.numpy(), t, 0)
    y.backward(normal(2, 3, 3))
    t.backward(torch.tensor(normal(2, 3, 3)))
    same(ours.weight.grad, theirs.weight.grad, 1e-12)


# ---- weights there and back --------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LAYERS, "Embedding"])
def test_weights_go_there_and_back(name, tmp_path):
    make = LAYERS[name][0] if name in LAYERS else lambda m: m.Embedding(5, 3)
    ours, theirs, other = make(nn), make(torch.nn).double(), make(nn)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert [a.shape for a in ours.state_dict().values()] == [tuple(t.shape) for t in state.values()]
    for t in state.values():
        if t.is_floating_point():
            t += 1
    ours.load_state_dict(state)
    nn.save(ours, tmp_path / "weights.npz")
    with torch.no_grad():
        for p in theirs.parameters():
            p.zero_()
    theirs.load_state_dict(
        {k: torch.from_numpy(a) for k, a in nn.load(tmp_path / "weights.npz").items()}
    )
    other.load_state_dict(theirs.state_dict())
    for name, a in ours.state_dict().items():
        assert a.dtype == other.state_dict()[name].dtype
        np.testing.assert_array_equal(a, theirs.state_dict()[name].numpy())
        np.testing.assert_array_equal(a, other.state_dict()[name])


def test_names_of_shared_parts():
    def network(m):
        class Net(m.Module):
            def __init__(self):
                super().__init__()
                self.a = m.Linear(2, 2)
                self.register_buffer("b", Tensor([1.0]) if m is nn else torch.ones(1))
                self.c = m.Sequential(self.a, m.Linear(2, 2))
                self.c[1].weight = self.a.weight
                self.register_buffer("d", None)
                self.e = m.ModuleDict({"f": m.ModuleList([m.BatchNorm1d(2), self.a])})
                temporary = Tensor([1.0]) if m is nn else torch.ones(1)
                self.register_buffer("g", temporary, persistent=False)

        return Net()

    ours, theirs = network(nn), network(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for what in ("parameters", "buffers", "modules", "children"):
        named = [[name for name, _ in getattr(n, f"named_{what}")()] for n in (ours, theirs)]
        assert named[0] == named[1]
    for remove in True, False:
        named = [
            [name for name, _ in n.named_parameters("p", remove_duplicate=remove)]
            for n in (ours, theirs)
        ]
        assert named[0] == named[1]
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "Flatten"])
def test_repr(name):
    assert repr(LAYERS[name][0](nn)) == repr(LAYERS[name][0](torch.nn))


def test_a_file_that_torch_and_numpy_wrote(tmp_path):
    theirs, ours = torch.nn.Linear(3, 2).double(), nn.Linear(3, 2)
    np.savez(tmp_path / "a.npz", **{k: t.numpy() for k, t in theirs.state_dict().items()})
    ours.load_state_dict(nn.load(tmp_path / "a.npz"))
    same(ours.weight.numpy(), theirs.weight, 0)


def test_a_pickle_of_torchs_is_refused(tmp_path):
    stream = io.BytesIO()
    torch.save(torch.nn.Linear(1, 1).state_dict(), stream)  # a zip archive that holds a pickle
    (tmp_path / "a.npz").write_bytes(stream.getvalue())
    with pytest.raises(ValueError, match="is no array"):
        nn.load(tmp_path / "a.npz")


# ---- how parameters start ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Linear", "Embedding", "BatchNorm2d", "LayerNorm", "GroupNorm"],
)
def test_layers_start_as_pytorchs_do(name):
    make = {
        "Linear": lambda m: m.Linear(50, 400),
        "Embedding": lambda m: m.Embedding(100, 200, padding_idx=3),
        "BatchNorm2d": lambda m: m.BatchNorm2d(4),
        "LayerNorm": lambda m: m.LayerNorm(4),
        "GroupNorm": lambda m: m.GroupNorm(2, 4),
    }[name]
    torch.manual_seed(0)
    ours, theirs = make(nn).state_dict(), make(torch.nn).state_dict()
    for key, t in theirs.items():
        t = t.numpy()
        assert ours[key].mean() == pytest.approx(t.mean(), abs=0.05)
        assert ours[key].std() == pytest.approx(t.std(), rel=0.1)
        assert np.abs(ours[key]).max() == pytest.approx(np.abs(t).max(), rel=0.3)


INIT = {
    "xavier_uniform_": [{}, {"gain": 2.0}],
    "xavier_normal_": [{}, {"gain": 0.5}],
    "kaiming_uniform_": [{}, {"a": 1.0}, {"mode": "fan_out", "nonlinearity": "relu"}],
    "kaiming_normal_": [{}, {"nonlinearity": "tanh"}, {"nonlinearity": "linear"}],
    "orthogonal_": [{"gain": 3.0}],
    "uniform_": [{}, {"a": -1.0, "b": 2.0}],
    "normal_": [{"mean": 1.0, "std": 2.0}],
    "trunc_normal_": [{}, {"mean": 1.0, "std": 0.5, "a": 0.0}],
}


@pytest.mark.parametrize("shape", [(200, 100), (40, 30, 5, 3)], ids=str)
@pytest.mark.parametrize(
    ("name", "options"), [(n, o) for n, options in INIT.items() for o in options], ids=str
)
def test_init(name, options, shape):
    torch.manual_seed(0)
    ours = getattr(nn.init, name)(Tensor(np.zeros(shape)), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.zeros(shape), **options).numpy()
    spread = float(theirs.std())
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.05 * spread)
    assert ours.std() == pytest.approx(spread, rel=0.03)
    for percent in 1, 10, 25, 50, 75, 90, 99:
        q = np.percentile(theirs, percent)
        assert np.percentile(ours, percent) == pytest.approx(q, abs=0.1 * spread)


@pytest.mark.parametrize(
    "arguments",
    ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", ("leaky_relu", 0.3), "selu"],
    ids=str,
)
def test_gain(arguments):
    arguments = (arguments,) if isinstance(arguments, str) else arguments
    expected = torch.nn.init.calculate_gain(*arguments)
    assert nn.init.calculate_gain(*arguments) == pytest.approx(expected, rel=1e-15)


# ---- activations -------------------------------------------------------------------------------

ACTIVATIONS = {
    "ReLU": [{}],
    "ReLU6": [{}],
    "LeakyReLU": [{}, {"negative_slope": 0.3}],
    "ELU": [{}, {"alpha": 0.5}],
    "CELU": [{}, {"alpha": 2.0}],
    "SELU": [{}],
    "GELU": [{}, {"approximate": "tanh"}],
    "SiLU": [{}],
    "Mish": [{}],
    "Softplus": [{}, {"beta": 2.0}, {"beta": 2.0, "threshold": 1.0}],
    "Softsign": [{}],
    "Tanh": [{}],
    "Hardtanh": [{}, {"min_val": -0.5, "max_val": 2.0}],
    "Sigmoid": [{}],
    "LogSigmoid": [{}],
    "Hardsigmoid": [{}],
    "Hardswish": [{}],
    "Softmax": [{"axis": 0}, {"axis": -1}],
    "Softmin": [{"axis": 1}],
    "LogSoftmax": [{"axis": 1}],
}
CASES = [(name, options) for name, all_options in ACTIVATIONS.items() for options in all_options]


def test_no_activation_is_forgotten():
    from nn import activation

    assert set(ACTIVATIONS) == {
        name
        for name, value in vars(activation).items()
        if isinstance(value, type) and value.__module__ == "nn.activation" and name != "Activation"
    }


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_activation(name, options):
    theirs = {"dim" if k == "axis" else k: v for k, v in options.items()}
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**theirs)
    # PyTorch's own has 1/6, the derivative, in float32 only.
    twin = (lambda x: torch.nn.functional.relu6(x + 3) / 6) if name == "Hardsigmoid" else theirs
    check(ours, twin, 3 * normal(4, 5))
    assert repr(ours) == repr(theirs).replace("dim=", "axis=")
