"""Carrying a network to PyTorch and back.

The parts of a network have PyTorch's names here, and its layouts: the weight of a linear layer is
(outputs, inputs), and a state_dict has the same keys in the same order. So weights go into a file
on one side and come out of it on the other, with nothing to rename or transpose:

    nn.save(model, "mlp.npz")                             here
    twin.load_state_dict(read_in_pytorch("mlp.npz"))      there

A multilayer perceptron learns digits here, moves to PyTorch, learns on there, and comes back. What
stayed here learns on from the same batches. Both compute the same up to rounding: float32 has about
seven digits, and the two do not add up in the same order. Even the loop that trains them is the
same, `fit`: it is given PyTorch's parts or the ones from here.

    python examples/to_pytorch.py

The files are .safetensors if that library is installed, and NumPy's .npz if not. Without PyTorch
the example shows the way into a file and back only. It leaves the files and a picture in the folder
out/to_pytorch.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, manual_seed
from tinygrad_sm.viz import plots

try:
    import torch
except ImportError:
    torch = None

ENDING = "safetensors" if importlib.util.find_spec("safetensors") else "npz"
HERE = (nn.CrossEntropyLoss, nn.optim.SGD, Tensor)


class Epoch(NamedTuple):
    """How far training is after an epoch."""

    loss: float  # the mean of its batches
    scores: np.ndarray  # of the test digits


def main() -> None:
    options = parse_options()
    manual_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    train, test = nn.datasets.digits()

    model = mlp(nn)
    before = fit(model, HERE, train, test, options, seed=options.seed)
    file = out / f"to_pytorch.{ENDING}"
    nn.save(model, file)
    print(f"trained here: {right(before, test)}; saved as {file.name}")
    if torch is None:
        loaded = mlp(nn)
        loaded.load_state_dict(nn.load(file))
        print(f"loaded here: {compared(model, loaded)}")
        print("torch is not installed; where it is, the network goes to PyTorch and back")
        draw_journey(out / "journey.png", before)
    else:
        there_and_back(model, before, file, out, train, test, options)
    print(f"files in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def there_and_back(model, before, file: Path, out: Path, train, test, options) -> None:
    """Load in PyTorch, learn on here and there, and load here what was learned there."""
    torch.set_num_threads(1)  # the quickest for a network so small
    twin = mlp(torch.nn)
    twin.load_state_dict(read_in_pytorch(file))
    print(f"loaded in PyTorch: {compared(model, twin)}")
    start = difference(before[-1].scores, scores(twin, torch.tensor, test))
    print(f"largest difference of a score: {start:.1e}")

    parts = (torch.nn.CrossEntropyLoss, torch.optim.SGD, torch.tensor)
    there = fit(twin, parts, train, test, options, seed=options.seed + 1)
    here = fit(model, HERE, train, test, options, seed=options.seed + 1)
    apart = [start, *(difference(a.scores, b.scores) for a, b in zip(here, there, strict=True))]
    print(f"trained in PyTorch: {right(there, test)}")
    print(f"the same batches here: {right(here, test)}")
    print(f"largest difference of a score: {apart[-1]:.1e}")

    file = out / f"from_pytorch.{ENDING}"
    write_in_pytorch(twin, file)
    returned = mlp(nn)
    returned.load_state_dict(nn.load(file))
    print(f"loaded here again: {compared(returned, twin)}")
    end = difference(scores(returned, Tensor, test), there[-1].scores)
    print(f"largest difference of a score: {end:.1e}")
    draw_journey(out / "journey.png", before, here, there, apart)


def mlp(parts: Any) -> Any:
    """A multilayer perceptron of the parts in nn, from here or PyTorch's."""
    return parts.Sequential(parts.Linear(64, 32), parts.ReLU(), parts.Linear(32, 10))


def fit(model, parts, train, test, options, seed: int) -> list[Epoch]:
    """Train a model with the loss, the optimizer and the tensors from here or PyTorch's."""
    cross_entropy, sgd, tensor = parts
    loss_fn = cross_entropy()
    optimizer = sgd(model.parameters(), lr=options.lr, momentum=0.9)
    loader = nn.DataLoader(train, batch_size=32, shuffle=True, seed=seed)
    history = []
    for _ in tqdm(range(options.epochs), unit="epoch"):
        losses = []
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(tensor(x.numpy())), tensor(y.numpy()))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(Epoch(np.mean(losses), scores(model, tensor, test)))
    return history


def scores(model, tensor, data) -> np.ndarray:
    return model(tensor(data.x)).detach().numpy()


def read_in_pytorch(file: Path):
    """The weights in a file, as a program that knows only PyTorch reads them."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    with np.load(file) as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def write_in_pytorch(model, file: Path) -> None:
    """Put the weights into a file, as a program that knows only PyTorch does."""
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(model.state_dict(), file)
    else:
        np.savez(file, **{name: value.numpy() for name, value in model.state_dict().items()})


def compared(model, other) -> str:
    """How far two models differ in their parameters, in words."""
    ours, theirs = ([np.asarray(v) for v in m.state_dict().values()] for m in (model, other))
    largest = max(difference(a, b) for a, b in zip(ours, theirs, strict=True))
    return f"{sum(a.size for a in ours):,} numbers, largest difference {largest}"


def difference(a, b) -> float:
    """The largest difference between the elements of two arrays."""
    return float(np.abs(a - b).max())


def right(history: list[Epoch], test) -> str:
    """How many of the test digits have the highest score after the last epoch."""
    share = (history[-1].scores.argmax(axis=1) == test.y).mean()
    return f"{share:.1%} of the test digits right"


# ---- pictures ----------------------------------------------------------------------------------


def draw_journey(path: Path, before, here=(), there=(), apart=()) -> None:
    """The training loss here and in PyTorch, and how far the scores come apart."""
    figure = plots.Figure(figsize=(10 if apart else 5.4, 4), layout="constrained", dpi=130)
    ax, *others = figure.subplots(1, 2 if apart else 1, squeeze=False)[0]
    first = len(before)
    ax.plot(range(1, first + 1), losses(before), color=plots.BLUE, linewidth=2.2, label="here")
    if there:
        # From the last point here on, so that the lines are joined.
        epochs = range(first, first + len(there) + 1)
        ax.plot(epochs, losses([before[-1], *here]), color=plots.BLUE, linewidth=2.2)
        ax.plot(
            epochs,
            losses([before[-1], *there]),
            color=plots.ORANGE,
            linewidth=2.2,
            linestyle=(0, (3, 2)),
            label="in PyTorch",
        )
        ax.axvline(first, color=plots.GREY, linewidth=1, linestyle=":")
        ax.annotate(
            "loaded in PyTorch",
            (first, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            color=plots.GREY,
        )
    ax.set_yscale("log")
    ax.set_ylabel("training loss")
    ax.set_xlabel("epoch")
    ax.set_title("Learning on in PyTorch" if there else "Learning")
    ax.legend(frameon=False)
    for ax in others:
        ax.plot(range(first, first + len(apart)), apart, "o-", color=plots.BLUE, markersize=5)
        step = np.spacing(np.abs(there[-1].scores).max())
        ax.axhline(step, color=plots.GREY, linewidth=1, linestyle=":")
        ax.annotate(
            "the step from one float32 to the next, at the largest score",
            (0.02, step),
            xycoords=("axes fraction", "data"),
            xytext=(0, -5),
            textcoords="offset points",
            va="top",
            color=plots.GREY,
            fontsize=9,
        )
        ax.set_yscale("log")
        ax.set_ylim(1e-7, max(1e-3, 3 * max(apart)))
        ax.set_xlabel("epoch")
        ax.set_ylabel("largest difference of a test score")
        ax.set_title("Here and in PyTorch: rounding adds up")
    for ax in figure.axes:
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color=plots.LIGHT, linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def losses(history) -> list[float]:
    return [epoch.loss for epoch in history]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="here, and as many in PyTorch")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--out", default="out/to_pytorch", help="folder for files and picture")
    return parser.parse_args()


if __name__ == "__main__":
    main()
