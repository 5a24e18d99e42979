"""A small convolutional network: handwritten digits, clothes, or photographs of animals.

A convolution slides small filters over an image. A filter of 3×3 weights answers strongly where the
patch under it looks like it: a stroke, an edge, a corner. All places share the same few weights, so
what was learned at one place holds at every other. ReLU keeps the answers above 0, and max-pooling
the strongest of each 2×2, which makes the images smaller. A second round looks for patterns among
the answers of the first; then all that is left goes into one linear layer, with a score for each
class, and softmax and cross-entropy as in softmax_regression.py:

    conv 3×3 → ReLU → pool 2×2 → conv 3×3 → ReLU → pool 2×2 → flatten → linear → softmax

    python examples/cnn.py                            8×8 digits, which come with the package
    python examples/cnn.py --dataset mnist            28×28 digits; also fashion_mnist
    python examples/cnn.py --dataset cifar10          colour photographs: cat, dog or bird?

The last two fetch their files once, unless they are there. Pictures go to the folder out/cnn.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, draw, manual_seed, no_grad
from tinygrad_sm.viz import plots

# How to load each data set, how often to go through it, and how many images a step takes.
DATASETS = {
    "digits": (lambda: nn.datasets.digits(flatten=False), 40, 16),
    "mnist": (nn.datasets.mnist, 3, 64),
    "fashion_mnist": (nn.datasets.fashion_mnist, 5, 64),
    "cifar10": (lambda: nn.datasets.cifar10(classes=("cat", "dog", "bird")), 10, 64),
}


class CNN(nn.Module):
    """Two rounds of convolution, ReLU and pooling, and a linear layer."""

    def __init__(self, image: tuple[int, int, int], classes: int):
        channels, height, width = image
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(32 * (height // 4) * (width // 4), classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        return self.linear(x.flatten(1))


def main() -> None:
    options = parse_options()
    load, epochs, batch_size = DATASETS[options.dataset]
    epochs, batch_size = options.epochs or epochs, options.batch_size or batch_size
    train, test = load()

    manual_seed(options.seed)
    loader = nn.DataLoader(train, batch_size=batch_size, shuffle=True, seed=options.seed)
    model = CNN(train.x.shape[1:], len(train.classes))
    print(nn.summary(model, (1, *train.x.shape[1:])))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.Adam(model.parameters(), lr=options.lr)
    schedule = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)

    history = {"train": [], "held out": []}
    progress = tqdm(range(epochs), unit="epoch")
    for _ in progress:
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        schedule.step()

        for name, data in ("train", train), ("held out", test):
            right = predict(model, data.x).argmax(axis=1) == data.y
            history[name].append(right.mean())
        progress.set_description(f"{history['held out'][-1]:.1%} right", refresh=False)

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_pictures(out, model, loss_fn, test, history)

    print(f"training accuracy {history['train'][-1]:.1%}")
    print(f"held-out accuracy {right.mean():.1%} ({right.sum()} of {len(right)} images)")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def predict(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """The probabilities of the classes; some images at a time, for the layers need their memory."""
    with no_grad():
        parts = [Tensor(images[i : i + 1000]) for i in range(0, len(images), 1000)]
        return np.concatenate([model(x).softmax().numpy() for x in parts])


def draw_pictures(out, model, loss_fn, test, history) -> None:
    """What was learned, and one step's computation graph."""
    curves = plots.curves(history, ylabel="accuracy")
    curves.figure.savefig(out / "history.png")

    filters = plots.filters(model.conv1.weight)
    filters.flat[0].figure.savefig(out / "filters.png")

    one_each = [np.flatnonzero(test.y == k)[0] for k in range(min(len(test.classes), 6))]
    images = test.x[one_each]
    with no_grad():
        maps = model.relu(model.conv1(Tensor(images)))
    rows = plots.feature_maps(images, maps)
    rows.flat[0].figure.savefig(out / "feature_maps.png")

    predicted = predict(model, test.x).argmax(axis=1)
    confusion = plots.confusion_matrix(test.y, predicted, test.classes)
    confusion.figure.savefig(out / "confusion.png")

    model.zero_grad()
    loss = loss_fn(model(Tensor(test.x[:4], name="images")), Tensor(test.y[:4], name="labels"))
    loss.backward()
    graph = draw(loss, max_nodes=12, title="One step, with a box for each layer")
    graph.render(out / "graph", format="svg", cleanup=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=DATASETS, default="digits")
    parser.add_argument("--epochs", type=int, help="times through the training images")
    parser.add_argument("--batch-size", type=int, help="images a step")
    parser.add_argument("--lr", type=float, default=0.003, help="learning rate at the start")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--out", default="out/cnn", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
