"""How an einsum equation is read, and split into steps that take two operands each.

In "ij,jk->ik" every axis of an operand has a letter. Axes with the same letter run together; a
letter that the result has not is summed over. Without "->", the result has every letter that occurs
once, in alphabetical order. "..." stands for any number of further axes, which broadcast.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygrad_sm.errors import DtypeError, ShapeError

Shape = tuple[int, ...]

# string.ascii_letters; importing string would take longer than the rest of this module
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Plan(NamedTuple):
    """What to do with the operands, in this order.

    diagonals[i]: pairs of axes of operand i to take the diagonal of; it becomes the last axis.
    sums[i]: the axes of operand i to sum over after that.
    steps: two operands to contract, and by which equation; the result joins the end of the list.
    axes: the order of the axes in the end.
    product: the equation, where it all is one product of two operands.
    """

    diagonals: tuple[tuple[tuple[int, int], ...], ...]
    sums: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[int, int, str], ...]
    axes: tuple[int, ...]
    product: str | None


@lru_cache(maxsize=256)
def plan(equation: str, shapes: tuple[Shape, ...]) -> Plan:
    """The steps for operands of these shapes.

    What concerns one operand alone is done first. What is left is a product of two operands at a
    time, in which every letter occurs twice or in the result: its gradients are such products too.
    """
    terms, result = _read(equation, shapes)
    length = _lengths(equation, terms, shapes)
    diagonals, terms_once = zip(*map(_without_repeats, terms), strict=True)
    # An axis of length 1 beside a longer one says nothing: without it, broadcasting is over.
    stretched = [
        {c for c, n in zip(term, shape, strict=True) if n != length[c]}
        for term, shape in zip(terms, shapes, strict=True)
    ]
    pairs = [*zip(terms_once, stretched, strict=True)]
    occurs = Counter(c for term, ones in pairs for c in term if c not in ones)
    sums, kept = [], []
    for term, ones in pairs:
        gone = [c in ones or (occurs[c] == 1 and c not in result) for c in term]
        sums.append(tuple(i for i, g in enumerate(gone) if g))
        kept.append("".join(c for c, g in zip(term, gone, strict=True) if not g))
    steps = []
    for i, j in _order(kept, result, length):
        b, a = kept.pop(j), kept.pop(i)
        needed = {*result}.union(*kept)
        y = "".join(dict.fromkeys(c for c in a + b if c in needed)) if kept else result
        steps.append((i, j, f"{a},{b}->{y}"))
        kept.append(y)
    axes = tuple(kept[0].index(c) for c in result)
    alone = len(terms) == 2 and not any((*diagonals, *sums)) and axes == tuple(range(len(axes)))
    return Plan(diagonals, tuple(sums), tuple(steps), axes, steps[0][2] if alone else None)


def _read(equation: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters in the place of "..."."""
    if not isinstance(equation, str):
        raise DtypeError(
            'einsum needs an equation first, such as einsum("ij,jk->ik", a, b), '
            f"got {type(equation).__name__}"
        )
    operands, arrow, result = equation.replace(" ", "").partition("->")
    terms = operands.split(",")
    for term in (*terms, result):
        if term.count("...") > 1 or not (term.replace("...", "", 1) + "a").isalpha():
            raise ValueError(
                f"einsum equation {equation!r}: {term!r} is not made of letters, one for each "
                'axis, and at most one "..."'
            )
    if len(terms) != len(shapes):
        raise ShapeError(
            f"einsum equation {equation!r} is for {len(terms)} operands, got {len(shapes)}"
        )
    further = []  # how many axes "..." stands for
    for term, shape in zip(terms, shapes, strict=True):
        named = len(term.replace("...", ""))
        further.append(len(shape) - named)
        if further[-1] < 0 or (further[-1] and "..." not in term):
            raise ShapeError(
                f"einsum equation {equation!r}: {term!r} names {named} axes, but the operand has "
                f'shape {shape}. Use one letter for each axis, or "..." for the rest'
            )
    spare = "".join(c for c in LETTERS if c not in equation)[: max(further)]
    if not arrow:
        once = Counter("".join(terms).replace(".", ""))
        result = "..." + "".join(sorted(c for c, n in once.items() if n == 1))
    terms = [
        term.replace("...", spare[len(spare) - n :]) for term, n in zip(terms, further, strict=True)
    ]
    result = result.replace("...", spare)
    for c, n in Counter(result).items():
        if n > 1 or not any(c in term for term in terms):
            fault = "twice in the result" if n > 1 else "in the result, but in no operand"
            raise ValueError(f"einsum equation {equation!r}: {c!r} is {fault}")
    return terms, result


def _lengths(equation: str, terms: list[str], shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The length that belongs to each letter: the one that is not 1, if there is one."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for c, n in zip(term, shape, strict=True):
            m = lengths.get(c, 1)
            if (m != n and 1 not in (m, n)) or shape[term.index(c)] != n:
                where = f"{c!r} is an axis" if c in equation else '"..." has an axis'
                raise ShapeError(
                    f"einsum equation {equation!r}, shapes {', '.join(map(str, shapes))}: "
                    f"{where} of length {m if m != n else shape[term.index(c)]} and of length {n}"
                )
            lengths[c] = n if m == 1 else m
    return lengths


def _without_repeats(term: str) -> tuple[tuple[tuple[int, int], ...], str]:
    """The diagonals that leave every letter once, and the letters then."""
    pairs = []
    for c, n in Counter(term).items():
        for _ in range(n - 1):
            i = term.index(c)
            j = term.index(c, i + 1)
            pairs.append((i, j))
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return tuple(pairs), term


def _order(terms: list[str], result: str, length: dict[str, int]) -> list[tuple[int, int]]:
    """Which two operands to contract, again and again, so that it takes few multiplications."""
    if len(terms) < 3:
        return [(0, 1)] * (len(terms) - 1)
    stand_ins = [np.broadcast_to(0.0, [length[c] for c in term]) for term in terms]
    search = "optimal" if len(terms) <= 5 else "greedy"  # optimal takes exponential time
    path, _ = np.einsum_path(f"{','.join(terms)}->{result}", *stand_ins, optimize=search)
    order = []
    n = len(terms)
    for group in path[1:]:
        group = sorted(group)
        while len(group) > 1:  # NumPy may see no use in an order
            i, j = group.pop(0), group.pop(0)
            order.append((i, j))
            group = [k - (k > i) - (k > j) for k in group] + ([n - 2] if group else [])
            n -= 1
    return order
