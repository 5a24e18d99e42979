"""How parameters start: functions that fill a Tensor in place with values, and return it.

What a layer adds up should neither fade nor explode from layer to layer, so weights start the
smaller the more inputs (fan-in) or outputs (fan-out) they connect:

    xavier     variance gain² · 2 / (fan_in + fan_out), between forward and backward
    kaiming    variance gain² / fan_in (or fan_out), with the gain √2 of a ReLU

A gain makes up for what an activation takes away: see `calculate_gain`. Random values come from
the generator that `tinygrad_sm.manual_seed` governs, or from `generator=`.

>>> import nn
>>> layer = nn.Linear(2, 2)
>>> nn.init.constant_(layer.bias, 0.5)
Tensor([0.5, 0.5], requires_grad=True)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinygrad_sm import DtypeError, ShapeError, Tensor, default_generator, randn, uniform

T = TypeVar("T", bound=Tensor)
if TYPE_CHECKING:
    Generator = np.random.Generator | None


def _fill(tensor: T, values: Any) -> T:
    """Write the values into the tensor's memory, noted, so that no older graph goes back there."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"nn.init fills Tensors, got a {type(tensor).__name__}")
    if tensor.dtype.kind != "f":
        raise DtypeError(f"nn.init fills floating-point tensors, this one is {tensor.dtype}")
    tensor.detach()[...] = values
    return tensor


# ---- without regard to the shape ---------------------------------------------------------------


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> T:
    """Values spread evenly over [a, b).

    >>> _ = uniform_(Tensor([0.0, 0.0]), -1.0, 1.0)
    """
    values = uniform(tensor.shape, low=a, high=b, dtype=tensor.dtype, generator=generator)
    return _fill(tensor, values)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> T:
    """Normal values: mean + std · 𝒩(0, 1).

    >>> _ = normal_(Tensor([0.0, 0.0]), std=0.02)
    """
    if not std >= 0:
        raise ValueError(f"std needs to be at least 0, got {std}")
    return _fill(tensor, mean + std * randn(tensor.shape, dtype=np.float64, generator=generator))


def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = None,
) -> T:
    """Normal values, those outside [a, b] drawn again.

    >>> _ = trunc_normal_(Tensor([0.0, 0.0]), std=0.02)
    """
    if not std > 0:
        raise ValueError(f"std needs to be above 0, got {std}")
    if not a < b:
        raise ValueError(f"trunc_normal_ needs a < b, got {a} and {b}")
    low, high = (a - mean) / std, (b - mean) / std
    # Points spread evenly, each kept with a probability of its density over that of the peak.
    # Beyond the reach the density is below e⁻⁴⁰ of the peak's.
    peak = min(max(low, 0.0), high)
    reach = 40 / max(abs(peak), 4.4)
    low, high = max(low, peak - reach), min(high, peak + reach)
    random = generator or default_generator()
    values = np.full(tensor.shape, np.nan)
    while (missing := np.isnan(values)).any():
        z = random.uniform(low, high, int(missing.sum()))
        kept = random.random(z.shape) < np.exp((peak * peak - z * z) / 2)
        values[missing] = np.where(kept, z, np.nan)
    # Clipped in the tensor's own dtype, for rounding may step over a bound.
    return _fill(tensor, np.clip((mean + std * values).astype(tensor.dtype), a, b))


def constant_(tensor: T, val: float) -> T:
    """The same value everywhere.

    >>> constant_(Tensor([0.0, 0.0]), 3.0)
    Tensor([3., 3.])
    """
    return _fill(tensor, val)


def zeros_(tensor: T) -> T:
    """0 everywhere.

    >>> zeros_(Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return _fill(tensor, 0)


def ones_(tensor: T) -> T:
    """1 everywhere.

    >>> ones_(Tensor([0.0, 2.0]))
    Tensor([1., 1.])
    """
    return _fill(tensor, 1)


def eye_(tensor: T) -> T:
    """Ones on the diagonal of a matrix, zeros elsewhere.

    >>> eye_(Tensor([[5.0, 5.0], [5.0, 5.0]]))
    Tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_ needs a matrix, this tensor has shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


# ---- by the shape of a weight ------------------------------------------------------------------


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to enlarge the weights in front of an activation.

    nonlinearity: "linear", "sigmoid" or a convolution, such as "conv2d" (1), "tanh" (5/3), "relu"
        (√2), "leaky_relu" (√(2 / (1 + slope²)), slope = `param` or 0.01) or "selu" (3/4).

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    gains |= dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0)
    slope = 0.01 if param is None else param
    gains["leaky_relu"] = math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in gains:
        raise ValueError(f"no gain is known for {nonlinearity!r}; there are {', '.join(gains)}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Values spread evenly over ±gain · √(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio (2010).

    >>> _ = xavier_uniform_(Tensor([[0.0, 0.0]]), gain=calculate_gain("tanh"))
    """
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Normal values of standard deviation gain · √(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio (2010).

    >>> _ = xavier_normal_(Tensor([[0.0, 0.0]]))
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> T:
    """Values spread evenly over ±gain · √(3 / fan).

    a: the slope of the leaky_relu that follows; 0 is a ReLU.
    mode: "fan_in" keeps the size of values in the forward pass, "fan_out" that of gradients.
    nonlinearity: what follows, see `calculate_gain`.

    Source: He, Zhang, Ren and Sun (2015).

    >>> _ = kaiming_uniform_(Tensor([[0.0, 0.0]]), nonlinearity="relu")
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> T:
    """Normal values of standard deviation gain / √fan; the arguments are `kaiming_uniform_`'s.

    Source: He, Zhang, Ren and Sun (2015).

    >>> _ = kaiming_normal_(Tensor([[0.0, 0.0]]), mode="fan_out", nonlinearity="relu")
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times the gain.

    All axes but the first are taken as one.

    Source: Saxe, McClelland and Ganguli (2014).

    >>> w = orthogonal_(Tensor([[0.0, 0.0], [0.0, 0.0]]))
    >>> (w @ w.T).numpy().round(3) + 0.0
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_ needs at least two axes, got shape {tensor.shape}")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    normal = randn(rows, tensor.numel() // rows, dtype=np.float64, generator=generator).numpy()
    tall = len(normal) >= normal.shape[1]
    q, r = np.linalg.qr(normal if tall else normal.T)
    q = q * np.sign(np.diag(r))  # evenly spread over all orthogonal matrices
    return _fill(tensor, gain * (q if tall else q.T).reshape(tensor.shape))


def _fans(tensor: Tensor) -> tuple[int, int]:
    """With how many inputs and outputs a weight (out, in, …) connects each unit."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"nn.init fills Tensors, got a {type(tensor).__name__}")
    if tensor.ndim < 2:
        raise ShapeError(
            "fan-in and fan-out need a weight of shape (out, in, …), "
            f"this tensor has shape {tensor.shape}; for a bias use zeros_ or uniform_"
        )
    outputs, inputs, *kernel = tensor.shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / max(sum(_fans(tensor)), 1))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))
