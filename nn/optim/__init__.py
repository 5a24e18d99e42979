"""Optimizers, which take the steps down the gradient, and schedules of their learning rate.

An optimizer holds the parameters it is to change. A training step is always the same:

    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()

and a schedule, where one is wanted, takes its step after that: `schedule.step()`.
"""

from nn.optim import lr_scheduler
from nn.optim.adaptive import Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, RMSprop
from nn.optim.lbfgs import LBFGS
from nn.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)
from nn.optim.optimizer import Optimizer
from nn.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "StepLR",
    "lr_scheduler",
]
