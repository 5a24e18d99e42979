"""L2 regularisation and early stopping, against learning by heart.

A hundred images of digits, and one in ten of them with a wrong label: softmax regression has 650
parameters, enough to learn all the labels by heart, the wrong ones too. The training loss goes to
0, while the loss on digits held out of training falls at first and then rises: overfitting. There
are two old ways to keep a model from it.

L2 regularisation (weight decay) adds a penalty for large weights to the loss, and every step of
gradient descent then makes the weights a little smaller as well:

    loss + λ/2 Σ W²        W ← W − lr (∇W + λ W)

Early stopping ends training when the held-out loss has not become lower for some epochs (the
patience), and keeps the parameters of the epoch in which it was lowest. Here training goes on all
the same, to show what would have come.

How much λ, and when to stop, is chosen by the held-out digits. How good the choice is, the test
digits tell, which had no part in it.

    python examples/regularization.py
    python examples/regularization.py --wrong 0     all labels right: less to gain

It leaves pictures in the folder out/regularization.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, manual_seed, no_grad
from tinygrad_sm.viz import plots

LAMBDAS = (0.0, 0.001, 0.003, 0.01, 0.03)
HELD_OUT = 500


class Run(NamedTuple):
    """What came out of training with one λ."""

    train: list[float]  # the losses after each epoch
    held_out: list[float]
    last: nn.Linear  # the model after all epochs
    best: nn.Linear  # the model that early stopping gives,
    stop: int  # of this epoch,
    ended: int  # in which training had ended after this one


def main() -> None:
    options = parse_options()
    train, held_out, test = few_digits(options.images, options.wrong, options.seed)
    runs = {}
    for weight_decay in tqdm(LAMBDAS, unit="λ"):
        runs[weight_decay] = fit(train, held_out, weight_decay, options)
    chosen = min(LAMBDAS[1:], key=lambda weight_decay: runs[weight_decay].held_out[-1])
    plain, decayed = runs[0.0], runs[chosen]

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_early_stopping(out / "early_stopping.png", plain, options.patience)
    draw_weight_decay(out / "weight_decay.png", runs, chosen)
    draw_weights(out / "weights.png", plain.last, decayed.last, chosen)

    print(f"{'':28}loss: train  held out    test   right in the test")
    for name, model in (
        ("no regularisation", plain.last),
        (f"stopped at epoch {plain.stop}", plain.best),
        (f"weight decay, λ = {chosen:g}", decayed.last),
    ):
        losses, shares = zip(
            *(evaluate(model, data) for data in (train, held_out, test)), strict=True
        )
        print(f"{name:28}" + "".join(f"{loss:10.4f}" for loss in losses) + f"{shares[-1]:12.1%}")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def few_digits(images: int, wrong: float, seed: int):
    """Training digits, as many of each as of the others, some with wrong labels; held out; test."""
    generator = np.random.default_rng(seed)
    data, test = nn.datasets.digits(seed=seed)
    rank = np.empty(len(data.y), int)  # how many of the same digit come before
    for digit in range(10):
        rank[data.y == digit] = np.arange((data.y == digit).sum())
    few = rank < images // 10
    train, held_out = data.take(few), data.take(~few).take(slice(HELD_OUT))
    mislabelled = generator.permutation(len(train.y))[: round(wrong * len(train.y))]
    another = train.y[mislabelled] + generator.integers(1, 10, len(mislabelled))
    train.y[mislabelled] = another % 10
    return train, held_out, test


def fit(train, held_out, weight_decay: float, options) -> Run:
    """Batch gradient descent with L2 regularisation of the weights; the bias is left alone."""
    manual_seed(options.seed)
    model, best = nn.Linear(64, 10), nn.Linear(64, 10)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(
        [{"params": [model.weight], "weight_decay": weight_decay}, {"params": [model.bias]}],
        lr=options.lr,
        momentum=0.9,
    )
    x = Tensor(train.x)
    losses, held_out_losses = [], []
    lowest, stop, ended = np.inf, 0, None
    for epoch in range(1, options.epochs + 1):
        optimizer.zero_grad()
        loss_fn(model(x), train.y).backward()
        optimizer.step()

        loss = evaluate(model, held_out)[0]
        if ended is None and loss < lowest:
            lowest, stop = loss, epoch
            best.load_state_dict(model.state_dict())
        elif ended is None and epoch - stop == options.patience:
            ended = epoch  # where `break` would stand if nobody wanted to see the rest
        losses.append(evaluate(model, train)[0])
        held_out_losses.append(loss)
    return Run(losses, held_out_losses, model, best, stop, ended or options.epochs)


def evaluate(model: nn.Module, data: nn.datasets.Dataset):
    """The cross-entropy, and the share of images for which the true digit got the highest score."""
    with no_grad():
        scores = model(Tensor(data.x))
        right = (scores.argmax(axis=1) == data.y).astype(float).mean()
        return scores.cross_entropy(data.y).item(), right.item()


# ---- pictures ----------------------------------------------------------------------------------


def draw_early_stopping(path: Path, run: Run, patience: int) -> None:
    """The two losses without regularisation, and the point to stop at."""
    figure = plots.Figure(figsize=(7.2, 4.4), layout="constrained", dpi=130)
    ax = figure.subplots()
    epochs = range(1, len(run.train) + 1)
    draw_losses(ax, epochs, run.held_out, run.train, "-")
    ax.plot(run.stop, run.held_out[run.stop - 1], "ko", markersize=7)
    ax.axvspan(run.ended, epochs[-1], color=plots.LIGHT, alpha=0.3, linewidth=0)
    lowest = f"lowest at epoch {run.stop}:\nkeep these parameters"
    too_long = f"not lower for {patience} epochs:\ntraining would end here"
    marks = [(run.stop, lowest, "black", "right"), (run.ended, too_long, plots.GREY, "left")]
    for epoch, text, colour, side in marks[: 2 if run.ended < epochs[-1] else 1]:
        ax.axvline(epoch, color=colour, linewidth=1.2, linestyle="--")
        ax.annotate(
            text,
            (epoch, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(-6 if side == "right" else 6, 0),
            textcoords="offset points",
            ha=side,
            va="top",
            color=colour,
        )
    over_epochs(ax, len(epochs))
    ax.set_ylim(0, 1.25 * max(run.held_out))
    ax.set_title("Early stopping: the rest is learned by heart")
    figure.savefig(path)


def draw_weight_decay(path: Path, runs, chosen: float) -> None:
    """For each λ, the held-out loss on the way, and both losses in the end."""
    figure = plots.Figure(figsize=(10, 4.4), layout="constrained", dpi=130)
    way, end = figure.subplots(1, 2)
    shades = dict(zip(runs, colormaps["viridis"](np.linspace(0.8, 0.1, len(runs))), strict=True))
    for weight_decay, run in runs.items():
        epochs = range(1, len(run.held_out) + 1)
        shade = shades[weight_decay]
        way.plot(epochs, run.held_out, color=shade, linewidth=2, label=f"λ = {weight_decay:g}")
    over_epochs(way, len(epochs))
    way.set_ylabel("held-out loss")
    way.legend(frameon=False)
    way.set_title("Epoch by epoch")

    names = [f"{weight_decay:g}" for weight_decay in runs]
    held_out = [run.held_out[-1] for run in runs.values()]
    draw_losses(end, names, held_out, [run.train[-1] for run in runs.values()], "o-")
    stopped = runs[0.0].held_out[runs[0.0].stop - 1]
    end.axhline(stopped, color=plots.GREY, linewidth=1.2, linestyle="--")
    end.annotate(
        "held out, λ = 0, stopped early",
        (0, stopped),
        xytext=(0, 4),
        textcoords="offset points",
        color=plots.GREY,
    )
    best = names.index(f"{chosen:g}"), runs[chosen].held_out[-1]
    end.plot(*best, "o", color="black", markersize=13, fillstyle="none")
    end.annotate("chosen", best, xytext=(0, 11), textcoords="offset points", ha="center")
    end.set_ylim(0, 1.15 * max(held_out))
    end.set_xlabel("λ")
    end.set_ylabel("loss")
    end.grid(color=plots.LIGHT, linewidth=0.5)
    end.spines[["top", "right"]].set_visible(False)
    end.set_title("After the last epoch")
    figure.savefig(path)


def draw_weights(path: Path, plain, decayed, chosen: float) -> None:
    """The weights of each digit as images, without and with L2."""
    figure = plots.Figure(figsize=(12.4, 3.5), layout="constrained", dpi=110)
    largest = np.abs(plain.weight.numpy()).max()
    for part, model, title in zip(
        figure.subfigures(1, 2, wspace=0.04),
        (plain, decayed),
        ("without regularisation", f"L2 with λ = {chosen:g}"),
        strict=True,
    ):
        part.suptitle(title)
        axes = part.subplots(2, 5)
        plots.weight_templates(model.weight, (8, 8), axes, largest=largest)
    figure.savefig(path)


def over_epochs(ax, epochs: int) -> None:
    ax.set_xscale("log")
    ax.set_xlim(1, max(epochs, 2))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_formatter("")
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.grid(color=plots.LIGHT, linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)


def draw_losses(ax, places, held_out, train, style: str) -> None:
    """Both losses, with their names at the right end, the upper one's above the other's."""
    lines = [(held_out, "held out", plots.ORANGE), (train, "train", plots.BLUE)]
    for va, (losses, name, colour) in zip(
        ("top", "bottom"), sorted(lines, key=lambda line: line[0][-1]), strict=True
    ):
        ax.plot(places, losses, style, color=colour, linewidth=2)
        ax.annotate(
            name,
            (places[-1], losses[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            va=va,
            color=colour,
            annotation_clip=False,
        )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2000, help="steps with all training images")
    parser.add_argument("--images", type=int, default=100, help="how many there are to learn from")
    parser.add_argument("--wrong", type=float, default=0.1, help="the share of wrong labels")
    parser.add_argument("--patience", type=int, default=50, help="epochs without a lower loss")
    parser.add_argument("--lr", type=float, default=0.2, help="learning rate")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--out", default="out/regularization", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
