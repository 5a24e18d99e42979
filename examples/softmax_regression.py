"""Softmax regression on handwritten digits, by gradient descent.

An image x of 64 pixels gets a score for each of the ten digits, z = W x + b. Softmax makes the
scores probabilities, p = e^z / Σ e^z, and cross-entropy is the penalty for a true digit y that
got little of it: −ln p_y. Its gradient with respect to the scores is (p − onehot(y)) / N for a
batch of N images, and from there the chain rule leads to W and b. Each step moves them a little
against their gradient; weight decay (L2 regularisation) pulls W and b towards 0.

    python examples/softmax_regression.py                    mini-batches of 32
    python examples/softmax_regression.py --batch-size 1     stochastic gradient descent
    python examples/softmax_regression.py --batch-size 0     batch gradient descent

It leaves pictures in the folder out/softmax_regression.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, draw, explain, manual_seed, no_grad
from tinygrad_sm.viz import plots


def main() -> None:
    options = parse_options()
    manual_seed(options.seed)
    train, test = nn.datasets.digits()
    loader = nn.DataLoader(
        train, batch_size=options.batch_size or None, shuffle=True, seed=options.seed
    )

    model = nn.Linear(64, 10)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)

    history = {what: {"train": [], "held out": []} for what in ("loss", "accuracy")}
    progress = tqdm(range(options.epochs), unit="epoch")
    for _ in progress:
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()

        for part, data in (("train", train), ("held out", test)):
            loss, accuracy = evaluate(model, loss_fn, data)
            history["loss"][part].append(loss)
            history["accuracy"][part].append(accuracy)
        train_loss, test_loss = (losses[-1] for losses in history["loss"].values())
        progress.set_description(
            f"loss {train_loss:.4f} train, {test_loss:.4f} held out; {accuracy:.1%} right",
            refresh=False,
        )

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_pictures(out, model, loss_fn, train, test, history)

    right = round(accuracy * len(test.y))
    print(f"loss {train_loss} train, {test_loss} held out")
    print(f"held-out accuracy {accuracy:.1%} ({right} of {len(test.y)} digits)")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def evaluate(model: nn.Module, loss_fn: nn.Module, data: nn.datasets.Dataset):
    """The loss, and the share of images for which the true digit got the highest score."""
    with no_grad():
        scores = model(Tensor(data.x))
        right = (scores.argmax(axis=1) == data.y).astype(float).mean()
        return loss_fn(scores, data.y).item(), right.item()


def draw_pictures(out, model, loss_fn, train, test, history) -> None:
    """One step's computation graph, as a drawing and to step through, and what was learned."""
    model.zero_grad()
    images, labels = Tensor(train.x[:4], name="images"), Tensor(train.y[:4], name="labels")
    loss = loss_fn(model(images), labels)
    loss.backward()
    drawing = draw(loss, title="One step: scores forward, gradients back")
    drawing.render(out / "graph", format="svg", cleanup=True)
    explain(loss, out / "backprop.html", title="Softmax regression on 4 digits", lr=0.3)

    curves = plots.history(history)
    curves[0].figure.savefig(out / "history.png")

    weights = plots.weight_templates(model.weight, shape=(8, 8))
    weights.flat[0].figure.savefig(out / "weights.png")

    probabilities = model(Tensor(test.x)).softmax().numpy()
    confusion = plots.confusion_matrix(test.y, probabilities.argmax(axis=1), classes=10)
    confusion.figure.savefig(out / "confusion.png")
    mistakes = plots.mistakes(test.x.reshape(-1, 8, 8), test.y, probabilities)
    mistakes.flat[0].figure.savefig(out / "mistakes.png")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="times through the training images")
    parser.add_argument("--batch-size", type=int, default=32, help="images a step; 0 takes all")
    parser.add_argument("--lr", type=float, default=0.3, help="learning rate")
    parser.add_argument("--weight-decay", type=float, default=1e-4, help="L2 regularisation")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--out", default="out/softmax_regression", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
