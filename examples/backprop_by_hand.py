"""Backpropagation by hand: one neuron, every gradient written out beside the engine's.

A neuron weighs two inputs, adds a bias and squashes the sum, and the loss is how far its output is
from a target:

    z = w1 x1 + w2 x2 + b        o = tanh z        loss = (o − t)²

Backward, the chain rule multiplies the slopes along the way from the loss to each number:

    ∂loss/∂o  = 2 (o − t)
    ∂loss/∂z  = ∂loss/∂o · (1 − o²)
    ∂loss/∂w1 = ∂loss/∂z · x1    ∂loss/∂w2 = ∂loss/∂z · x2    ∂loss/∂b = ∂loss/∂z

A few steps against the gradients then bring the output to the target.

    python examples/backprop_by_hand.py

It leaves the drawing and a page on which to step through it all, in out/backprop_by_hand.
"""

import argparse
import math
from pathlib import Path

from tinygrad_sm import Tensor, draw, explain


def main() -> None:
    options = parse_options()
    x1, x2, t = (Tensor(value, name=name) for name, value in (("x1", 2.0), ("x2", 0.5), ("t", 0.2)))
    w1, w2, b = parameters = [
        Tensor(value, requires_grad=True, name=name)
        for name, value in (("w1", -3.0), ("w2", 1.0), ("b", 6.9))
    ]

    for epoch in range(options.epochs):
        z = w1 * x1 + w2 * x2 + b
        o = z.tanh()
        loss = (o - t) ** 2
        for tensor, name in ((z, "z"), (o, "o"), (loss, "loss")):
            tensor.name = name
        for inner in (z, o):
            inner.retain_grad()
        loss.backward()

        if epoch == 0:
            tensors = {each.name: each for each in (x1, x2, w1, w2, b, t, z, o, loss)}
            print_table(
                tensors, *by_hand(*(tensors[n].item() for n in ("x1", "x2", "w1", "w2", "b", "t")))
            )
            out = Path(options.out)
            out.mkdir(parents=True, exist_ok=True)
            drawing = draw(loss, title="One neuron: values forward, gradients back")
            drawing.render(out / "graph", format="svg", cleanup=True)
            page = explain(loss, out / "backprop.html", title="One neuron", lr=options.lr)

        print(f"step {epoch + 1}: output {o.item():.4f}, loss {loss.item():.6f}")
        for p in parameters:
            p.data -= options.lr * p.grad
            p.grad = None

    print(f"open {page} in a browser; the drawing is {out / 'graph.svg'}")


def by_hand(x1, x2, w1, w2, b, t):
    """Values and gradients from the formulas above, in plain Python."""
    z = w1 * x1 + w2 * x2 + b
    o = math.tanh(z)
    loss = (o - t) ** 2
    values = {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b, "t": t, "z": z, "o": o, "loss": loss}

    by_o = 2 * (o - t)
    by_z = by_o * (1 - o * o)
    gradients = {"w1": by_z * x1, "w2": by_z * x2, "b": by_z, "z": by_z, "o": by_o, "loss": 1.0}
    return values, gradients


def print_table(tensors, values, gradients) -> None:
    print(f"{'':6}{'value':>10}{'by hand':>10}   {'gradient':>10}{'by hand':>10}")
    for name, tensor in tensors.items():
        line = f"{name:6}{tensor.item():10.4f}{values[name]:10.4f}"
        if name in gradients:
            gradient = 1.0 if name == "loss" else tensor.grad.item()
            line += f"   {gradient:10.4f}{gradients[name]:10.4f}"
        print(line)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="steps of gradient descent")
    parser.add_argument("--lr", type=float, default=0.2, help="learning rate")
    parser.add_argument("--out", default="out/backprop_by_hand", help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
