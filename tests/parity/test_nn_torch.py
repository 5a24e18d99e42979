"""Layers and loss beside PyTorch's, in float64: the same numbers and the same print."""

import itertools

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, grad

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def close(ours, theirs, atol=1e-9):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=atol)


def pair(array):
    return Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- CrossEntropyLoss --------------------------------------------------------------------------

CLASSES = 4
SHAPES = [(CLASSES,), (1, CLASSES), (5, CLASSES), (3, CLASSES, 2), (2, CLASSES, 3, 2), (3, 1)]


def make_indices(shape):
    classes = shape[1] if len(shape) > 1 else shape[0]
    size = shape[:1] + shape[2:] if len(shape) > 1 else ()
    return np.array(np.random.default_rng(1).integers(0, classes, size))


def make_probabilities(shape):
    e = np.exp(normal(*shape, seed=2))
    return e / e.sum(axis=min(1, len(shape) - 1), keepdims=True)


def make_onehot(shape):
    axis = min(1, len(shape) - 1)
    return np.moveaxis(np.eye(shape[axis])[make_indices(shape)], -1, axis)


OPTIONS = [
    {"weighted": weighted, "label_smoothing": smoothing, "reduction": reduction}
    for weighted, smoothing, reduction in itertools.product(
        (False, True), (0.0, 0.1, 1.0), ("mean", "sum", "none")
    )
]


def losses(shape, weighted=False, **options):
    """The same loss here and there."""
    classes = shape[1] if len(shape) > 1 else shape[0]
    weight = np.linspace(0.5, 2.0, classes) if weighted else None
    theirs = None if weight is None else torch.tensor(weight)
    return (
        nn.CrossEntropyLoss(weight=weight, **options),
        torch.nn.CrossEntropyLoss(weight=theirs, **options),
    )


def compare(ours, theirs, scores, target):
    """Value, gradient and second derivative with respect to the scores."""
    z, t = pair(scores)
    y, e = ours(z, target), theirs(t, torch.tensor(target))
    assert y.shape == tuple(e.shape)
    close(y.numpy(), e)
    w = normal(*y.shape, seed=3)
    (g,) = grad(y, z, grad_outputs=Tensor(w), create_graph=True)
    (eg,) = torch.autograd.grad(e, t, torch.tensor(w), create_graph=True)
    close(g.numpy(), eg)
    v = normal(*scores.shape, seed=4)
    (g * Tensor(v)).sum().backward()
    (eg * torch.tensor(v)).sum().backward()
    close(z.grad, t.grad)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make_target", [make_indices, make_probabilities, make_onehot])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_cross_entropy(shape, make_target, options):
    compare(*losses(shape, **options), normal(*shape), make_target(shape))


@pytest.mark.parametrize("shape", [(5, CLASSES), (3, CLASSES, 2)], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("ignored", [-100, -1, 0, 2, 99])
def test_cross_entropy_with_ignored_labels(shape, options, ignored):
    target = make_indices(shape)
    target[0] = ignored
    compare(*losses(shape, ignore_index=ignored, **options), normal(*shape), target)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("target", [np.array([-100, -100]), np.zeros(0, int)], ids=len)
def test_cross_entropy_where_nothing_counts(reduction, target):
    ours, theirs = losses((len(target), CLASSES), reduction=reduction)
    z = np.zeros((len(target), CLASSES))
    np.testing.assert_array_equal(
        ours(Tensor(z), target).numpy(), theirs(torch.tensor(z), torch.tensor(target)).numpy()
    )


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e300])
def test_cross_entropy_of_large_scores(scale):
    shape = (5, CLASSES)
    z, t = pair(scale * np.round(normal(*shape), 1))
    ours, theirs = losses(shape)
    y, e = ours(z, make_indices(shape)), theirs(t, torch.tensor(make_indices(shape)))
    close(y.numpy(), e)
    y.backward()
    e.backward()
    close(z.grad, t.grad)


def test_gradient_for_the_probabilities():
    shape = (5, CLASSES)
    q, r = pair(make_probabilities(shape))
    ours, theirs = losses(shape, weighted=True, label_smoothing=0.1)
    ours(Tensor(normal(*shape)), q).backward()
    theirs(torch.tensor(normal(*shape)), r).backward()
    close(q.grad, r.grad)


# ---- layers ------------------------------------------------------------------------------------


def networks(kind):
    """The same network with the same weights here and there."""
    here, there = {
        "softmax regression": ([nn.Linear(6, 3)], [torch.nn.Linear(6, 3)]),
        "MLP": (
            [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)],
            [
                torch.nn.Linear(6, 5),
                torch.nn.Tanh(),
                torch.nn.Linear(5, 4),
                torch.nn.ReLU(),
                torch.nn.Linear(4, 3),
            ],
        ),
    }[kind]
    ours, theirs = nn.Sequential(*here), torch.nn.Sequential(*there).double()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        q.data = torch.tensor(p.data)
    return ours, theirs


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias):
    ours, theirs = nn.Linear(6, 3, bias=bias), torch.nn.Linear(6, 3, bias=bias).double()
    theirs.weight.data = torch.tensor(ours.weight.data)
    if bias:
        theirs.bias.data = torch.tensor(ours.bias.data)
    x, t = pair(normal(*shape))
    y, e = ours(x), theirs(t)
    close(y.numpy(), e)
    (y * y).sum().backward()
    (e * e).sum().backward()
    close(x.grad, t.grad)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad)


def test_linear_starts_like_pytorchs():
    ours, theirs = nn.Linear(50, 400), torch.nn.Linear(50, 400)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.shape == tuple(q.shape)
        assert p.data.std() == pytest.approx(q.detach().numpy().std(), rel=0.1)
        assert np.abs(p.data).max() == pytest.approx(q.detach().abs().max().item(), rel=0.01)


# ---- how they print ----------------------------------------------------------------------------


def nest(m):
    return [
        m.Linear(3, 4),
        m.Linear(3, 4, bias=False),
        m.ReLU(),
        m.Tanh(),
        m.Sigmoid(),
        m.Sequential(),
        m.Sequential(m.Linear(3, 4), m.ReLU(), m.Linear(4, 2)),
        m.Sequential(m.Sequential(m.Linear(2, 2), m.Sequential(m.Tanh())), m.Sigmoid()),
        m.CrossEntropyLoss(),
    ]


@pytest.mark.parametrize("i", range(len(nest(nn))))
def test_repr(i):
    assert repr(nest(nn)[i]) == repr(nest(torch.nn)[i])


def test_repr_of_a_network_of_ones_own():
    def network(m):
        class Net(m.Module):
            def __init__(self):
                super().__init__()
                self.first = m.Sequential(m.Linear(2, 3), m.ReLU())
                self.last = m.Linear(3, 1)

            def extra_repr(self):
                return "hidden=3"

        return Net()

    assert repr(network(nn)) == repr(network(torch.nn))


def test_parameter_names():
    ours, theirs = networks("MLP")
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
