"""nn: the parts of small networks, built on tinygrad_sm.

>>> import nn
>>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
>>> loss_fn = nn.CrossEntropyLoss()
>>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
"""

from typing import TYPE_CHECKING, Any

from nn import init, optim, utils
from nn.activation import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Softsign,
    Tanh,
)
from nn.convolution import Conv1d, Conv2d, ConvTranspose2d, Fold, Unfold
from nn.data import DataLoader, Subset, random_split
from nn.dropout import Dropout
from nn.embedding import Embedding
from nn.linear import Linear
from nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropy,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from nn.module import Buffer, Module, ModuleDict, ModuleList, Parameter, Sequential
from nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from nn.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool1d, MaxPool2d
from nn.shape import Flatten, Identity
from nn.utils import clip_grad_norm_, clip_grad_value_
from tinygrad_sm import spelling

if TYPE_CHECKING:
    from nn import datasets
    from nn.diagnosis import diagnose
    from nn.overview import summary
    from nn.saving import load, save

_LAZY = {
    "datasets": "nn.datasets",
    "diagnose": "nn.diagnosis",
    "load": "nn.saving",
    "save": "nn.saving",
    "summary": "nn.overview",
}


def __getattr__(name: str) -> Any:
    """Load what training does not need when it is first asked for: importing nn stays quick."""
    return spelling.look_up(__name__, name, _LAZY, spelling.NETWORKS.get(name))


__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropy",
    "CrossEntropyLoss",
    "DataLoader",
    "Dropout",
    "Embedding",
    "Flatten",
    "Fold",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softsign",
    "Subset",
    "Tanh",
    "Unfold",
    "clip_grad_norm_",
    "clip_grad_value_",
    "datasets",
    "diagnose",
    "init",
    "load",
    "optim",
    "random_split",
    "save",
    "summary",
    "utils",
]
