"""A multilayer perceptron on handwritten digits, with softmax as its output layer.

Softmax regression has one template for each digit, and adds up where the image agrees with it. An
MLP has a hidden layer in between: 64 units that each look for a pattern of their own, and from what
they found come the scores of the ten digits,

    h = max(0, W₁ x + b₁)       the hidden units: ReLU lets through what is above 0
    z = W₂ h + b₂               the scores
    p = e^z / Σ e^z             softmax: the probabilities

In training, softmax is part of the loss: cross-entropy takes the scores z and computes −ln p_y for
the true digit y in one step that is exact where p is tiny. Nobody says what the hidden units are to
look for: the chain rule takes the gradient of the scores, (p − onehot(y)) / N, back through W₂ and
ReLU to W₁. Adam then moves each weight by about as much as every other, whether its gradients are
large or small (`python examples/optimizers.py` shows how).

    python examples/mlp.py
    python examples/mlp.py --hidden 8     as few hidden units as still do
    python examples/mlp.py --diagnose     look the network over before it is trained

It leaves pictures in the folder out/mlp.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nn
from tinygrad_sm import Tensor, draw, explain, manual_seed, no_grad
from tinygrad_sm.viz import plots


def main() -> None:
    options = parse_options()
    manual_seed(options.seed)
    train, test = nn.datasets.digits()
    loader = nn.DataLoader(train, batch_size=32, shuffle=True, seed=options.seed)

    model = nn.Sequential(
        {
            "hidden": nn.Linear(64, options.hidden),
            "relu": nn.ReLU(),
            "scores": nn.Linear(options.hidden, 10),
        }
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.Adam(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    if options.diagnose:
        print(nn.diagnose(model, loss_fn, train.x[:128], train.y[:128], optimizer=optimizer))

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    draw_first_step(out, model, loss_fn, train)

    history = {what: {"train": [], "held out": []} for what in ("loss", "accuracy")}
    progress = tqdm(range(options.epochs), unit="epoch")
    for _ in progress:
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()

        for part, (x, y) in (("train", train), ("held out", test)):
            with no_grad():
                scores = model(Tensor(x))
                loss = loss_fn(scores, y).item()
            right = (scores.numpy().argmax(axis=1) == y).sum()
            history["loss"][part].append(loss)
            history["accuracy"][part].append(right / len(y))
        progress.set_description(
            f"loss {loss:.4f} held out, {right / len(y):.1%} right", refresh=False
        )

    draw_pictures(out, model, test, history)
    draw_layers(out / "layers.png", model, loss_fn, test)

    print(f"loss {history['loss']['train'][-1]} train, {loss} held out")
    print(f"held-out accuracy {right / len(test.y):.1%} ({right} of {len(test.y)} digits)")
    print(f"pictures in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def draw_first_step(out: Path, model, loss_fn, train) -> None:
    """The computation graph, each module as one box, and a page on which to step through it.

    Before training, for in the end hardly any gradient is left to be seen.
    """
    images, labels = Tensor(train.x[:4], name="images"), Tensor(train.y[:4], name="labels")
    loss = loss_fn(model(images), labels)
    loss.backward()
    drawing = draw(loss, max_nodes=6, title="One step, folded by module")
    drawing.render(out / "graph", format="svg", cleanup=True)
    explain(loss, out / "backprop.html", title="A multilayer perceptron on 4 digits", lr=0.1)
    model.zero_grad()


def draw_pictures(out: Path, model, test, history) -> None:
    """How training went, and what was learned."""
    plots.history(history)[0].figure.savefig(out / "history.png")

    draw_hidden_units(out / "hidden.png", model, test)

    probabilities = model(Tensor(test.x)).softmax().numpy()
    confusion = plots.confusion_matrix(test.y, probabilities.argmax(axis=1), classes=10)
    confusion.figure.savefig(out / "confusion.png")
    mistakes = plots.mistakes(test.x.reshape(-1, 8, 8), test.y, probabilities)
    mistakes.flat[0].figure.savefig(out / "mistakes.png")


def draw_hidden_units(path: Path, model, data) -> None:
    """For each digit, the weights of the hidden units that speak up for it most, in a column."""
    with no_grad():
        h = model[:2](Tensor(data.x)).numpy()
    added = [w * h[data.y == k].mean(axis=0) for k, w in enumerate(model.scores.weight.numpy())]
    best = np.argsort(added, axis=1)[:, ::-1][:, :4].T
    units = best.ravel()

    figure = plots.Figure(figsize=(10.4, len(best) + 0.8), layout="constrained", dpi=130)
    axes = figure.subplots(*best.shape, squeeze=False)
    plots.weight_templates(
        model.hidden.weight.numpy()[units],
        shape=(8, 8),
        axes=axes,
        titles=[*"0123456789", *[""] * (len(units) - 10)],
    )
    figure.suptitle("What the hidden units look for: those that add most to each digit's score")
    figure.savefig(path)


def draw_layers(path: Path, model, loss_fn, data) -> None:
    """What the layers give, and the gradients that come to their weights."""
    x, y = Tensor(data.x), data.y
    figure = plots.Figure(figsize=(9, 5.2), layout="constrained", dpi=130)
    above, below = figure.subfigures(2, 1, hspace=0.06)
    above.suptitle("What each layer gives")
    plots.activation_histograms(model, x, above.subplots(1, 3))
    below.suptitle("The gradients of its weights and biases")
    model.zero_grad()
    loss_fn(model(x), y).backward()
    plots.gradient_histograms(model, below.subplots(1, 2))
    figure.savefig(path)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="times through the training images")
    parser.add_argument("--hidden", type=int, default=64, help="hidden units")
    parser.add_argument("--lr", type=float, default=0.003, help="learning rate")
    parser.add_argument("--weight-decay", type=float, default=1e-4, help="L2 regularisation")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result")
    parser.add_argument("--diagnose", action="store_true", help="look the network over first")
    parser.add_argument("--out", default="out/mlp", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
