"""A check-up of a network before it is trained: what is wrong, why it matters, what to try.

    diagnose  one step with one batch, as a Report to print or to show in a notebook
    Report    what was measured, the layers as rows, and the findings
    Layer     the numbers of one layer
    Finding   one thing that was found

`measure.py` takes the numbers and judges nothing; `checks.py` holds one function for each finding,
with its thresholds; `report.py` writes text and HTML.
"""

from __future__ import annotations

import warnings
from typing import Any

from nn.diagnosis.checks import Finding, findings
from nn.diagnosis.measure import Layer, measure
from nn.diagnosis.report import Report
from nn.module import Module
from nn.optim import SGD, Optimizer
from tinygrad_sm import TrainingWarning

__all__ = ["Finding", "Layer", "Report", "diagnose"]


def diagnose(
    model: Module,
    loss_fn: Any,
    x: Any,
    y: Any,
    *,
    lr: float | None = None,
    optimizer: Optimizer | None = None,
    overfit_steps: int = 100,
) -> Report:
    """Look a network over with one batch: `print(nn.diagnose(model, loss_fn, x, y))`.

    It computes `loss_fn(model(x), y)` and its gradients once, looks at inputs, labels, every
    layer's activations and gradients, and then tries to learn this one batch by heart.

    model: the network, in the mode it is in.
    loss_fn: a loss of `nn`, or a function of the model's result and y that gives one number.
    x: one batch of inputs, an array or Tensor; the first axis counts the examples.
    y: its targets, as loss_fn takes them.
    lr: the learning rate of the SGD that is to be used; or
    optimizer: the optimizer that is to be used. One of them is needed for `update_ratio`.
    overfit_steps: how many steps to learn the batch in; 0 leaves that out. Without lr and
        optimizer, the steps are those of Adam with a learning rate of 0.01.

    Returns a `Report`: printed, it is text; as the last line of a notebook's cell, a table;
    `report.html()` is a page. `report.findings` and `report.layers` are the same as data.

    Nothing is changed: parameters, gradients, buffers, mode, optimizer and random numbers are
    afterwards what they were. The steps are those of a copy, without dropout. Hooks of the model
    are called, as in any step.

    A finding is a warning where something is wrong, and a note where it may be meant:

    * input: NaN or infinite; all examples equal (of 8 or more); a root mean square above 20 where
      it meets the first weights (note: above 5, or no value above 0.001); constant features (note)
    * output: softmax or sigmoid before a loss that contains it; one score for a cross-entropy;
      no log-probabilities for an `NLLLoss`
    * labels: one class only (of 32 or more; note: of fewer, one class above 90 %, or a class
      without examples where 20 would be its share); equal inputs with different targets (note)
    * loss: not finite; at the start above 3 times that of equal scores (ln C for C classes), of 8
      examples or more and in training mode (note: above 1.5 times)
    * units: 90 % of a layer's ReLUs, 8 or more, at 0 for every example (note: 50 %); 90 % of its
      tanh beyond ±0.99, or of its sigmoids within 0.01 of 0 or 1 (note: 50 %)
    * gradients: not finite; none for the weights of a layer that was called (note: for
      others); on the way
      back to the first layer less than 1e-5 of that at the last (note: 1e-3), or above 1e4 times
      (note: 1e3); all units of a hidden layer with the same weights, also after 5 steps
    * steps: an update above 0.1 or all below 1e-5 of the weights (notes); a loss that rises to 3
      times that of equal scores; in 50 steps or more, one that falls by less than 1e-5 of what it
      falls with Adam, or stays at that of the same answer to every input, with the model giving
      just that (note: not giving it, but with twice as many weights as numbers to learn)

    What says how training goes (units, and the size of gradients) is a note if there are fewer
    than 16 examples, or if the loss is below half that of equal scores: the network learns.

    Sources: the loss at the start and one batch learnt by heart, Karpathy, A Recipe for Training
    Neural Networks (2019); updates of about 1/1000 of the weights, and dead ReLUs, the course
    CS231n; vanishing gradients and saturation, Glorot and Bengio (2010).

    Raises TypeError for a model that is no Module, ValueError for a loss that is not one number,
    an empty batch, or an optimizer of other parameters.

    >>> import nn
    >>> from tinygrad_sm import manual_seed, randn
    >>> _ = manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax())
    >>> report = nn.diagnose(model, nn.CrossEntropyLoss(), randn(6, 4), [0, 1, 2, 0, 1, 2])
    >>> report.warnings[0].code
    'softmax-before-loss'
    >>> print(report.warnings[0].advice)
    Leave the Softmax out, and give the scores themselves to the loss.
    """
    if not isinstance(model, Module):
        raise TypeError(f"diagnose needs a Module as its model, got a {type(model).__name__}")
    if not callable(loss_fn):
        raise TypeError(f"loss_fn needs to be a loss or a function, got {loss_fn!r}")
    if lr is not None and optimizer is not None:
        raise TypeError("diagnose takes lr or optimizer, not both: an optimizer has its own lr")
    if overfit_steps < 0:
        raise ValueError(f"overfit_steps needs to be at least 0, got {overfit_steps}")
    trainable = [p for p in model.parameters() if p.requires_grad]
    if lr is not None and trainable:
        optimizer = SGD(trainable, lr=lr)
    if optimizer is not None and not set(optimizer.params) & set(model.parameters()):
        raise ValueError("the optimizer has none of the model's parameters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # the report says it
        seen = measure(model, loss_fn, x, y, optimizer, overfit_steps)
    return Report(seen, findings(seen))
