"""Make the README's picture of the page that `explain` writes: `python docs/backprop_animation.py`.

One sample goes through a small network and its gradients come back, a step a frame. It needs
Chromium, and Pillow, which Matplotlib brings. The same Chromium makes the same picture.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tinygrad_sm import Tensor, explain

SIZE = 880, 570  # of the page: a README is about as wide
SCALE = 2  # the picture has so many pixels for one of the page, and is sharp on fine screens too
COLOURS = 96  # with all of them, for smoother edges of letters, it is half as large again
# What only serves who steps through the page is left out, and formulas fit on a line.
STYLE = """
header, #buttons { display: none }
body { grid-template-rows: minmax(0, 1fr) auto }
main { grid-template-columns: 9fr 10fr; padding-top: .8rem }
p.formula { font-size: .95rem }
#slider { margin-bottom: 0 }
"""
# Title and part of each step that is shown, and for how many seconds.
FRAMES = {
    ("What is given", None): 2.5,
    ("Compute a", None): 2,
    ("Compute h", None): 2,
    ("Compute scores", None): 2,
    ("Compute loss", "part 4 of 7"): 2.5,  # the probabilities
    ("Compute loss", "part 6 of 7"): 2.5,  # −ln p
    ("From loss back to scores", None): 4,  # p − onehot
    ("From scores back to h", "input 1 of 2"): 3,
    ("From scores back to w2", "input 2 of 2"): 3,
    ("From h back to a", None): 4,  # the gradient that arrives × the local derivative
    ("From a back to w1", None): 3,
    ("All gradients", None): 4,
}


def network():
    """A hidden layer of two, one of which ReLU turns off, and three classes."""
    x, label = Tensor([[1.0, 2.0]], name="x"), Tensor(np.array([1]), name="label")
    w1 = Tensor([[0.5, 1.0], [0.5, -1.0]], requires_grad=True, name="w1")
    w2 = Tensor([[1.0, 0.4, -0.2], [0.5, 1.0, 0.5]], requires_grad=True, name="w2")
    a = x @ w1
    h = a.relu()
    scores = h @ w2
    a.name, h.name, scores.name = "a", "h", "scores"
    return scores.cross_entropy(label)


def photograph(page, step, path):
    """The page at a step, counted from 1."""
    width, height = SIZE
    subprocess.run(
        [
            shutil.which("chromium") or shutil.which("google-chrome") or "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--force-prefers-reduced-motion", f"--force-device-scale-factor={SCALE}"),
            *(f"--window-size={width},{height}", f"--screenshot={path}", f"{page.as_uri()}#{step}"),
        ],
        check=True,
        capture_output=True,
    )
    return Image.open(path).convert("RGB")


def frames():
    with tempfile.TemporaryDirectory() as folder:
        page = explain(network(), Path(folder, "backprop.html"))
        text = page.read_text(encoding="utf-8")
        data = re.search('<script id="data" [^>]*>(.*?)</script>', text)[1]
        steps = [(step["title"], step.get("part")) for step in json.loads(data)["steps"]]
        page.write_text(text.replace("</style>", f"{STYLE}</style>"), encoding="utf-8")
        return [
            photograph(page, steps.index(frame) + 1, Path(folder, "step.png")) for frame in FRAMES
        ]


def few_colours(pictures):
    """The pictures in the colours that are most frequent in all of them; text stays smooth."""
    codes = [np.array(picture, int) @ (1 << 16, 1 << 8, 1) for picture in pictures]
    counts = sum(np.bincount(code.ravel(), minlength=1 << 24) for code in codes)
    used = np.flatnonzero(counts)
    colours = used[:, None] >> (16, 8, 0) & 255
    palette = colours[np.argsort(-counts[used], kind="stable")[:COLOURS]]
    nearest = abs(colours[:, None] - palette).sum(axis=-1).argmin(axis=1)
    table = np.zeros((1 << 24, 3), np.uint8)
    table[used] = palette[nearest]
    return [Image.fromarray(table[code]) for code in codes]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("backprop.webp"))
    out = parser.parse_args().out
    first, *others = few_colours(frames())
    # WebP is as sharp as the page and small: a GIF of the same frames is 1.8 times as large.
    first.save(
        out,
        save_all=True,
        append_images=others,
        duration=[round(1000 * seconds) for seconds in FRAMES.values()],
        loop=0,
        lossless=True,
        method=6,
    )
