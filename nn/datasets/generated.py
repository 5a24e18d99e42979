"""Points in the plane that a network has to tell apart, made from random numbers.

All take the number of points n, the standard deviation of the noise that moves them, and a seed (or
a NumPy generator), and give a `Dataset` with x float32 of shape (n, 2) and y int64 of shape (n,),
its rows in random order and its classes of equal size, to within one point. `nn.random_split`
splits one into parts.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nn.datasets.dataset import Array, Dataset

# As a text, since numpy.random loads only when it is asked for.
Seed: TypeAlias = "int | np.random.Generator | None"


def moons(n: int = 100, noise: float = 0.1, seed: Seed = 0) -> Dataset:
    """Two half circles of radius 1 that reach into each other.

        class 0: (cos t, sin t)    class 1: (1 − cos t, 1/2 − sin t)    0 ≤ t ≤ π

    No straight line parts them; one hidden layer does. They are scikit-learn's `make_moons`.

    >>> moons().x.shape
    (100, 2)
    """
    upper, lower = (np.linspace(0, np.pi, size) for size in _sizes(n, 2))
    parts = [
        np.stack([np.cos(upper), np.sin(upper)], axis=1),
        np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
    ]
    return _dataset(parts, noise, np.random.default_rng(seed))


def circles(n: int = 100, noise: float = 0.05, seed: Seed = 0, factor: float = 0.8) -> Dataset:
    """A circle of radius 1 (class 0) around one of radius `factor` (class 1).

    The squared distance from the middle parts them. They are scikit-learn's `make_circles`.

    >>> circles(noise=0, factor=0.5).x.max()
    np.float32(1.0)
    """
    if not 0 <= factor < 1:
        raise ValueError(f"factor, the inner radius, is at least 0 and below 1, got {factor}")
    angles = [np.linspace(0, 2 * np.pi, size, endpoint=False) for size in _sizes(n, 2)]
    parts = [
        radius * np.stack([np.cos(t), np.sin(t)], axis=1)
        for radius, t in zip((1, factor), angles, strict=True)
    ]
    return _dataset(parts, noise, np.random.default_rng(seed))


def blobs(
    n: int = 100, noise: float = 1.0, seed: Seed = 0, centers: int | npt.ArrayLike = 3
) -> Dataset:
    """Round clouds of points, one for each class, with standard deviation `noise`.

    centers: how many, at random places with coordinates between −10 and 10; or the places
        themselves, of shape (classes, features).

    Softmax regression is the right model for them. They are scikit-learn's `make_blobs`.

    >>> blobs(6, noise=0, centers=[[0, 0], [5, 5]]).x.mean(axis=0)
    array([2.5, 2.5], dtype=float32)
    """
    generator = np.random.default_rng(seed)
    if isinstance(centers, int):
        if centers < 1:
            raise ValueError(f"centers is at least 1, got {centers}")
        places = generator.uniform(-10, 10, (centers, 2))
    else:
        places = np.asarray(centers, dtype=np.float64)
        if places.ndim != 2 or not places.size:
            raise ValueError(
                "centers is a number, or places of shape (classes, features), "
                f"got shape {places.shape}"
            )
    sizes = _sizes(n, len(places))
    parts = [np.tile(place, (size, 1)) for place, size in zip(places, sizes, strict=True)]
    return _dataset(parts, noise, generator)


def spirals(
    n: int = 200, noise: float = 0.02, seed: Seed = 0, arms: int = 2, turns: float = 1.0
) -> Dataset:
    """Spiral arms wound around each other from the middle to radius 1, one for each class.

        class k: r · (cos φ, sin φ)    φ = 2π · (turns · r + k / arms)    0 < r ≤ 1

    Hard for a small network: more so the more turns. Source: the two spirals of Lang and Witbrock
    (1988), who took turns=3.

    >>> spirals(300, arms=3).y.max()
    np.int64(2)
    """
    if arms < 1:
        raise ValueError(f"arms is at least 1, got {arms}")
    parts = []
    for arm, size in enumerate(_sizes(n, arms)):
        r = np.arange(1, size + 1) / size
        angle = 2 * np.pi * (turns * r + arm / arms)
        parts.append(r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return _dataset(parts, noise, np.random.default_rng(seed))


def xor(n: int = 100, noise: float = 0.1, seed: Seed = 0) -> Dataset:
    """The square from −1 to 1: class 1 where the signs of the two coordinates differ.

    The points are uniform in each quarter before the noise moves them. No straight line parts the
    classes: what a perceptron cannot learn, as Minsky and Papert (1969) showed.

    >>> data = xor(noise=0)
    >>> bool(((data.x.prod(axis=1) < 0) == data.y).all())
    True
    """
    generator = np.random.default_rng(seed)
    parts = []
    for size, signs in zip(_sizes(n, 2), ([1, 1], [1, -1]), strict=True):
        opposite = np.where(np.arange(size) % 2, -1, 1)  # every other point in the quarter opposite
        parts.append(generator.uniform(0, 1, (size, 2)) * signs * opposite[:, None])
    return _dataset(parts, noise, generator)


def _sizes(n: Any, classes: int) -> list[int]:
    """How many of n points each class gets: as equal as can be."""
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise TypeError(f"n, the number of points, is a whole number, got {n!r}")
    if n < classes:
        raise ValueError(f"n is at least 1 for each of the {classes} classes, got {n}")
    # The later classes get what is left over, as the second moon of scikit-learn does.
    return [(n + k) // classes for k in range(classes)]


def _dataset(parts: list[Array], noise: float, generator: np.random.Generator) -> Dataset:
    """The points of each class, moved by the noise and in random order."""
    if not noise >= 0:
        raise ValueError(f"noise is a standard deviation, at least 0, got {noise}")
    x = np.concatenate(parts)
    y = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    x = x + generator.normal(scale=noise, size=x.shape)
    order = generator.permutation(len(x))
    return Dataset(x[order].astype(np.float32), y[order].astype(np.int64))
