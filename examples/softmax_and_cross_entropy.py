"""Softmax and cross-entropy in pictures: from scores to probabilities to a penalty to its gradient.

A network ends in scores z, one for each class. Softmax makes them probabilities, positive and
adding up to 1, and the temperature T says how much the differences count:

    p_k = e^(z_k / T) / Σ_j e^(z_j / T)        T = 1 unless said otherwise

Cross-entropy is the penalty for the true class y: −ln p_y, nothing if it got all the probability,
without bound if it got almost none. Its gradient with respect to the scores is the simplest there
could be, what was said minus what is true:

    ∂(−ln p_y) / ∂z = p − onehot(y)

Softmax regression is that on top of one linear layer, z = W x + b. It parts the plane by straight
lines, where two scores are equal. Gradient descent finds W and b. It may take the gradient of all
points for a step (batch), of a single one (stochastic), or of a few (mini-batch).

    python examples/softmax_and_cross_entropy.py

It leaves pictures in the folder out/softmax_and_cross_entropy.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, draw, manual_seed, no_grad, stack, summary, zeros_like
from tinygrad_sm.viz import plots

SCORES = Tensor([2.0, 1.0, -1.0])
TRUE = 1  # the true class of the sample with these scores
CLASSES = ("A", "B", "C")
COLOURS = plots.COLOURS[:3]
# Where three clouds of points lie, and two that overlap.
THREE = [[-1.6, -1.0], [1.7, -0.6], [-0.1, 1.8]]
CORNERS = [[-3.6, -3.5], [3.2, -3.5], [-3.6, 3.1]]  # for their names
TWO = [[-1.0, -0.4], [1.0, 0.4]]


def main() -> None:
    options = parse_options()
    manual_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    draw_probabilities(out / "probabilities.png")
    draw_penalty(out / "penalty.png")
    gradient = draw_gradient(out / "gradient.png")
    loss = one_sample()
    drawing = draw(loss, title="One sample of class B: scores forward, gradients back")
    drawing.render(out / "graph", format="svg", cleanup=True)
    print(summary(loss))
    print(f"scores {listed(SCORES)}, probabilities {listed(SCORES.softmax())}")
    print(f"class {CLASSES[TRUE]} is true: penalty {loss.item():.4f}, gradient {listed(gradient)}")

    points = nn.datasets.blobs(300, noise=0.75, centers=THREE, seed=options.seed)
    model = nn.Linear(2, 3)
    train(model, points, 16, options.epochs, options.lr, options.seed)
    draw_regions(out / "regions.png", model, points)
    right = (model(Tensor(points.x)).argmax(axis=1) == points.y).astype(float).mean()
    print(f"three classes in the plane: {right.item():.1%} right")

    points = nn.datasets.blobs(100, noise=1.2, centers=TWO, seed=options.seed)
    histories = {}
    for name, batch_size in (("batch", None), ("mini-batch", 10), ("stochastic", 1)):
        model = TwoWeights([-1.5, 2.5])
        history = train(model, points, batch_size, options.epochs, options.lr, options.seed)
        histories[name] = history
        print(f"{name:10}  {len(history) - 1:5,} steps, loss {history[-1][0]:.4f}")
    draw_descent(out / "descent.png", points, histories, options.epochs)
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def one_sample() -> Tensor:
    """The penalty of one sample of class B, step by step, and the gradients behind it.

    These scores are small. For large ones e^z overflows, and `cross_entropy` computes the same
    safely, in one operation.
    """
    model = nn.Linear(2, 3, bias=False)
    model.load_state_dict({"weight": [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]})
    z = model(Tensor([1.0, 2.0], name="x"))
    e = z.exp()
    p = e / e.sum()
    loss = -p[TRUE].log()
    z.name, e.name, p.name = "scores z", "e^z", "probabilities p"
    loss.backward()
    return loss


class TwoWeights(nn.Module):
    """Softmax regression for two classes, with only two numbers to learn.

    A number added to both scores changes no probability, so that the first may be 0 throughout.
    """

    def __init__(self, start) -> None:
        self.w = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """The scores (0, w · x)."""
        score = x @ self.w
        return stack([zeros_like(score), score], axis=1)


def train(model, points, batch_size, epochs, lr, seed):
    """Gradient descent. Returns the loss on all points, and the first parameter, at each step."""
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    loader = nn.DataLoader(points, batch_size=batch_size, shuffle=True, seed=seed)
    parameter = next(model.parameters())
    all_x = Tensor(points.x)

    def state():
        with no_grad():
            return loss_fn(model(all_x), points.y).item(), parameter.numpy().copy()

    history = [state()]
    for _ in tqdm(range(epochs), unit="epoch"):
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            history.append(state())
    return history


def listed(values) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in np.asarray(values)) + "]"


# ---- pictures ----------------------------------------------------------------------------------


def draw_probabilities(path: Path) -> None:
    """Above: a row of scores on its way to probabilities. Below: other temperatures."""
    figure = plots.Figure(figsize=(9, 6.4), layout="constrained", dpi=130)
    above, below = figure.subfigures(2, 1, hspace=0.06)
    above.suptitle("Softmax makes scores probabilities", weight="bold")
    e = SCORES.exp()
    scores, positive, shares = above.subplots(1, 3)
    plots.bars(SCORES, CLASSES, scores, title="scores  $z$")
    plots.bars(e, CLASSES, positive, title=f"made positive  $e^z$,  sum {e.sum().item():.2f}")
    plots.bars(e / e.sum(), CLASSES, shares, title="shares of the sum  $p$")
    below.suptitle("The same scores, divided by a temperature first", weight="bold")
    for ax, temperature in zip(below.subplots(1, 3), (0.5, 1, 3), strict=True):
        plots.softmax_bars(SCORES, ax, temperature)
    figure.savefig(path)


def draw_penalty(path: Path) -> None:
    """Cross-entropy and squared error over the probability of the true class, and their slopes."""
    figure = plots.Figure(figsize=(9.6, 4), layout="constrained", dpi=130)
    left, right = figure.subplots(1, 2)
    plots.cross_entropy_curve(left)
    left.set_title("The penalty")
    plots.cross_entropy_curve(right, slope=True)
    right.set_title("Its slope: how hard it pushes the score")
    right.annotate(
        "surely wrong,\nyet hardly a push",
        (0.015, -0.03),
        xytext=(0.3, -0.14),
        color=plots.ORANGE,
        arrowprops={"arrowstyle": "->", "color": plots.ORANGE},
    )
    figure.savefig(path)


def draw_gradient(path: Path):
    """The gradient for a row of scores, which is drawn and returned."""
    z = Tensor(SCORES, requires_grad=True)
    z.cross_entropy(TRUE).backward()
    figure = plots.Figure(figsize=(9, 3.4), layout="constrained", dpi=130)
    figure.suptitle(f"The gradient of the penalty, where class {CLASSES[TRUE]} is true")
    for ax, values, title in zip(
        figure.subplots(1, 3),
        (z.softmax(), np.eye(len(CLASSES))[TRUE], z.grad),
        ("said  $p$", "−   true  onehot($y$)", "=   gradient by the scores  $z$"),
        strict=True,
    ):
        plots.bars(values, CLASSES, ax, marked=TRUE, title=title)
        ax.set_ylim(-1, 1.25)
    figure.savefig(path)
    return z.grad


def draw_regions(path: Path, model, points) -> None:
    """The probabilities in the plane, and along a line through it."""
    figure = plots.Figure(figsize=(10, 4.6), layout="constrained", dpi=130)
    plane, cut = figure.subplots(1, 2, width_ratios=[1, 1.1])
    low, high = -4.0, 4.0
    plots.decision_boundary(model, points.x, points.y, plane, xlim=(low, high), ylim=(low, high))
    ticks = np.linspace(low, high, 201, dtype=np.float32)
    height = 0.3
    line = np.column_stack([ticks, np.full_like(ticks, height)])
    along = model(Tensor(line)).softmax().numpy()
    for k, (name, colour) in enumerate(zip(CLASSES, COLOURS, strict=True)):
        plane.text(*CORNERS[k], name, color=colour, size=17, weight="bold")
        cut.plot(ticks, along[:, k], color=colour, linewidth=2.2)
        top = along[:, k].argmax()
        cut.annotate(
            name,
            (np.clip(ticks[top], low + 0.6, high - 0.6), along[top, k]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            color=colour,
            size=13,
            weight="bold",
        )
    plane.axhline(height, color="black", linewidth=1, linestyle="--")
    plane.set_xticks(range(-4, 5, 2))
    plane.set_yticks(range(-4, 5, 2))
    plane.set_xlabel("$x_1$")
    plane.set_ylabel("$x_2$")
    plane.set_title("Softmax regression: straight borders")
    cut.set_xlim(low, high)
    cut.set_ylim(0, 1.1)
    cut.set_xlabel(f"$x_1$ along the dashed line, where $x_2$ = {height}")
    cut.set_ylabel("probability")
    cut.set_title("On a border two probabilities are equal")
    clear(cut)
    figure.savefig(path)


def draw_descent(path: Path, points, histories, epochs: int) -> None:
    """The three ways down: the loss over the epochs, and the path of the two weights."""
    figure = plots.Figure(figsize=(10, 4.6), layout="constrained", dpi=130)
    time, plane = figure.subplots(1, 2)
    lowest, best = optimum(points)
    widths = (0.5, 1.2, 2.6)  # the restless one thin, and behind the others
    for name, colour, width in zip(reversed(histories), COLOURS[::-1], widths, strict=True):
        history = histories[name]
        losses, weights = zip(*history, strict=True)
        above = np.maximum(np.array(losses) - lowest, 1e-7)
        steps = f"{name}: {len(losses) - 1:,} steps"
        time.plot(np.linspace(0, epochs, len(losses)), above, color=colour, linewidth=1.4)
        time.plot([], [], color=colour, linewidth=3, label=steps)  # a bold line in the legend
        plane.plot(*np.transpose(weights), color=colour, linewidth=width)

    time.set_yscale("log")
    time.set_ylim(bottom=1e-5)
    time.set_xlim(0, epochs)
    time.set_xlabel("epoch: once through all points")
    time.set_ylabel("loss of all points − lowest loss")
    time.set_title("Many rough steps, or few exact ones")
    handles, labels = time.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
    clear(time)

    plane.set_xlabel("$w_1$")
    plane.set_ylabel("$w_2$")
    plane.set_title("The two weights on their way down")
    draw_valley(plane, points, lowest)
    plane.plot(*history[0][1], "ko", markersize=6, label="start")
    plane.plot(*best, "k*", markersize=11, label="lowest loss")
    plane.legend(loc="lower left", edgecolor="none")
    figure.savefig(path)


def draw_valley(ax, points, lowest: float) -> None:
    """Lines of equal loss behind what is drawn already."""
    model, loss_fn, x = TwoWeights([0.0, 0.0]), nn.CrossEntropyLoss(), Tensor(points.x)
    first, second = (np.linspace(*limits, 60) for limits in (ax.get_xlim(), ax.get_ylim()))
    loss = np.empty((60, 60))
    for i, j in np.ndindex(loss.shape):
        model.w.data = [first[j], second[i]]
        with no_grad():
            loss[i, j] = loss_fn(model(x), points.y).item()
    levels = lowest + np.geomspace(0.003, 3, 10)
    ax.contour(first, second, loss, levels, colors=plots.LIGHT, linewidths=1, zorder=0)


def optimum(points):
    """The lowest loss of the two weights, and where it is."""
    model, loss_fn, x = TwoWeights([0.0, 0.0]), nn.CrossEntropyLoss(), Tensor(points.x)
    optimizer = nn.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(x), points.y)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    return closure().item(), model.w.numpy()


def clear(ax) -> None:
    ax.grid(color=plots.LIGHT, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30, help="times through the points")
    parser.add_argument("--lr", type=float, default=0.6, help="learning rate")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument(
        "--out", default="out/softmax_and_cross_entropy", help="folder for the pictures"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
