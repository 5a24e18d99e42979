"""Losses that are kept with their graphs, step after step, until memory is full."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from tinygrad_sm.autograd import latest_write
from tinygrad_sm.errors import warn

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor

_losses: list[weakref.ref[Tensor]] = []


def look_for_kept_losses(loss: Tensor) -> None:
    """Warn if the losses of many steps are all alive, each with its graph.

    Called for one loss of 16. Only losses of different steps count: values were written to between.
    """
    while not all(kept() is not None for kept in _losses):  # one was let go: count from the next
        _losses.pop(0)
    last = _losses[-1]() if _losses else None
    if last is not None and last.number > latest_write.number:
        return
    _losses.append(weakref.ref(loss))
    if len(_losses) == 16:
        warn(
            "losses-kept",
            "the losses of hundreds of steps are still alive, each with its whole graph, and "
            "memory grows with every step. Keep the numbers instead: "
            "losses.append(loss.item()) or total += loss.item().",
        )
        _losses.clear()
