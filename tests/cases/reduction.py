"""Reductions: a case for each."""

from __future__ import annotations

import numpy as np

from cases.draw import Case, reductions
from tinygrad_sm import Tensor

CASES = {
    "sum": Case(reductions(min_side=0), Tensor.sum, np.sum),
    "mean": Case(reductions(), Tensor.mean, np.mean),
    "max": Case(reductions(), Tensor.max, np.max),
    "min": Case(reductions(), Tensor.min, np.min),
    "argmax": Case(reductions(several=False), Tensor.argmax, np.argmax),
    "argmin": Case(reductions(several=False), Tensor.argmin, np.argmin),
}
