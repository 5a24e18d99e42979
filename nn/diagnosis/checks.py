"""The findings: one function for each thing that can be wrong, with its threshold.

A check reads what was measured and yields a Finding for each thing that it finds. A warning is for
what is wrong in any program, a note for what may be meant. The thresholds are far from what
healthy networks show, freshly initialised or trained: a false alarm costs more trust than a
missing one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nn.diagnosis.measure import WEIGHTED, Layer, Measured, Run, where


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    code: str  # such as dead-units
    severity: str  # "warning": something is wrong; "note": it may be meant
    layer: str | None  # the name of the layer or parameter, if it is about one
    measured: dict[str, Any]  # the numbers
    message: str  # what was found
    why: str  # why it matters
    advice: str  # what to try


def findings(seen: Measured) -> list[Finding]:
    """All findings, the warnings first."""
    found = list(chain.from_iterable(check(seen) for check in CHECKS))
    return sorted(found, key=lambda finding: finding.severity != "warning")


def severity(warning: bool) -> str:
    """The word for it."""
    return "warning" if warning else "note"


def of_training(seen: Measured, bad: bool) -> str:
    """The severity of what keeps a network from learning: a note for one that has learnt already,
    or for so few examples that they say little."""
    learnt = seen.baseline is not None and seen.loss < 0.5 * seen.baseline
    return severity(bad and not learnt and seen.examples >= 16)


# ---- inputs ------------------------------------------------------------------------------------


def inputs_are_numbers(seen: Measured) -> Iterator[Finding]:
    """NaN or infinite values."""
    broken = ~np.isfinite(seen.x)
    if broken.any():
        by_example = broken.reshape(seen.examples, -1)
        examples = int(by_example.any(axis=1).sum())
        yield Finding(
            "input-not-finite",
            "warning",
            None,
            {"values": int(broken.sum()), "examples": examples},
            f"{_count(int(broken.sum()), 'input')} in {_count(examples, 'example')} "
            "NaN or infinite.",
            "One NaN makes the loss, and in one step every weight, NaN.",
            "Find where they come from (a missing value, a division by 0, ln 0); fill them in, or "
            "leave these examples out.",
        )


def inputs_differ(seen: Measured) -> Iterator[Finding]:
    """All examples equal, or features that never change."""
    x = seen.x
    if x.dtype.kind != "f" or x.ndim < 2 or len(x) < 8 or not np.isfinite(x).all():
        return
    constant = (x == x[0]).all(axis=0)
    if constant.all():
        yield Finding(
            "inputs-all-equal",
            "warning",
            None,
            {"examples": len(x)},
            f"All {len(x)} examples have the same input.",
            "From equal inputs a network can only predict the same for all.",
            "Look at how the batch is made: a wrong index, or an array that was never filled?",
        )
        return
    share = float(constant.mean())
    offset = constant & (x[0] != 0)  # the border of an image is always 0
    if x.ndim == 2 and (offset.any() or share >= 0.5):
        yield Finding(
            "constant-features",
            "note",
            None,
            {"features": int(constant.sum()), "share": share},
            f"{constant.sum()} of {x.shape[1]} features have the same value in all examples.",
            "A feature that never changes tells nothing about the target; the bias does the same.",
            "Nothing, if it changes in other batches; else leave it out.",
        )


def inputs_have_a_scale(seen: Measured) -> Iterator[Finding]:
    """Values much larger or smaller than 1 where the data meets the first weights."""
    nodes = {n.id: n for n in seen.nodes}
    for node in seen.net.values():
        if node.op not in WEIGHTED:
            continue
        for i in node.inputs:
            x = nodes[i]
            if x.kind != "input" or x.value.dtype.kind != "f" or not np.isfinite(x.value).all():
                continue
            values = x.value.astype(float)
            rms, largest = math.sqrt(np.square(values).mean()), float(np.abs(values).max())
            if rms > 5 or 0 < largest < 1e-3:
                low, high = values.min(), values.max()
                yield Finding(
                    "input-scale",
                    severity(rms > 20),
                    node.modules[-1].name or node.op,
                    {"rms": rms, "min": float(low), "max": float(high)},
                    f"The inputs go from {low:.4g} to {high:.4g}, with a root mean square of "
                    f"{rms:.3g}.",
                    "Weights start at a size that is made for inputs of about 1. Larger inputs "
                    "make scores, loss and gradients larger as many times, smaller ones smaller.",
                    "Divide by the largest value (pixels: x / 255), or take away the mean and "
                    "divide by the standard deviation, both of the training set.",
                )
                return


# ---- labels ------------------------------------------------------------------------------------


def classes_are_balanced(seen: Measured) -> Iterator[Finding]:
    """One class alone, one that is nearly alone, classes without an example."""
    counts = seen.class_counts
    if counts is None or len(counts) < 2 or counts.sum() < 2:
        return
    labels, classes = int(counts.sum()), len(counts)
    top, share = int(counts.argmax()), float(counts.max() / labels)
    numbers = {"counts": counts.tolist(), "largest": top, "share": share}
    if share == 1:
        yield Finding(
            "one-class",
            severity(labels >= 32),
            None,
            numbers,
            f"All {labels} labels are of class {top}.",
            "With one class the network learns to say that one, whatever the input.",
            "Shuffle the data before it is cut into batches: nn.DataLoader(…, shuffle=True). If "
            "the other classes are rare, look the network over with a batch that has some.",
        )
    elif share > 0.9 and labels >= 50:
        yield Finding(
            "class-imbalance",
            "note",
            None,
            numbers,
            f"{share:.0%} of the labels are of class {top}.",
            f"Always saying class {top} is right for {share:.0%}, so accuracy says little, and the "
            "rare classes count little in the loss.",
            "Give the rare classes a weight: nn.CrossEntropyLoss(weight=…); judge by a confusion "
            "matrix.",
        )
    missing = np.flatnonzero(counts == 0)
    if share < 1 and len(missing) and labels >= 20 * classes:
        yield Finding(
            "classes-without-examples",
            "note",
            None,
            {"classes": missing.tolist()},
            f"{len(missing)} of {classes} classes have no example among {labels} labels.",
            "What has no examples is not learnt; a network with too many scores often has labels "
            "that were numbered wrongly.",
            "Check the number of scores of the last layer, and that labels count from 0.",
        )


def targets_agree(seen: Measured) -> Iterator[Finding]:
    """The same input with different targets."""
    if not seen.clashing:
        return
    lowest = ""
    numbers: dict[str, Any] = {"examples": seen.clashing}
    if seen.floor is not None and seen.plain_floor:
        numbers["lowest_loss"] = seen.floor
        lowest = f" The loss of this batch cannot fall below {seen.floor:.4g}."
    yield Finding(
        "contradictory-targets",
        "note",
        None,
        numbers,
        f"{seen.clashing} examples have the same input as another one, but another target.",
        f"A network gives one answer to one input, so it can only learn their mean.{lowest}",
        "Nothing, if chance has a part in the target; else look for wrong labels, or for a feature "
        "that tells these examples apart.",
    )


# ---- the output and the loss -------------------------------------------------------------------


def scores_are_scores(seen: Measured) -> Iterator[Finding]:
    """A softmax or sigmoid before a loss that contains it, and the like."""
    contained = {"cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}
    kind = seen.loss_kind
    for source in seen.sources:
        op, layer = source.op, where(source)
        name = {"softmax": "Softmax", "sigmoid": "Sigmoid"}.get(op or "", "")
        if kind in contained and name:
            yield Finding(
                f"{op}-before-loss",
                "warning",
                layer,
                {},
                f"The model ends with a {name}, and {seen.loss_fn} applies a {contained[kind]} to "
                "that again.",
                "Probabilities lie between 0 and 1, so as scores they are nearly equal: the loss "
                "cannot come near 0, and the gradients are small.",
                f"Leave the {name} out, and give the scores themselves to the loss.",
            )
        elif kind == "cross_entropy" and op == "log_softmax":
            yield Finding(
                "log-softmax-before-loss",
                "note",
                layer,
                {},
                f"The model ends with a LogSoftmax, and {seen.loss_fn} contains one.",
                "The log-softmax of log-probabilities is the same again: right, but done twice.",
                "Leave the LogSoftmax out, or use nn.NLLLoss.",
            )
        elif kind == "nll_loss" and op != "log_softmax":
            total = np.exp(source.value.astype(float)).sum(axis=min(1, source.value.ndim - 1))
            if total.size and total.max() > 1.01:
                yield Finding(
                    "not-log-probabilities",
                    "warning",
                    layer,
                    {"largest_sum": float(total.max())},
                    "NLLLoss is given values that are no log-probabilities: their exponentials sum "
                    f"to up to {total.max():.4g}, not to 1.",
                    "The loss is then −(a score), which falls without end and is no measure.",
                    "Put an nn.LogSoftmax at the end of the model, or give the scores to "
                    "nn.CrossEntropyLoss.",
                )
    if kind == "cross_entropy" and seen.output.ndim > 1 and seen.output.shape[1] == 1:
        yield Finding(
            "one-score",
            "warning",
            None,
            {"shape": seen.output.shape},
            f"The model gives one score for each example: shape {seen.output.shape}.",
            "The softmax of one score is 1 whatever the score, so the loss and its gradients are "
            "always 0.",
            "For two classes, let the last layer give 2 scores; or keep one, with "
            "nn.BCEWithLogitsLoss.",
        )


def loss_starts_where_it_should(seen: Measured) -> Iterator[Finding]:
    """Not finite, or far above that of equal scores."""
    if not math.isfinite(seen.loss):
        place = (
            f" The first such values come out of {seen.first_broken}." if seen.first_broken else ""
        )
        yield Finding(
            "loss-not-finite",
            "warning",
            seen.first_broken,
            {"loss": seen.loss},
            f"The loss is {seen.loss}.{place}",
            "No gradient can be computed from it.",
            "Look at the inputs first, then at what can overflow there: ln 0, a division by 0, "
            "exp of a large number, weights too large.",
        )
        return
    base = seen.baseline
    if seen.loss_kind in (None, "mse_loss") or base is None or not base > 0:
        return
    if seen.loss > 1.5 * base:
        yield Finding(
            "loss-at-start",
            severity(seen.loss > 3 * base and seen.examples >= 8 and seen.training),
            None,
            {"loss": seen.loss, "equal_scores": base},
            f"The loss is {seen.loss:.4g}, {seen.loss / base:.1f} times that of equal scores "
            f"({base:.4g}).",
            "Before training there is no reason to prefer a class. A network that is sure, and "
            "wrong, spends its first steps unlearning that.",
            "Scale the inputs; start with smaller weights, in the last layer above all; check "
            "that the labels belong to these inputs.",
        )


# ---- units -------------------------------------------------------------------------------------


def relus_are_alive(seen: Measured) -> Iterator[Finding]:
    """ReLUs that are 0 for every example."""
    for layer in seen.layers:
        if layer.dead is None or layer.dead < 0.5 or seen.examples < 16:
            continue
        yield Finding(
            "dead-units",
            of_training(seen, layer.dead >= 0.9 and layer.units >= 8),
            layer.name,
            {"share": layer.dead, "units": layer.units, "examples": seen.examples},
            f"{layer.dead:.0%} of the {layer.units} ReLUs are 0 for all {seen.examples} examples.",
            "Where a ReLU is 0, so is its slope: no gradient passes, and what comes before such a "
            "unit does not learn from these examples.",
            "Start the biases before it at 0 and the weights with nn.init.kaiming_normal_; take "
            "a smaller learning rate if it came in training; or use nn.LeakyReLU.",
        )


def units_are_not_saturated(seen: Measured) -> Iterator[Finding]:
    """tanh and sigmoid at their flat ends."""
    for layer in seen.layers:
        if layer.saturated is None or layer.saturated < 0.5 or layer.last:
            continue
        yield Finding(
            "saturated-units",
            of_training(seen, layer.saturated >= 0.9),
            layer.name,
            {"share": layer.saturated},
            f"{layer.saturated:.0%} of the values are at the flat ends of the curve.",
            "There the slope is nearly 0, so hardly any gradient passes to the layers before.",
            "Scale the inputs; start with smaller weights (nn.init.xavier_uniform_); or put a "
            "normalization layer before.",
        )


# ---- gradients ---------------------------------------------------------------------------------


def gradients_reach_the_parameters(seen: Measured) -> Iterator[Finding]:
    """Parameters that the loss does not depend on."""
    missing = [name for name in seen.parameters if name not in seen.gradients]
    if not seen.gradients:
        frozen = not seen.parameters
        yield Finding(
            "no-gradient",
            "warning",
            None,
            {"parameters": len(missing)},
            "The model has no parameter to learn."
            if frozen
            else "The loss depends on no parameter of the model.",
            "Training would change nothing.",
            "Unfreeze some: layer.requires_grad_(True)."
            if frozen
            else "Look for detach(), numpy(), no_grad() or argmax between the parameters and the "
            "loss: the graph ends there.",
        )
        return
    for cut in (True, False):
        names = [name for name in missing if (name in seen.cut_off) == cut]
        if names:
            yield Finding(
                "unreached",
                severity(cut),
                names[0],
                {"parameters": names},
                f"{_list(names)}: {'the layer is called, but ' if cut else ''}the loss does not "
                f"depend on {'it' if len(names) == 1 else 'them'}.",
                "What gets no gradient is never changed by an optimizer.",
                "Use the layer's result in forward(); look for detach(), numpy() or argmax after "
                "it."
                if cut
                else "Call the layer in forward(), or take it out. Nothing, if another loss or "
                "another batch uses it; a layer under no_grad() is better frozen: "
                "requires_grad_(False).",
            )


def gradients_are_finite(seen: Measured) -> Iterator[Finding]:
    """NaN or infinite gradients of a finite loss."""
    names = [name for name, g in seen.gradients.items() if not np.isfinite(g).all()]
    if names and math.isfinite(seen.loss):
        yield Finding(
            "gradient-not-finite",
            "warning",
            names[-1],
            {"parameters": names},
            f"The loss is a number, but the gradient of {_list(names)} is not.",
            "One step would make these weights NaN, and with them everything.",
            "Look for a slope without end: the square root of 0, a norm of 0, 0 to a power below "
            "1, a value that overflows.",
        )


def gradients_keep_their_size(seen: Measured) -> Iterator[Finding]:
    """What comes back to the first layer, beside what the last one gets."""
    layers = [r for r in seen.layers if r.weight_norm is not None and r.signal is not None]
    if len(layers) < 2:
        return
    first, last = layers[0], layers[-1]
    a, b = first.signal or 0.0, last.signal or 0.0
    if not (b > 0 and math.isfinite(a) and math.isfinite(b)):
        return
    ratio = a / b
    numbers = {"first": a, "last": b, "ratio": ratio}
    text = (
        f"The gradient at {first.name}, the first layer, is {ratio:.1e} times that at the last, "
        f"{last.name}."
    )
    if ratio < 1e-3:
        if seen.equal_units or (ratio == 0 and _explains_zero(seen)):
            return  # the gradients of equal units cancel, but for rounding
        yield Finding(
            "vanishing-gradient",
            of_training(seen, ratio < 1e-5),
            first.name,
            numbers,
            text,
            "Every layer multiplies what comes back by its weights and slopes. With so little left "
            "the first layers stay as random as they began.",
            "nn.ReLU instead of sigmoid or tanh; weights from nn.init.kaiming_normal_ (ReLU) or "
            "xavier_normal_ (tanh); normalization layers; x + layer(x); fewer layers.",
        )
    elif ratio > 1e3:
        yield Finding(
            "exploding-gradient",
            of_training(seen, ratio > 1e4),
            first.name,
            numbers,
            text,
            "Every layer makes what comes back larger, so any step is too large for the first "
            "layers or too small for the last.",
            "Smaller weights at the start (nn.init.kaiming_normal_); normalization layers; "
            "nn.clip_grad_norm_ before each step.",
        )


def _explains_zero(seen: Measured) -> bool:
    """Whether a gradient of exactly 0 has another cause: weights that start at 0 and will not stay
    there, or dead units, which have a finding of their own."""
    zero = any(not p.data.any() for p in seen.parameters.values())
    return zero or any((r.dead or 0) >= 0.9 for r in seen.layers)


def units_differ(seen: Measured) -> Iterator[Finding]:
    """All units of a hidden layer equal, and still equal after some steps."""
    for layer, count in seen.equal_units.items():
        yield Finding(
            "equal-units",
            "warning",
            layer,
            {"units": count},
            f"All {count} units have the same weights, and still do after 5 steps.",
            "What is equal and is changed equally stays equal: the layer has the power of one "
            "unit, whatever its size.",
            "Start with random weights, as nn.Linear and nn.Conv2d do; only biases may start "
            "equal.",
        )


# ---- steps -------------------------------------------------------------------------------------


def updates_have_a_size(seen: Measured) -> Iterator[Finding]:
    """The first step beside the size of the weights."""
    layers = [r for r in seen.layers if r.update_ratio is not None]
    if not layers:
        return
    ratios = {r.name: float(r.update_ratio or 0) for r in layers}
    top = max(layers, key=_ratio)
    if _ratio(top) > 0.1:
        yield Finding(
            "large-update",
            "note",
            top.name,
            {"ratios": ratios},
            f"The first step changes the weights by {_ratio(top):.2g} of their size.",
            "About 1e-3 is usual. After a few steps that are much larger, little is left of how "
            "the weights were started.",
            "Nothing, if the loss falls steadily; else a smaller learning rate.",
        )
    elif _ratio(top) < 1e-5:
        yield Finding(
            "small-update",
            "note",
            top.name,
            {"ratios": ratios},
            f"The first step changes no layer by more than {_ratio(top):.2g} of its weights' size.",
            "About 1e-3 is usual. Much smaller steps need many more of them.",
            "Nothing, if the network is trained already; else a larger learning rate.",
        )


def _ratio(layer: Layer) -> float:
    return layer.update_ratio or 0.0


def one_batch_can_be_learnt(seen: Measured) -> Iterator[Finding]:
    """How the loss goes when the same batch is learnt again and again."""
    run, reference = seen.run, seen.reference
    if run is None:
        return
    start, base = run.losses[0], seen.baseline
    later = run.losses[len(run.losses) // 2 :]
    numbers = {"before": start, "after": run.losses[-1], "steps": run.steps}
    rising = base is not None and run.steps >= 20 and min(later) > 3 * max(start, base)
    if run is not reference and (rising or not math.isfinite(later[-1])):
        yield Finding(
            "loss-rises",
            "warning",
            None,
            numbers,
            f"With {run.optimizer} the loss of this one batch goes from {start:.4g} to "
            f"{later[-1]:.4g} in {run.steps} steps.",
            "Each step goes so far that it lands higher on the other side.",
            "A learning rate 10 times smaller, again and again until the loss falls.",
        )
        return
    if reference is None or reference.steps < 50:
        return
    fall, possible = start - run.best, start - reference.best
    if run is not reference and possible > 0.05 * start and fall < 1e-5 * possible:
        yield Finding(
            "loss-stays",
            "warning",
            None,
            numbers | {"adam": reference.best},
            f"In {run.steps} steps {run.optimizer} brings the loss of this one batch from "
            f"{start:.4g} to {run.best:.4g}; {reference.optimizer} brings it to "
            f"{reference.best:.4g}.",
            "The steps are too small to learn anything in a reasonable time.",
            "A learning rate 10 times larger, again and again until the loss falls visibly. Check "
            "that a schedule has not brought it to 0.",
        )
    elif _has_room(seen) and _stays(seen, reference):
        same = reference.spread < 1e-6
        yield Finding(
            "cannot-overfit",
            severity(same),
            None,
            numbers | {"same_answer": seen.constant, "lowest_possible": seen.floor},
            f"In {reference.steps} steps with this one batch the loss comes from {start:.4g} to "
            f"{reference.best:.4g}, which is what the same answer to every input costs. "
            + ("That is also what the model gives." if same else "It has weights enough for more."),
            "What cannot learn one batch cannot learn a data set.",
            "See the other findings. Check that forward() uses x, and that nothing averages the "
            "examples of a batch."
            if same
            else "See the other findings, or give overfit_steps=1000: it may only be slow. Check "
            "that nothing mixes the examples of a batch.",
        )


def _stays(seen: Measured, run: Run) -> bool:
    """Whether the loss has come to rest at that of the same answer to every input. Where it began
    far above, as with targets of another size than 1, it may still be on its way."""
    half = run.losses[: run.steps // 2]
    constant = seen.constant or math.inf
    return run.best > 0.99 * max(constant, min(half)) and run.losses[0] < 3 * constant


def _has_room(seen: Measured) -> bool:
    """Whether there is much to learn, and twice as many weights as numbers to learn (different
    inputs times outputs of each)."""
    if seen.floor is None or seen.constant is None or not seen.floor < 0.5 * seen.constant:
        return False
    numbers = seen.groups * seen.output.size / len(seen.output)
    return sum(g.size for g in seen.gradients.values()) >= 2 * numbers


# ---- words -------------------------------------------------------------------------------------


def _count(n: int, what: str) -> str:
    """1 input is, 2 inputs are."""
    return f"1 {what} is" if n == 1 else f"{n} {what}s are"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


CHECKS = (
    inputs_are_numbers,
    inputs_differ,
    inputs_have_a_scale,
    classes_are_balanced,
    targets_agree,
    scores_are_scores,
    loss_starts_where_it_should,
    relus_are_alive,
    units_are_not_saturated,
    gradients_reach_the_parameters,
    gradients_are_finite,
    gradients_keep_their_size,
    units_differ,
    updates_have_a_size,
    one_batch_can_be_learnt,
)
