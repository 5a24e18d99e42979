"""Newton's method on softmax regression, beside gradient descent.

Gradient descent knows the slope of the loss, g, and takes a step against it. Newton's method knows
its curvature too, the Hessian H, and goes straight to the lowest point of the parabola that has the
same slope and curvature here:

    θ ← θ − H⁻¹ g

The loss is no parabola, but the nearer the optimum the more it is one: each step squares the
distance that is left, so the number of correct digits doubles. The price is the Hessian, a number
for every pair of parameters. So the images are averaged to 4×4 pixels here: with the bias there are
17 weights a digit, 170 parameters, and a Hessian of 170×170, in 10×10 blocks: the one for digits j
and k is the mean of p_j (1[j=k] − p_k) x xᵀ over the images x.

The loss is the mean cross-entropy + λ/2 Σ W², with the bias left out of the sum.

    python examples/newton.py
    python examples/newton.py --l2 0.01     a rounder valley: fewer steps

It leaves pictures in the folder out/newton.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, hessian, no_grad, vjp, zeros
from tinygrad_sm.viz import plots


def main() -> None:
    options = parse_options()
    train, test = nn.datasets.digits()
    x, y = features(train.x), train.y
    loss_fn = regularised_loss(x, y, options.l2)
    start = zeros(10, x.shape[1], dtype=float)
    theta, losses = newton(loss_fn, start, options.epochs)
    _, descent = gradient_descent(loss_fn, start, options.descent_steps, options.lr)
    best, further = newton(loss_fn, theta, 10, quiet=True)
    optimum = min(further)

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_convergence(out / "convergence.png", losses, descent, optimum)
    draw_hessian(out / "hessian.png", hessian(loss_fn, best).numpy())

    for step, loss in enumerate(losses):
        print(f"step {step:2d}  loss {loss:.16f}  above the optimum {loss - optimum:.1e}")
    print(f"gradient descent, {len(descent) - 1} steps: {descent[-1] - optimum:.1e} above it")
    right = (features(test.x) @ theta.T).argmax(axis=1) == test.y
    print(f"held-out accuracy {right.astype(float).mean().item():.1%} from 4×4 pixels")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def features(images: np.ndarray) -> Tensor:
    """The images averaged over squares of 2×2 pixels, and a 1 for the bias, in float64."""
    small = images.astype(float).reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    return Tensor(np.column_stack([small, np.ones(len(small))]))


def regularised_loss(x: Tensor, y: np.ndarray, l2: float):
    """The loss as a function of theta: for each digit, a row of weights and its bias."""

    def loss(theta: Tensor) -> Tensor:
        return (x @ theta.T).cross_entropy(y) + l2 / 2 * (theta[:, :-1] ** 2).sum()

    return loss


def newton(loss_fn, theta: Tensor, steps: int, quiet: bool = False):
    """The parameters after these steps, and the losses before, between and after them."""
    losses = []
    for _ in tqdm(range(steps), unit="step", disable=quiet):
        loss, g = vjp(loss_fn, theta)
        h = hessian(loss_fn, theta).numpy().reshape(g.numel(), g.numel())
        # H has no inverse: a number added to all ten biases changes no probability. Of all the
        # steps that reach the lowest point, this is the shortest.
        step = np.linalg.lstsq(h, g.numpy().ravel(), rcond=1e-12)[0].reshape(g.shape)
        losses.append(loss.item())
        theta = shortened(loss_fn, theta, step, loss.item())
    losses.append(value(loss_fn, theta))
    return theta, losses


def shortened(loss_fn, theta: Tensor, step: np.ndarray, loss: float) -> Tensor:
    """theta − step; far from the optimum the parabola may promise too much: then half of it, …"""
    while value(loss_fn, theta - step) > loss + 1e-12:
        step = step / 2
    return theta - step


def gradient_descent(loss_fn, theta: Tensor, steps: int, lr: float):
    """The same for gradient descent."""
    losses = []
    for _ in range(steps):
        loss, g = vjp(loss_fn, theta)
        losses.append(loss.item())
        theta = theta - lr * g
    losses.append(value(loss_fn, theta))
    return theta, losses


def value(loss_fn, theta: Tensor) -> float:
    with no_grad():
        return loss_fn(theta).item()


# ---- pictures ----------------------------------------------------------------------------------


def draw_convergence(path: Path, losses, descent, optimum: float) -> None:
    """The distance of the loss from the optimum after each step, on logarithmic axes."""
    figure = plots.Figure(figsize=(7.2, 4.4), layout="constrained", dpi=130)
    ax = figure.subplots()
    floor = np.spacing(optimum)  # the distance between two float64 numbers of that size
    for values, name, colour, marker in (
        (descent, "gradient descent", plots.ORANGE, ""),
        (losses, "Newton's method", plots.BLUE, "o"),
    ):
        above = np.maximum(np.array(values) - optimum, floor)
        above = above[: np.argmin(above) + 1]  # after the least there is only rounding
        ax.plot(range(1, len(above) + 1), above, color=colour, marker=marker, linewidth=1.8)
        place = int(len(above) ** 0.75)  # well along the curve, which leaves room on its right
        ax.annotate(
            name,
            (place, above[place - 1]),
            xytext=(10, 3),
            textcoords="offset points",
            color=colour,
        )
    ax.axhline(floor, color=plots.GREY, linewidth=1, linestyle=":")
    ax.text(1, floor * 2, "the rounding of float64", color=plots.GREY, fontsize=9)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(bottom=floor / 4)
    ax.set_xticks([1, 2, 3, 5, 10, 30, 100, 300, 1000])
    ax.set_xticks([], minor=True)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set_xlim(0.9, 1.3 * max(len(descent), len(losses)))
    ax.set_xlabel("losses computed, the first before any step")
    ax.set_ylabel("loss − optimum")
    ax.set_title("Near the optimum, each Newton step doubles the number of correct digits")
    ax.grid(color=plots.LIGHT, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def draw_hessian(path: Path, h: np.ndarray) -> None:
    """The Hessian as an image: one block of 17×17 for each pair of digits."""
    classes, weights = h.shape[:2]
    figure = plots.Figure(figsize=(6.2, 5.2), layout="constrained", dpi=130)
    ax = figure.subplots()
    # Most entries are small: the square root of their size shows them.
    square = h.reshape(classes * weights, classes * weights)
    shown = np.sign(square) * np.sqrt(np.abs(square))
    largest = np.abs(shown).max()
    image = ax.imshow(shown, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    middles = np.arange(classes) * weights + (weights - 1) / 2
    ax.set_xticks(middles, range(classes))
    ax.set_yticks(middles, range(classes))
    ax.tick_params(length=0)
    for edge in np.arange(1, classes) * weights - 0.5:
        ax.axhline(edge, color="white", linewidth=0.8)
        ax.axvline(edge, color="white", linewidth=0.8)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("weights of the digit")
    ax.set_ylabel("weights of the digit")
    ax.set_title("The Hessian at the optimum")
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("second derivative d, as ±√|d|")
    bar.outline.set_visible(False)
    figure.savefig(path)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="Newton steps")
    parser.add_argument("--descent-steps", type=int, default=1000, help="of gradient descent")
    parser.add_argument("--lr", type=float, default=5.0, help="learning rate of gradient descent")
    parser.add_argument("--l2", type=float, default=1e-3, help="regularisation λ of the weights")
    parser.add_argument("--out", default="out/newton", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
