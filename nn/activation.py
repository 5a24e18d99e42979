"""Activations: elementwise functions between layers, and softmax at the end.

Each is the method of Tensor of the same name, with its settings kept.
"""

from __future__ import annotations

from nn.module import Module
from tinygrad_sm import Tensor


class Activation(Module):
    """What activations share: no parameters, and settings that are printed as they are named."""

    def extra_repr(self) -> str:
        """The settings."""
        settings = vars(self).items()
        return ", ".join(f"{k}={v!r}" for k, v in settings if k != "training" and k[0] != "_")


class ReLU(Activation):
    """max(x, 0), elementwise.

    >>> ReLU()(Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return x.relu()


class ReLU6(Activation):
    """min(max(x, 0), 6), elementwise.

    >>> ReLU6()(Tensor([-1.0, 2.0, 8.0]))
    Tensor([0., 2., 6.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x, held between 0 and 6."""
        return x.relu6()


class LeakyReLU(Activation):
    """x where x > 0, else negative_slope · x, elementwise.

    Source: Maas, Hannun and Ng (2013).

    >>> LeakyReLU(0.5)(Tensor([-2.0, 3.0]))
    Tensor([-1.,  3.])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """x, or the slope times x."""
        return x.leaky_relu(self.negative_slope)


class ELU(Activation):
    """x where x > 0, else α (eˣ − 1), elementwise.

    Source: Clevert, Unterthiner and Hochreiter (2016).

    >>> ELU()(Tensor([-1.0, 3.0]))
    Tensor([-0.6321,  3.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """x, or α (eˣ − 1)."""
        return x.elu(self.alpha)


class CELU(Activation):
    """x where x > 0, else α (e^(x/α) − 1), elementwise: an ELU with a smooth derivative.

    Source: Barron (2017).

    >>> CELU(2.0)(Tensor([-1.0, 3.0]))
    Tensor([-0.7869,  3.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """x, or α (e^(x/α) − 1)."""
        return x.celu(self.alpha)


class SELU(Activation):
    """The ELU scaled so that values keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017).

    >>> SELU()(Tensor([-1.0, 1.0]))
    Tensor([-1.1113,  1.0507])
    """

    def forward(self, x: Tensor) -> Tensor:
        """The scaled ELU."""
        return x.selu()


class GELU(Activation):
    """x Φ(x), elementwise, with Φ the normal distribution function.

    approximate: "none", or "tanh" for x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).

    Source: Hendrycks and Gimpel (2016).

    >>> GELU()(Tensor([-1.0, 1.0]))
    Tensor([-0.1587,  0.8413])
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """x Φ(x)."""
        return x.gelu(self.approximate)


class SiLU(Activation):
    """x σ(x), elementwise, also called swish.

    Source: Elfwing, Uchibe and Doya (2018).

    >>> SiLU()(Tensor([-1.0, 1.0]))
    Tensor([-0.2689,  0.7311])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x σ(x)."""
        return x.silu()


class Mish(Activation):
    """x tanh(softplus(x)), elementwise.

    Source: Misra (2019).

    >>> Mish()(Tensor([-1.0, 1.0]))
    Tensor([-0.3034,  0.8651])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x tanh(softplus(x))."""
        return x.mish()


class Softplus(Activation):
    """ln(1 + e^βx) / β, a smooth ReLU, elementwise.

    threshold: where βx is above it, the result is x itself.

    >>> Softplus()(Tensor([-1.0, 3.0]))
    Tensor([0.3133, 3.0486])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """ln(1 + e^βx) / β."""
        return x.softplus(self.beta, self.threshold)


class Softsign(Activation):
    """x / (1 + |x|), elementwise: between −1 and 1.

    >>> Softsign()(Tensor([-1.0, 3.0]))
    Tensor([-0.5 ,  0.75])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x / (1 + |x|)."""
        return x.softsign()


class Tanh(Activation):
    """The hyperbolic tangent, elementwise: between −1 and 1.

    >>> Tanh()(Tensor([0.0, 1.0]))
    Tensor([0.    , 0.7616])
    """

    def forward(self, x: Tensor) -> Tensor:
        """tanh x."""
        return x.tanh()


class Hardtanh(Activation):
    """x, held between min_val and max_val, elementwise.

    >>> Hardtanh()(Tensor([-2.0, 0.5, 2.0]))
    Tensor([-1. ,  0.5,  1. ])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Tensor) -> Tensor:
        """x, held between the bounds."""
        return x.hardtanh(self.min_val, self.max_val)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ), elementwise: between 0 and 1.

    >>> Sigmoid()(Tensor([0.0, 2.0]))
    Tensor([0.5   , 0.8808])
    """

    def forward(self, x: Tensor) -> Tensor:
        """1 / (1 + e⁻ˣ)."""
        return x.sigmoid()


class LogSigmoid(Activation):
    """ln(1 / (1 + e⁻ˣ)), elementwise, without overflow.

    >>> LogSigmoid()(Tensor([-2.0, 0.0]))
    Tensor([-2.1269, -0.6931])
    """

    def forward(self, x: Tensor) -> Tensor:
        """ln σ(x)."""
        return x.logsigmoid()


class Hardsigmoid(Activation):
    """x/6 + 1/2, held between 0 and 1, elementwise: a sigmoid of straight lines.

    >>> Hardsigmoid()(Tensor([-4.0, 0.0, 1.5]))
    Tensor([0.  , 0.5 , 0.75])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x/6 + 1/2, held between 0 and 1."""
        return x.hardsigmoid()


class Hardswish(Activation):
    """x · hardsigmoid(x), elementwise: a SiLU of straight lines and a parabola.

    Source: Howard et al. (2019).

    >>> Hardswish()(Tensor([-4.0, 1.5, 4.0]))
    Tensor([-0.   ,  1.125,  4.   ])
    """

    def forward(self, x: Tensor) -> Tensor:
        """x · hardsigmoid(x)."""
        return x.hardswish()


class Softmax(Activation):
    """Scores into probabilities that sum to 1 along `axis`: e^xᵢ / Σⱼ e^xⱼ.

    For training, give the scores themselves to `CrossEntropyLoss`: it contains the softmax.

    >>> Softmax()(Tensor([[1.0, 2.0, 3.0]]))
    Tensor([[0.09  , 0.2447, 0.6652]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities along the axis."""
        return x.softmax(self.axis)


class Softmin(Activation):
    """The softmax of −x along `axis`: the smallest gets most.

    >>> Softmin()(Tensor([[1.0, 2.0, 3.0]]))
    Tensor([[0.6652, 0.2447, 0.09  ]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities along the axis."""
        return (-x).softmax(self.axis)


class LogSoftmax(Activation):
    """The logarithm of the softmax along `axis`, without its underflow.

    >>> LogSoftmax()(Tensor([[0.0, 0.0]]))
    Tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities along the axis."""
        return x.log_softmax(self.axis)
