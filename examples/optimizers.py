"""Optimizers side by side: their paths on one loss surface of two parameters.

All start at the same point p and see the same thing: the gradient g of the loss where they are.
They differ in what they make of it.

    SGD         p ← p − lr · g              against the slope: gradient descent
    momentum    p ← p − lr · v              v ← μ v + g: rolls on, and steps that agree add up
    Nesterov    p ← p − lr · (g + μ v)      the same, with a look ahead along v
    RMSprop     p ← p − lr · g / √s         s, a running mean of g²: a step of about lr each way
    Adam        p ← p − lr · m / √s         m, one of g: where its sign changes, steps get short
    L-BFGS      p ← p − t · H g             H, the inverse Hessian as guessed from the steps so far

The surface is a valley with a bend, steep across and nearly flat along. Gradient descent has to
take steps so small that it does not jump out of it, and then hardly moves on along the floor. The
others are answers to that. L-BFGS is far ahead here, but it computes several losses in a step, to
find a good length t, and needs the same loss each time: mini-batches each have another.

    python examples/optimizers.py
    python examples/optimizers.py --surface beale     or bowl, a valley without a bend
    python examples/optimizers.py --lr 0.007          too much for Nesterov
    python examples/optimizers.py --momentum 0.5      less to roll on

It leaves pictures in the folder out/optimizers.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from nn import optim
from tinygrad_sm import Tensor
from tinygrad_sm.viz import plots

FORMULAS = {
    "SGD": "p ← p − lr g",
    "momentum": "p ← p − lr v,   v ← μ v + g",
    "Nesterov": "p ← p − lr (g + μ v)",
    "RMSprop": "p ← p − lr g / √s",
    "Adam": "p ← p − lr m / √s",
    "L-BFGS": "p ← p − t H g",
}


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    """The valley follows the parabola y = x²."""
    return (1 - x) ** 2 + 20 * (y - x**2) ** 2


def beale(x: Tensor, y: Tensor) -> Tensor:
    return sum((c - x + x * y**k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def bowl(x: Tensor, y: Tensor) -> Tensor:
    """The curvature is 1 along x, 20 along y."""
    return (x**2 + 20 * y**2) / 2


class Surface(NamedTuple):
    """A loss, where to start, where it is lowest (0), the part to show, and good learning rates."""

    loss: object
    start: tuple[float, float]
    lowest: tuple[float, float]
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    lr: float
    adaptive_lr: float


SURFACES = {
    "rosenbrock": Surface(rosenbrock, (-1.2, 1.9), (1, 1), (-1.8, 1.8), (-0.5, 2.3), 0.004, 0.07),
    "beale": Surface(beale, (1, 1.6), (3, 0.5), (-0.2, 3.8), (-2.5, 1.9), 0.004, 0.1),
    "bowl": Surface(bowl, (-4, 1.6), (0, 0), (-4.6, 2.6), (-2.6, 2.6), 0.065, 0.15),
}


def main() -> None:
    options = parse_options()
    surface = SURFACES[options.surface]
    lr, adaptive_lr = options.lr or surface.lr, options.adaptive_lr or surface.adaptive_lr
    optimizers = {
        "SGD": lambda p: optim.SGD(p, lr),
        "momentum": lambda p: optim.SGD(p, lr, momentum=options.momentum),
        "Nesterov": lambda p: optim.SGD(p, lr, momentum=options.momentum, nesterov=True),
        "RMSprop": lambda p: optim.RMSprop(p, adaptive_lr, alpha=0.9),
        "Adam": lambda p: optim.Adam(p, adaptive_lr),
        # One iteration a step, to be as good as float64 allows.
        "L-BFGS": lambda p: optim.LBFGS(
            p,
            max_iter=1,
            max_eval=25,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        ),
    }
    paths, losses = {}, {}
    progress = tqdm(optimizers.items(), unit="path")
    for name, make in progress:
        progress.set_description(name, refresh=False)
        paths[name], losses[name] = descend(surface, make, options.epochs)

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_paths(out / "paths.png", surface, paths, options.epochs)
    draw_losses(out / "losses.png", losses)

    for name, path in paths.items():
        x, y = path[-1]
        print(f"{name:10s}loss {losses[name][-1]:8.1e} at ({x:6.3f}, {y:6.3f})")
    print(f"the lowest loss is 0 at {surface.lowest}")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def descend(surface: Surface, make, steps: int):
    """The places from the start on, and the losses there."""
    p = Tensor(surface.start, dtype=float, requires_grad=True)
    optimizer = make([p])

    def closure():
        optimizer.zero_grad()
        loss = surface.loss(p[0], p[1])
        loss.backward()
        return loss

    path, losses = [p.numpy().copy()], [closure().item()]
    for _ in range(steps):
        optimizer.step(closure)
        path.append(p.numpy().copy())
        losses.append(closure().item())
        if not losses[-1] < 1e6:  # it jumped out of the valley, and will not come back
            break
    return np.array(path), losses


# ---- pictures ----------------------------------------------------------------------------------


def draw_paths(path: Path, surface: Surface, paths, steps: int) -> None:
    """The surface once for each optimizer, with its path."""
    figure = plots.Figure(figsize=(11.4, 7), layout="constrained", dpi=130)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for ax, name, colour in zip(axes.flat, paths, plots.COLOURS, strict=True):
        plots.loss_surface(
            surface.loss,
            {name: paths[name]},
            ax=ax,
            xlim=surface.xlim,
            ylim=surface.ylim,
            colours=[colour],
        )
        ax.plot(
            *surface.lowest, "*", color="white", markeredgecolor="black", markersize=13, zorder=4
        )
        ax.set_title(name, loc="left", color=colour, weight="bold")
        ax.set_title(FORMULAS[name], loc="right", fontsize=10)
        ax.tick_params(length=0)
    figure.suptitle(f"{steps} steps from the same start, a dot each; the star is the lowest loss")
    figure.savefig(path)


def draw_losses(path: Path, losses) -> None:
    """The loss after each step, on a logarithmic axis."""
    figure = plots.Figure(figsize=(7.2, 4.4), layout="constrained", dpi=130)
    after = {name: values[1:] for name, values in losses.items()}
    ax = plots.curves(after, ax=figure.subplots(), ylabel="loss", xlabel="step")
    ax.set_yscale("log")
    ax.set_ylim(1e-16, 1e3)  # below, there is only the rounding of float64
    figure.savefig(path)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surface", choices=SURFACES, default="rosenbrock")
    parser.add_argument("--epochs", type=int, default=200, help="steps of each optimizer")
    parser.add_argument("--lr", type=float, help="learning rate of SGD, momentum and Nesterov")
    parser.add_argument("--adaptive-lr", type=float, help="learning rate of RMSprop and Adam")
    parser.add_argument("--momentum", type=float, default=0.9, help="μ, the share of v kept")
    parser.add_argument("--out", default="out/optimizers", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
