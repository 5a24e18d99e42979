"""How hidden layers bend a decision boundary: an MLP on points in the plane, watched as it learns.

Softmax regression parts the plane with straight lines: where two classes are equally probable,
their scores are equal, and those are linear in the point x. With hidden layers the scores become

    z = W₃ h₂ + b₃      h₂ = max(0, W₂ h₁ + b₂)      h₁ = max(0, W₁ x + b₁)

A unit of the first layer is 0 on one side of a straight line and grows on the other. So the second
layer sees a plane folded at these lines, and its own units begin at lines that bend there. The
boundary bends wherever it meets one of either: straight pieces that together follow a spiral.

    python examples/spirals.py
    python examples/spirals.py --dataset moons          or circles, xor
    python examples/spirals.py --hidden 64              one wide hidden layer
    python examples/spirals.py --hidden                 none: softmax regression

It leaves pictures in the folder out/spirals.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, manual_seed, no_grad
from tinygrad_sm.viz import plots

# Of each set, the points to learn from and others like them.
DATASETS = {
    "spirals": lambda seed: nn.datasets.spirals(450, noise=0.02, arms=3, seed=seed),
    "moons": lambda seed: nn.datasets.moons(300, noise=0.15, seed=seed),
    "circles": lambda seed: nn.datasets.circles(300, noise=0.08, factor=0.5, seed=seed),
    "xor": lambda seed: nn.datasets.xor(300, noise=0.05, seed=seed),
}


def main() -> None:
    options = parse_options()
    manual_seed(options.seed)
    make = DATASETS[options.dataset]
    train, test = make(2 * options.seed), make(2 * options.seed + 1)
    loader = nn.DataLoader(train, batch_size=32, shuffle=True, seed=options.seed)

    model = mlp(2, *options.hidden, train.y.max() + 1)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.Adam(model.parameters(), lr=options.lr)

    # The state of the model before training, and later at times that get further apart.
    states = {0: model.state_dict()}
    times = np.geomspace(min(4, options.epochs), options.epochs, 5).round()
    history = {"train": [], "held out": []}
    progress = tqdm(range(1, options.epochs + 1), unit="epoch")
    for epoch in progress:
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()

        for name, (x, y) in (("train", train), ("held out", test)):
            with no_grad():
                scores = model(Tensor(x))
                history[name].append(loss_fn(scores, y).item())
        right = (scores.numpy().argmax(axis=1) == test.y).mean()
        progress.set_description(
            f"loss {history['train'][-1]:.4f}; {right:.1%} held out right", refresh=False
        )
        if epoch in times:
            states[epoch] = model.state_dict()

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    loss_curve = plots.curves(history, ylabel="loss")
    loss_curve.set_yscale("log")
    loss_curve.figure.savefig(out / "loss.png")
    draw_layers(out / "layers.png", model, train)
    draw_boundary(out / "boundary.png", model, train, states)

    print(f"loss {history['train'][-1]} train, {history['held out'][-1]} held out")
    print(f"held-out accuracy {right:.1%} of {len(test.y)} points")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers between these sizes, with ReLU between the layers."""
    model = nn.Sequential()
    for before, after in pairwise(sizes):
        model.extend([nn.Linear(before, after), nn.ReLU()])
    return model[:-1]


# ---- pictures ----------------------------------------------------------------------------------


def draw_boundary(path: Path, model, data, states) -> None:
    """The decision boundary before, during and after training, as a strip."""
    figure = plots.Figure(figsize=(2.5 * len(states), 2.85), layout="compressed", dpi=130)
    axes = figure.subplots(1, len(states))
    for ax, (epoch, state) in zip(axes, states.items(), strict=True):
        model.load_state_dict(state)
        plots.decision_boundary(model, data.x, data.y, ax=ax)
        ax.set_title(f"epoch {epoch}" if epoch else "before training", fontsize=11)
    figure.savefig(path, bbox_inches="tight")


def draw_layers(path: Path, model, data) -> None:
    """Layer by layer, the lines at which the units begin to let something through."""
    linear = [i for i, part in enumerate(model) if isinstance(part, nn.Linear)]
    figure = plots.Figure(figsize=(3.6 * len(linear), 3.95), layout="compressed", dpi=130)
    axes = figure.subplots(1, len(linear), squeeze=False)[0]
    for layer, (ax, i) in enumerate(zip(axes, linear, strict=True), start=1):
        plots.decision_boundary(model, data.x, data.y, ax=ax)
        ax.set_title("output layer: where two classes are equal", fontsize=11)
        if i < linear[-1]:
            x, y = np.meshgrid(np.linspace(*ax.get_xlim(), 200), np.linspace(*ax.get_ylim(), 200))
            with no_grad():
                units = model[: i + 1](Tensor(np.stack([x, y], axis=-1)).astype("float32"))
            for unit in np.moveaxis(units.numpy(), -1, 0):
                ax.contour(x, y, unit, [0], colors=plots.GREY, linewidths=0.8)
            ax.set_title(f"hidden layer {layer}: where its units begin", fontsize=11)
    figure.savefig(path, bbox_inches="tight")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=DATASETS, default="spirals", help="what to learn")
    parser.add_argument("--epochs", type=int, default=200, help="times through the points")
    parser.add_argument(
        "--hidden", type=int, nargs="*", default=[16, 16], help="units of each hidden layer"
    )
    parser.add_argument("--lr", type=float, default=0.005, help="learning rate")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--out", default="out/spirals", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
