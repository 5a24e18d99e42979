"""Convolution and pooling layers: how they start, what they pass on, how they print."""

import math

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, manual_seed


def x_of(*shape):
    return Tensor(np.random.default_rng(0).normal(size=shape))


LAYERS = [
    (lambda: nn.Conv1d(4, 6, 3), (6, 4, 3), 12),
    (lambda: nn.Conv2d(4, 6, 3), (6, 4, 3, 3), 36),
    (lambda: nn.Conv2d(4, 6, (3, 1), groups=2), (6, 2, 3, 1), 6),
    (lambda: nn.ConvTranspose2d(4, 6, 3), (4, 6, 3, 3), 54),
    (lambda: nn.ConvTranspose2d(4, 6, 2, groups=2), (4, 3, 2, 2), 12),
]


@pytest.mark.parametrize(("make", "shape", "fan_in"), LAYERS)
def test_weight_and_bias_start_within_their_bounds(make, shape, fan_in):
    layers = [make() for _ in range(50)]
    bound = 1 / math.sqrt(fan_in)
    assert layers[0].weight.shape == shape
    assert layers[0].bias.shape == (6,)
    for name in "weight", "bias":
        values = np.concatenate([getattr(layer, name).data.ravel() for layer in layers])
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.95 * bound
        assert values.mean() == pytest.approx(0, abs=0.2 * bound)


def test_the_same_seed_starts_the_same():
    weights = []
    for _ in range(2):
        manual_seed(3)
        weights.append(nn.Conv2d(2, 3, 3).weight.data)
    np.testing.assert_array_equal(*weights)


def test_without_a_bias():
    layer = nn.Conv2d(2, 3, 3, bias=False)
    assert layer.bias is None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(Tensor(np.zeros((1, 2, 3, 3), np.float32))).tolist() == [[[[0]], [[0]], [[0]]]]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, (1, 2), "same", "valid"])
def test_a_padding_mode_pads_first(mode, padding):
    layer = nn.Conv2d(1, 1, (2, 3), padding=padding, dilation=2, padding_mode=mode)
    x = x_of(1, 1, 5, 6)
    sides = {"same": (2, 2, 1, 1), "valid": (0,) * 4, 2: (2,) * 4, (1, 2): (2, 2, 1, 1)}[padding]
    plain = x.pad(sides, mode=mode).conv2d(layer.weight, layer.bias, dilation=2)
    np.testing.assert_array_equal(layer(x), plain)


@pytest.mark.parametrize(
    ("layer", "method"),
    [
        (nn.MaxPool2d(3, 2, 1), lambda x: x.max_pool2d(3, 2, 1)),
        (nn.MaxPool2d(2, dilation=2, ceil_mode=True), lambda x: x.max_pool2d(2, None, 0, 2, True)),
        (nn.AvgPool2d(2, 1, 1, False, False), lambda x: x.avg_pool2d(2, 1, 1, False, False)),
        (nn.AvgPool2d(2, divisor_override=3), lambda x: x.avg_pool2d(2, divisor_override=3)),
        (nn.AdaptiveAvgPool2d((1, 2)), lambda x: x.adaptive_avg_pool2d((1, 2))),
        (nn.MaxPool1d(2, 1), lambda x: x.reshape(2, 3, 30).max_pool1d(2, 1)),
        (nn.Unfold(2, stride=2), lambda x: x.unfold(2, stride=2)),
        (nn.Fold((5, 6), 1), lambda x: x.reshape(2, 3, 30).fold((5, 6), 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_layer_passes_its_settings_on(layer, method):
    x = x_of(2, 3, 5, 6)
    given = x if "1d" not in repr(layer) and "Fold(" not in repr(layer) else x.reshape(2, 3, 30)
    np.testing.assert_array_equal(layer(given), method(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 1, 3), "at least one input channel"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), "groups=4 needs to divide .*=4 and out_channels=6"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "'same' or 'valid', got 'full'"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode is one of .*'mirror'"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), "kernel_size is a number, or 2 of them"),
        (lambda: nn.Conv1d(1, 1, 3, stride=(1, 1)), "stride is a number, or 1 of them"),
        (lambda: nn.Conv2d(1, 1, 3, stride=1.5), "stride is a number"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), "a number for each axis, got 'same'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), "padding_mode is one of"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_array_is_refused_with_the_fix():
    with pytest.raises(TypeError, match="wrap it"):
        nn.Conv2d(1, 1, 3)(np.zeros((1, 1, 3, 3)))


def test_a_small_network_learns_to_tell_lines_apart():
    x = np.zeros((16, 1, 8, 8), np.float32)
    for i in range(8):
        x[i, 0, i], x[i + 8, 0, :, i] = 1, 1  # lying, then upright
    labels = np.repeat([0, 1], 8)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    head = nn.Linear(4, 2)
    optimizer = nn.optim.SGD([*model.parameters(), *head.parameters()], lr=1.0, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        scores = head(model(Tensor(x)).reshape(16, 4))
        loss = scores.cross_entropy(labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert (scores.argmax(axis=1).numpy() == labels).all()
