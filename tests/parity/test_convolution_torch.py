"""Convolution and pooling beside PyTorch's: drawn options, ties, layers, training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import Tensor

torch = pytest.importorskip("torch")

from beside import check, same
from cases import weights
from torch.nn import functional

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
RNG = np.random.default_rng(0)


def pairs(*values):
    """One number for both axes, or a pair."""
    return st.sampled_from(values) | st.tuples(*[st.sampled_from(values)] * 2)


def twice(value):
    return value if isinstance(value, tuple) else (value, value)


@st.composite
def drawn_images(draw, channels, kernel, padding=0, dilation=1):
    """Images that the window fits into, of odd and even sizes, and perhaps none or a single one."""
    least = [
        max(d * (k - 1) + 1 - 2 * p, 1)
        for k, p, d in zip(*map(twice, (kernel, padding, dilation)), strict=True)
    ]
    size = [n + draw(st.integers(0, 5)) for n in least]
    n = draw(st.sampled_from([(2,), (1,), (0,), ()]))
    return RNG.normal(size=(*n, channels, *size))


@settings(max_examples=60)
@given(data=st.data())
def test_conv2d(data):
    kernel, stride = data.draw(pairs(1, 2, 3, 4)), data.draw(pairs(1, 2, 3, 5))
    dilation, groups = data.draw(pairs(1, 2)), data.draw(st.sampled_from([1, 2]))
    padding = data.draw(pairs(0, 1, 3) | st.sampled_from(["same", "valid"]))
    stride = 1 if padding == "same" else stride
    zeros = 0 if isinstance(padding, str) else padding
    x = data.draw(drawn_images(4, kernel, zeros, dilation))
    w, b = RNG.normal(size=(6, 4 // groups, *twice(kernel))), RNG.normal(size=6)
    how = (stride, padding, dilation, groups)
    check(
        lambda x, w, b: x.conv2d(w, b, *how),
        lambda x, w, b: functional.conv2d(x, w, b, *how),
        *(x, w, b),
    )


@settings(max_examples=40)
@given(data=st.data())
def test_conv_transpose2d(data):
    kernel, stride = data.draw(pairs(1, 2, 3, 4)), data.draw(pairs(1, 2, 3))
    dilation, groups = data.draw(pairs(1, 2)), data.draw(st.sampled_from([1, 2]))
    reach = [d * (k - 1) for d, k in zip(twice(dilation), twice(kernel), strict=True)]
    padding = data.draw(st.sampled_from([0, tuple(r // 2 for r in reach)]))
    extra = tuple(
        data.draw(st.integers(0, max(s, d) - 1))
        for s, d in zip(twice(stride), twice(dilation), strict=True)
    )
    x = data.draw(drawn_images(4, 2))
    w, b = RNG.normal(size=(4, 6 // groups, *twice(kernel))), RNG.normal(size=6)
    how = (stride, padding, extra, groups, dilation)
    check(
        lambda x, w, b: x.conv_transpose2d(w, b, *how),
        lambda x, w, b: functional.conv_transpose2d(x, w, b, *how),
        *(x, w, b),
    )


@settings(max_examples=60)
@given(data=st.data(), ties=st.booleans(), ceil=st.booleans())
def test_max_pool2d(data, ties, ceil):
    kernel, dilation = data.draw(pairs(1, 2, 3)), data.draw(pairs(1, 2))
    stride = data.draw(pairs(1, 2, 4) | st.none())
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in twice(kernel))
    x = data.draw(drawn_images(2, kernel, 0, dilation))
    how = (kernel, stride, padding, dilation, ceil)
    check(
        lambda x: x.max_pool2d(*how),
        lambda x: functional.max_pool2d(x, *how),
        np.round(x) if ties else x,
    )


@settings(max_examples=60)
@given(data=st.data(), ceil=st.booleans(), count=st.booleans())
def test_avg_pool2d(data, ceil, count):
    kernel, stride = data.draw(pairs(1, 2, 3)), data.draw(pairs(1, 2, 4) | st.none())
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in twice(kernel))
    how = (kernel, stride, padding, ceil, count, data.draw(st.sampled_from([None, 3, -2])))
    x = data.draw(drawn_images(2, kernel))
    check(lambda x: x.avg_pool2d(*how), lambda x: functional.avg_pool2d(x, *how), x)


@given(x=drawn_images(2, 1), size=st.sampled_from([1, 2, 5, (3, None), (None, 7), (1, 2)]))
def test_adaptive_avg_pool2d(x, size):
    check(
        lambda x: x.adaptive_avg_pool2d(size), lambda x: functional.adaptive_avg_pool2d(x, size), x
    )


@pytest.mark.parametrize("how", [{}, {"stride": 2, "padding": 1}, {"padding": "same"}])
def test_conv1d(how):
    x, w, b = RNG.normal(size=(2, 3, 9)), RNG.normal(size=(4, 3, 4)), RNG.normal(size=4)
    check(
        lambda x, w, b: x.conv1d(w, b, **how),
        lambda x, w, b: functional.conv1d(x, w, b, **how),
        *(x, w, b),
    )


@pytest.mark.parametrize("window", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1}])
def test_maxima_where_everything_is_equal(window):
    for x in np.zeros((1, 1, 5, 5)), np.full((1, 1, 5, 5), -0.0), np.ones((1, 2, 4, 4)):
        check(lambda x: x.max_pool2d(**window), lambda x: functional.max_pool2d(x, **window), x)


@pytest.mark.parametrize("shape", [(40, 8, 14, 14), (33, 3, 13, 9)])
def test_images_of_usual_size(shape):
    x, w, b = (RNG.normal(size=s) for s in (shape, (16, shape[1], 3, 3), 16))
    check(
        lambda x, w, b: x.conv2d(w, b, padding=1).relu().max_pool2d(2),
        lambda x, w, b: functional.max_pool2d(functional.conv2d(x, w, b, padding=1).relu(), 2),
        *(x, w, b),
    )


# ---- layers ------------------------------------------------------------------------------------

LAYERS = [
    (lambda m: m.Conv1d(4, 6, 3), (2, 4, 9)),
    (lambda m: m.Conv1d(4, 6, 4, 2, 3, 2, groups=2, bias=False), (2, 4, 9)),
    (lambda m: m.Conv1d(4, 6, 4, padding="same", padding_mode="circular"), (2, 4, 9)),
    (lambda m: m.Conv2d(4, 6, 3), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, (3, 2), (2, 1), (1, 3), groups=2), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, (3, 2), padding="same", dilation=2, bias=False), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, 2, padding="valid", padding_mode="reflect"), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, 2, padding="same", padding_mode="reflect"), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="replicate"), (2, 4, 7, 8)),
    (lambda m: m.Conv2d(4, 6, 3, padding=1, padding_mode="circular", bias=False), (4, 7, 8)),
    (lambda m: m.ConvTranspose2d(4, 6, 3, 2, 1, 1), (2, 4, 5, 4)),
    (lambda m: m.ConvTranspose2d(4, 6, 2, 1, 0, (1, 0), 2, False, 2), (2, 4, 5, 4)),
    (lambda m: m.MaxPool1d(2), (2, 4, 9)),
    (lambda m: m.MaxPool1d(3, 2, 1, 2, ceil_mode=True), (2, 4, 9)),
    (lambda m: m.MaxPool2d(2), (2, 4, 7, 8)),
    (lambda m: m.MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2), ceil_mode=True), (2, 4, 7, 8)),
    (lambda m: m.AvgPool2d(2), (2, 4, 7, 8)),
    (lambda m: m.AvgPool2d((3, 2), 2, 1, True, False), (2, 4, 7, 8)),
    (lambda m: m.AdaptiveAvgPool2d(1), (2, 4, 7, 8)),
    (lambda m: m.AdaptiveAvgPool2d((3, None)), (2, 4, 7, 8)),
    (lambda m: m.Unfold((2, 3), 1, (1, 0), 2), (2, 4, 7, 8)),
    (lambda m: m.Fold((4, 5), (2, 3), stride=(1, 2)), (2, 12, 6)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("make", "shape"), LAYERS, ids=lambda value: "")
def test_layer(make, shape):
    ours, theirs = make(nn), make(torch.nn).double()
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({name: torch.tensor(p.data) for name, p in ours.named_parameters()})
    values = RNG.normal(size=shape)
    x, t = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, e = ours(x), theirs(t)
    same(y.numpy(), e, 1e-9)
    g = weights(y.shape)
    y.backward(g)
    e.backward(torch.tensor(g))
    same(x.grad, t.grad, 1e-9)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        same(p.grad, q.grad, 1e-9)


def network(m):
    return [
        m.Conv2d(1, 4, 3, padding=1),
        m.ReLU(),
        m.MaxPool2d(2),
        m.Conv2d(4, 8, 3, padding=1),
        m.ReLU(),
        m.MaxPool2d(2),
        m.Flatten(),
        m.Linear(8 * 2 * 2, 10),
    ]


@pytest.mark.usefixtures("float64")
def test_fifty_steps_of_a_cnn():
    ours = nn.Sequential(*network(nn))
    theirs = torch.nn.Sequential(*network(torch.nn)).double()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        q.data = torch.tensor(p.data)
    here = nn.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    there = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    train, _ = nn.datasets.digits(flatten=False)
    losses = []
    for step in range(50):
        x, y = train.x[step * 16 :][:16].astype(float), train.y[step * 16 :][:16]
        here.zero_grad()
        there.zero_grad()
        loss = nn.CrossEntropyLoss()(ours(Tensor(x)), y)
        expected = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(y))
        loss.backward()
        expected.backward()
        here.step()
        there.step()
        losses.append(loss.item())
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    assert losses[-1] < 0.8 * losses[0]
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-9)
