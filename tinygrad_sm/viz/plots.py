"""Plots of what a network has learned. They need matplotlib: `pip install "tinygrad-sm[viz]"`.

Each function draws on the axes given as `ax`, or on a figure of its own, and returns the axes;
`ax.figure.savefig("name.png")` writes the picture. No window opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from matplotlib.axes import Axes
    from matplotlib.colors import TwoSlopeNorm, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError('plots need matplotlib: pip install "tinygrad-sm[viz]"') from error

from tinygrad_sm.autograd import no_grad
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.text import clean, number

BLUE, ORANGE, GREY, LIGHT = "#2F6DA8", "#C2640B", "#6F7782", "#C9CED6"
# For classes and for lines: told apart by the colour-blind as well, and dark enough for text.
COLOURS = (BLUE, ORANGE, "#1F8A6A", "#B5477D", "#3A3F47", "#4A97CC")
MARKERS = "os^Dvp"  # of the classes' points


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return Figure(figsize=size, layout="constrained", dpi=130).subplots() if ax is None else ax


def _bare(ax: Axes) -> None:
    """No ticks and no frame: for images."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def curves(
    history: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    ylabel: str = "",
    title: str = "",
    xlabel: str = "epoch",
) -> Axes:
    """One line for each entry of `history`, over the epochs from 1 on, with its name.

    >>> ax = curves({"train": [2.0, 1.0], "held out": [2.1, 1.3]}, ylabel="loss")
    >>> [line.get_label() for line in ax.lines]
    ['train', 'held out']
    """
    ax = _axes(ax, (5.2, 3.4))
    for (name, values), colour in zip(history.items(), cycle(COLOURS), strict=False):
        epochs = range(1, len(values) + 1)
        marker = "o" if len(values) == 1 else ""  # a line through one point is not seen
        ax.plot(epochs, values, color=colour, label=name, linewidth=1.8, marker=marker)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend(frameon=False)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title)
    ax.grid(color=LIGHT, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def weight_templates(
    weight: Any,
    shape: tuple[int, int],
    axes: npt.NDArray[Any] | None = None,
    columns: int = 5,
    largest: float | None = None,
    titles: Sequence[str] | None = None,
) -> npt.NDArray[Any]:
    """The rows of a weight matrix as images: where ink speaks for a class, and where against it.

    weight: (classes, features), as `nn.Linear.weight` has it.
    shape: (height, width) of an image, height · width = features.
    titles: what stands above each row's image; by default its number.
    largest: the weight with the darkest colour; by default the largest there is.

    All images share one colour scale with white at 0. Returns the array of axes.

    >>> axes = weight_templates(np.zeros((10, 64)), (8, 8))
    >>> axes.size
    10
    """
    weight = np.asarray(weight)
    rows = -(-len(weight) // columns)
    if axes is None:
        figure = Figure(figsize=(1.45 * columns + 1, 1.65 * rows), layout="constrained", dpi=130)
        axes = np.asarray(figure.subplots(rows, columns, squeeze=False))
    largest = largest or float(np.abs(weight).max()) or 1.0
    scale = TwoSlopeNorm(0, -largest, largest)
    for ax in axes.flat:
        ax.set_visible(False)
    titles = [str(label) for label in range(len(weight))] if titles is None else titles
    rows_titled = zip(weight, titles, strict=True)
    for ax, (row, title) in zip(axes.flat, rows_titled, strict=False):
        ax.set_visible(True)
        image = ax.imshow(row.reshape(shape), cmap="RdBu", norm=scale)
        ax.set_title(title, fontsize=11)
        _bare(ax)
    bar = axes.flat[0].figure.colorbar(image, ax=list(axes.flat), shrink=0.8)
    bar.set_label("against  ←  weight  →  for")
    bar.outline.set_visible(False)
    return axes


def filters(
    weight: Any, axes: npt.NDArray[Any] | None = None, columns: int = 8
) -> npt.NDArray[Any]:
    """The filters of a convolution's first layer as images: what each of them looks for.

    weight: (O, C, kh, kw), as `nn.Conv2d.weight` has it, with C = 1 (grey images) or 3 (red, green,
        blue). One channel: blue where ink speaks for the filter, red where against it, white at 0.
        Three: the filter's own colours around a grey at 0. All share one scale.

    Returns the array of axes.

    >>> filters(np.zeros((16, 1, 3, 3))).shape
    (2, 8)
    """
    weight = np.asarray(weight)
    count, channels, height, width = weight.shape
    if channels == 1:
        return weight_templates(weight.reshape(count, -1), (height, width), axes, columns)
    if channels != 3:
        raise ValueError(f"filters are drawn for 1 or 3 channels, got weight {weight.shape}")
    if axes is None:
        rows = -(-count // columns)
        figure = Figure(figsize=(1.25 * columns, 1.45 * rows), layout="constrained", dpi=130)
        axes = np.asarray(figure.subplots(rows, columns, squeeze=False))
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    largest = float(np.abs(weight).max()) or 1.0
    for i, (ax, kernel) in enumerate(zip(axes.flat, weight, strict=False)):
        ax.imshow(0.5 + kernel.transpose(1, 2, 0) / (2 * largest))
        ax.set_title(str(i), fontsize=11)
        _bare(ax)
    return axes


def feature_maps(images: Any, maps: Any, axes: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Images, and beside each what the channels of a layer make of it.

    images: (N, C, H, W), with C = 1 or 3. maps: (N, K, h, w), such as a convolution's result after
    ReLU: the darker, the more. A row for each image, in which the maps share one scale.

    Returns the array of axes, N × (1 + K).

    >>> feature_maps(np.zeros((2, 1, 8, 8)), np.zeros((2, 4, 8, 8))).shape
    (2, 5)
    """
    images, maps = np.asarray(images), np.asarray(maps)
    (rows, channels), columns = images.shape[:2], maps.shape[1] + 1
    if axes is None:
        size = (0.72 * columns + 0.4, 0.78 * rows + 0.35)
        figure = Figure(figsize=size, layout="constrained", dpi=130)
        axes = np.asarray(figure.subplots(rows, columns, squeeze=False))
    for row, image, channel_maps in zip(axes, images, maps, strict=True):
        shown = image[0] if channels == 1 else image.transpose(1, 2, 0)
        row[0].imshow(shown, cmap="Greys")
        largest = float(channel_maps.max()) or 1.0
        for ax, channel_map in zip(row[1:], channel_maps, strict=True):
            ax.imshow(channel_map, cmap="Blues", vmin=0, vmax=largest)
    for ax in axes.flat:
        _bare(ax)
    for i, ax in enumerate(axes[0]):
        ax.set_title(str(i - 1) if i else "image", fontsize=9, color=GREY)
    return axes


def confusion_matrix(
    true: Any, predicted: Any, classes: int | Sequence[str], ax: Axes | None = None
) -> Axes:
    """How often each class (row) was recognised as each class (column).

    classes: how many there are, or their names.

    >>> ax = confusion_matrix([0, 1, 1], [0, 1, 0], classes=2)
    >>> sorted(text.get_text() for text in ax.texts)
    ['1', '1', '1']
    """
    ax = _axes(ax, (5.2, 5.0))
    names = [str(name) for name in (range(classes) if isinstance(classes, int) else classes)]
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (np.asarray(true), np.asarray(predicted)), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[i, j] > 0.4 else BLUE if i == j else ORANGE
            weight = "normal" if i == j else "bold"
            ax.text(j, i, str(count), ha="center", va="center", color=colour, weight=weight)
    tilt = 45 if max(map(len, names)) > 3 else 0
    ax.set_xticks(range(len(names)), names, rotation=tilt)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("recognised as")
    ax.set_ylabel("true class")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def mistakes(images: Any, true: Any, probabilities: Any, most: int = 6) -> npt.NDArray[Any]:
    """Images recognised as the wrong class, the surest mistakes first, with their probabilities.

    images: (N, height, width); true: (N,); probabilities: (N, classes).

    Returns the axes: an image and its bars in each row.

    >>> axes = mistakes(np.zeros((2, 8, 8)), [0, 1], np.array([[0.9, 0.1], [0.8, 0.2]]))
    >>> axes.shape  # only the second is a mistake
    (1, 2)
    """
    images, true, p = np.asarray(images), np.asarray(true), np.asarray(probabilities)
    predicted = p.argmax(axis=1)
    wrong = np.flatnonzero(predicted != true)
    wrong = wrong[np.argsort(-p[wrong, predicted[wrong]])][:most]
    rows = max(len(wrong), 1)
    figure = Figure(figsize=(5.4, 1.25 * rows + 0.6), layout="constrained", dpi=130)
    axes = np.asarray(figure.subplots(rows, 2, squeeze=False, width_ratios=[1, 3.4]))
    for ax in axes.flat[2 * len(wrong) :]:
        ax.set_axis_off()
    for (picture, bars), i in zip(axes, wrong, strict=False):
        picture.imshow(images[i], cmap="Greys")
        picture.set_ylabel(f"a {true[i]}", rotation=0, ha="right", va="center", fontsize=12)
        _bare(picture)
        colours = [LIGHT] * p.shape[1]
        colours[predicted[i]], colours[true[i]] = ORANGE, BLUE
        bars.bar(range(p.shape[1]), p[i], color=colours)
        bars.set_ylim(0, 1.18)
        bars.set_yticks([])
        bars.set_xticks(range(p.shape[1]))
        bars.tick_params(length=0, labelsize=9)
        bars.spines[["top", "right", "left"]].set_visible(False)
        for k in {int(predicted[i]), int(true[i])}:
            percent = f"{100 * p[i, k]:.0f} %"
            bars.text(k, p[i, k] + 0.03, percent, ha="center", fontsize=9, color=colours[k])
    figure.suptitle("probabilities: true class blue, wrongly recognised class orange", fontsize=10)
    return axes


# ---- inside a network --------------------------------------------------------------------------

# The limits of what a module gives. Close to them hardly any gradient comes through.
LIMITS = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}


def activation_histograms(
    model: Any, x: Any, axes: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """How the results of each layer are distributed on a batch: a panel a layer.

    model: an `nn.Module`. Its layers are the modules in it that have no others inside. It is called
        once, in the mode that it is in, and nothing is recorded.
    x: the batch, as the model takes it.
    axes: an array of as many axes as there are layers that are called.

    Exact zeros are left out of the bars, and told as a share: after ReLU they are the most. Told
    too: the units that are 0 for the whole batch, as no gradient comes through those of ReLU, and
    the share of a sigmoid or tanh that is saturated, within 1 % of its limits. Of a layer that is
    called several times, such as a ReLU that is shared, the results come together.

    Returns the array of axes.

    >>> import nn
    >>> model = nn.Sequential({"hidden": nn.Linear(4, 3), "relu": nn.ReLU()})
    >>> [ax.get_title() for ax in activation_histograms(model, Tensor([[1.0, 2.0, 3.0, 4.0]]))]
    ['hidden: Linear', 'relu: ReLU']
    """
    results: dict[Any, list[npt.NDArray[Any]]] = {}

    def keep(layer: Any, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            results.setdefault(layer, []).append(output.numpy())

    removes = [layer.register_forward_hook(keep) for _, layer in _layers(model)]
    try:
        with no_grad():
            model(x)
    finally:
        for remove in removes:
            remove()
    layers = [(title, layer) for title, layer in _layers(model) if layer in results]
    if not layers:
        raise ValueError(f"{type(model).__name__} called none of its layers")
    axes = _panels(len(layers), axes)
    for ax, (title, layer) in zip(axes.flat, layers, strict=True):
        values = np.concatenate([result.ravel() for result in results[layer]])
        told = []
        if type(layer).__name__ in LIMITS:
            low, high = LIMITS[type(layer).__name__]
            edge = 0.01 * (high - low)
            told.append(_percent((values < low + edge) | (values > high - edge), "saturated"))
        elif units := [_silent_units(result) for result in results[layer] if result.ndim > 1]:
            silent = np.concatenate(units)
            if silent.any():
                told.append(f"{silent.sum():,} of {silent.size:,} units always 0")
        _histogram(ax, title, values, 40, told)
    return axes


def gradient_histograms(model: Any, axes: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """How large the gradients of each layer's parameters are, after `backward()`: a panel a layer.

    model: an `nn.Module`.
    axes: an array of as many axes as there are layers with gradients.

    All panels have the same axis, of the gradients' absolute values and logarithmic. Where they
    lie further left from layer to layer, towards the first, gradients vanish; further right,
    they explode. Exact zeros are left out of the bars, and told as a share.

    Returns the array of axes.

    >>> import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> model(Tensor([[1.0, 2.0, 3.0, 4.0]])).sum().backward()
    >>> [ax.get_title() for ax in gradient_histograms(model)]
    ['0: Linear', '2: Linear']
    """
    sizes = {}
    for name, module in model.named_modules():
        parameters = [p for _, p in module.named_parameters(recurse=False) if p.grad is not None]
        if parameters:
            grads = np.concatenate([p.grad.ravel() for p in parameters])
            sizes[_layer_title(name, module)] = np.abs(grads)
    if not sizes:
        raise ValueError(
            f"{type(model).__name__} has no gradients: call backward() on its loss first"
        )
    axes = _panels(len(sizes), axes)
    everything = np.concatenate(list(sizes.values()))
    everything = everything[(everything > 0) & np.isfinite(everything)]
    low, high = np.quantile(everything, (0.001, 1)) if everything.size else (0.1, 1.0)
    bins = np.geomspace(low / 1.5, high * 1.5, 40)
    for ax, (title, values) in zip(axes.flat, sizes.items(), strict=True):
        # The few that are still smaller belong to the first bar.
        _histogram(ax, title, np.where(values > 0, values.clip(min=bins[0]), values), bins, [])
        ax.set_xscale("log")
        ax.set_xlim(bins[0], bins[-1])
        ax.set_xlabel("|gradient|", fontsize=9)
    return axes


def _layers(model: Any) -> Iterator[tuple[str, Any]]:
    """The modules with no others inside, and their titles."""
    for name, module in model.named_modules():
        if next(module.children(), None) is None:
            yield _layer_title(name, module), module


def _layer_title(name: str, module: Any) -> str:
    kind = type(module).__name__
    return clean(f"{name}: {kind}" if name else kind, 30)


def _silent_units(result: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Which units (along axis 1: features or channels) are 0 throughout."""
    return np.asarray((result == 0).all(axis=(0, *range(2, result.ndim))))


def _percent(chosen: npt.NDArray[Any], what: str) -> str:
    return f"{number(100 * chosen.mean().item(), digits=3)} % {what}"


def _panels(count: int, axes: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """A row or more of small axes, if none are given."""
    if axes is not None:
        return axes
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(2.7 * columns, 2.1 * rows), layout="constrained", dpi=130)
    axes = np.asarray(figure.subplots(rows, columns, squeeze=False)).ravel()
    for ax in axes[count:]:
        ax.remove()
    return axes[:count]


def _histogram(ax: Axes, title: str, values: npt.NDArray[Any], bins: Any, told: list[str]) -> None:
    """Bars for the values that are neither 0 nor infinite, and above them what is told."""
    finite = np.isfinite(values)
    if not finite.all():
        told = [f"{(~finite).sum():,} not finite", *told]
    if (values == 0).any():
        told = [_percent(values == 0, "zeros"), *told]
    ax.hist(values[finite & (values != 0)].astype(float), bins, color=BLUE)
    ax.set_title(title, fontsize=10, pad=18)
    ax.annotate(
        ", ".join(told),
        (0.5, 1),
        xytext=(0, 5),
        textcoords="offset points",
        xycoords="axes fraction",
        ha="center",
        fontsize=8,
        color=ORANGE,
    )
    ax.set_yticks([])
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right", "left"]].set_visible(False)


# ---- softmax and its penalty -------------------------------------------------------------------


def bars(
    values: Any,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    marked: int | None = None,
    title: str = "",
) -> Axes:
    """A bar for each number, up or down from 0, with the number at its end.

    values: (C,). names: what stands below the bars; by default 0, 1, …
    marked: the index of the bar that is orange; the others are blue.

    >>> ax = bars([2.0, -0.5], names=["up", "down"])
    >>> [text.get_text() for text in ax.texts]
    ['2', '−0.5']
    """
    values = np.asarray(values)
    names = [str(i) for i in range(len(values))] if names is None else names
    ax = _axes(ax, (0.9 * len(values) + 1, 3.0))
    colours = [ORANGE if i == marked else BLUE for i in range(len(values))]
    ax.bar(range(len(values)), values, width=0.62, color=colours)
    ax.axhline(0, color=GREY, linewidth=1)
    for i, value in enumerate(values.tolist()):
        ax.annotate(
            number(value, digits=3),
            (i, value),
            xytext=(0, -4 if value < 0 else 4),
            textcoords="offset points",
            ha="center",
            va="top" if value < 0 else "bottom",
            color=colours[i],
        )
    low, high = min(values.min(), 0), max(values.max(), 0)
    room = 0.16 * (high - low or 1)  # for the numbers
    ax.set_ylim(low - room * (low < 0), high + room * (high > 0 or low == 0))
    ax.set_yticks([])
    ax.set_xticks(range(len(values)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    return ax


def softmax_bars(
    scores: Any, ax: Axes | None = None, temperature: float = 1.0, marked: int | None = None
) -> Axes:
    """The probabilities softmax(z / T) of a row of scores z at the temperature T, as bars.

    scores: (C,). temperature: above 1 the probabilities come closer to each other; towards 0 the
        highest score gets all.
    marked: as in `bars`.

    >>> ax = softmax_bars([2.0, 1.0, -1.0])
    >>> [text.get_text() for text in ax.texts]
    ['0.705', '0.259', '0.0351']
    """
    if not temperature > 0:
        raise ValueError(f"temperature is a number above 0, got {temperature}")
    z = np.asarray(scores, dtype=float)
    names = [f"z = {number(score, digits=3)}" for score in z.tolist()]
    ax = bars(Tensor(z / temperature).softmax(), names, ax, marked)
    ax.set_ylim(0, 1.12)
    ax.set_title(f"temperature {number(temperature, digits=3)}")
    return ax


def cross_entropy_curve(ax: Axes | None = None, slope: bool = False) -> Axes:
    """The penalty −ln p over the true class's probability p, beside the squared error (1 − p)².

    slope: instead of the penalties, their derivatives with respect to the true class's score, for
        two classes. The squared error's fades where p is close to 0: who is surely wrong learns
        nothing from it. Cross-entropy's is p − 1.

    >>> ax = cross_entropy_curve()
    >>> [line.get_label() for line in ax.lines]
    ['cross-entropy  −ln p', 'squared error  (1 − p)²']
    """
    ax = _axes(ax, (5.2, 3.8))
    score = Tensor(np.linspace(-7, 7, 281), requires_grad=True)  # the other class has score 0
    p = score.sigmoid()
    penalties = (
        (-p.log(), BLUE, "cross-entropy  −ln p", "cross-entropy  p − 1"),
        ((1 - p) ** 2, ORANGE, "squared error  (1 − p)²", "squared error  −2 p (1 − p)²"),
    )
    for penalty, colour, name, slope_name in penalties:
        score.grad = None
        penalty.sum().backward()
        line, label = (score.grad, slope_name) if slope else (penalty.numpy(), name)
        ax.plot(p.numpy(), line, color=colour, label=label, linewidth=2.2)
    ax.legend(frameon=False)
    ax.set_xlim(0, 1)
    ax.set_xlabel("probability p of the true class")
    ax.set_ylabel("derivative by the true class's score" if slope else "penalty")
    if not slope:
        ax.set_ylim(0, 5)
    ax.grid(color=LIGHT, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def history(
    quantities: Mapping[str, Mapping[str, Sequence[float]]],
    axes: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """How training went: the `curves` of each quantity in a panel of its own, side by side.

    >>> axes = history({"loss": {"train": [2.0, 1.0]}, "accuracy": {"train": [0.1, 0.7]}})
    >>> [ax.get_ylabel() for ax in axes]
    ['loss', 'accuracy']
    """
    if axes is None:
        width = 4.5 * len(quantities)
        figure = Figure(figsize=(width, 3.4), layout="constrained", dpi=130)
        axes = figure.subplots(1, len(quantities), squeeze=False)[0]
    for ax, (quantity, lines) in zip(axes, quantities.items(), strict=True):
        curves(lines, ax=ax, ylabel=quantity)
    return axes


# ---- functions of the plane --------------------------------------------------------------------


def decision_boundary(
    model: Callable[[Tensor], Tensor],
    x: Any,
    y: Any,
    ax: Axes | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    points: int = 200,
) -> Axes:
    """What a classifier makes of every point of the plane, under the points of its data.

    model: takes a Tensor of points, (N, 2), and gives the scores of the classes, (N, classes); in
        evaluation mode, if it has one.
    x: (N, 2); y: (N,), the classes.
    xlim, ylim: the part of the plane to show; by default where the points are.
    points: how many places to ask the model at, in each direction.

    The colour is that of the classes, mixed by their probabilities (the softmax of the scores):
    pale where the model is unsure. The lines are the boundary, where two classes are equally
    probable. The points of each class have a colour of `COLOURS` and a marker of `MARKERS`.

    >>> axis = Tensor([[1.0, -1.0], [0.0, 0.0]])
    >>> ax = decision_boundary(lambda x: x @ axis, [[1.0, 0.0], [-1.0, 0.0]], [0, 1])
    >>> ax.get_aspect()
    1.0
    """
    ax = _axes(ax, (4.2, 4.2))
    x, y = np.asarray(x), np.asarray(y)
    xlim, ylim = (limits or _around(v) for limits, v in zip((xlim, ylim), x.T, strict=True))
    grid = np.stack(np.meshgrid(*_grid(xlim, ylim, points)), axis=-1)
    grid = grid.astype(np.result_type(x, np.float32))  # as the model is used to
    with no_grad():
        p = model(Tensor(grid.reshape(-1, 2))).softmax().numpy()
    p = p.reshape(points, points, -1)
    classes = p.shape[-1]
    colours = np.array([to_rgb(COLOURS[k % len(COLOURS)]) for k in range(classes)])
    # Pale at equal probabilities, where colour says nothing.
    sure = ((p.max(axis=-1, keepdims=True) - 1 / classes) / (1 - 1 / classes)).clip(0, 1)
    strength = 0.1 + 0.36 * sure
    image = 1 - strength * (1 - p @ colours)
    ax.imshow(
        image, extent=(*xlim, *ylim), origin="lower", interpolation="bilinear", aspect="equal"
    )
    for k in range(1 if classes == 2 else 0, classes):
        lead = p[..., k] - np.delete(p, k, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            ax.contour(*_grid(xlim, ylim, points), lead, [0], colors="black", linewidths=1.2)
    for k, (colour, marker) in enumerate(zip(colours, cycle(MARKERS), strict=False)):
        x1, x2 = x[y == k].T
        ax.scatter(
            x1,
            x2,
            s=16,
            color=colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            zorder=3,
        )
    ax.set_xlim(xlim)
    ax.set_ylim(ylim)
    _bare(ax)
    return ax


def loss_surface(
    function: Callable[[Tensor, Tensor], Tensor],
    paths: Mapping[str, Any],
    ax: Axes | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    points: int = 300,
    colours: Sequence[str] = COLOURS,
) -> Axes:
    """A function of two numbers as contours, and the paths that were taken on it.

    function: takes two Tensors, x and y, and gives the loss at each pair of their elements.
    paths: by name, the places one after the other, of shape (steps + 1, 2).
    xlim, ylim: the part of the plane to show; by default where the paths are.
    points: how many places to ask the function at, in each direction.
    colours: of the paths, one after the other.

    Each step is a dot, the last a large one. The contours are closer together near the lowest loss
    shown: from one to the next, the distance from it grows by about the same factor.

    >>> ax = loss_surface(lambda x, y: x * x + 9 * y * y, {"descent": [[2, 1], [1, 0], [0, 0]]})
    >>> [line.get_label() for line in ax.lines]
    ['descent']
    """
    ax = _axes(ax, (6.0, 4.6))
    paths = {name: np.asarray(path) for name, path in paths.items()}
    everywhere = np.concatenate(list(paths.values()))
    everywhere = everywhere[np.isfinite(everywhere).all(axis=1)]
    xlim, ylim = (
        limits or _around(v) for limits, v in zip((xlim, ylim), everywhere.T, strict=True)
    )
    x, y = np.meshgrid(*_grid(xlim, ylim, points))
    with no_grad():
        loss = function(Tensor(x), Tensor(y)).numpy()
    height = loss - loss.min()
    height = np.log10(height + 0.01 * np.median(height) + 1e-30)
    ax.contourf(x, y, height, 14, cmap="Greys_r", alpha=0.5)
    ax.contour(x, y, height, 14, colors="white", linewidths=0.6, linestyles="solid")
    for (name, path), colour in zip(paths.items(), cycle(colours), strict=False):
        ax.plot(*path.T, marker=".", color=colour, label=name, linewidth=1.4, markersize=4)
        ax.scatter(path[-1, 0], path[-1, 1], s=49, color=colour, edgecolors="white", zorder=3)
    ax.set_xlim(xlim)
    ax.set_ylim(ylim)
    ax.spines[:].set_visible(False)
    return ax


def _around(values: npt.NDArray[Any]) -> tuple[float, float]:
    """From the least of the values to the greatest, and a margin."""
    least, greatest = float(values.min()), float(values.max())
    margin = 0.1 * (greatest - least) or 1.0
    return least - margin, greatest + margin


def _grid(
    xlim: tuple[float, float], ylim: tuple[float, float], points: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The places along each axis."""
    return np.linspace(*xlim, points), np.linspace(*ylim, points)
