"""nn: the parts of small networks, built on tinygrad_sm.

>>> import nn
>>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
>>> loss_fn = nn.CrossEntropyLoss()
>>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
"""

from nn import datasets, init, optim, utils
from nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from nn.data import DataLoader, Subset, random_split
from nn.linear import Linear
from nn.loss import CrossEntropy, CrossEntropyLoss
from nn.module import Buffer, Module, ModuleDict, ModuleList, Parameter, Sequential

__all__ = [
    "Buffer",
    "CrossEntropy",
    "CrossEntropyLoss",
    "DataLoader",
    "Linear",
    "LogSoftmax",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Subset",
    "Tanh",
    "datasets",
    "init",
    "optim",
    "random_split",
    "utils",
]
