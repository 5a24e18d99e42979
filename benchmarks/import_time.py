"""How long `import tinygrad_sm, nn` takes, as a multiple of NumPy's own import.

    python benchmarks/import_time.py

Each turn is a new Python that imports NumPy and then both packages, which NumPy's time is part of.
The byte code of the packages is cached, as that of NumPy is, in a folder of this run's own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TURNS = 40
CODE = """
from time import perf_counter
start = perf_counter()
import numpy
middle = perf_counter()
import tinygrad_sm, nn
print(middle - start, perf_counter() - middle)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # an empty value of the first variable has Python write byte code, whatever is set outside
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)

        def turn() -> tuple[float, float]:
            command = [sys.executable, "-c", CODE]
            run = subprocess.run(command, env=environment, capture_output=True, check=True)
            of_numpy, ours = map(float, run.stdout.split())
            return of_numpy * 1e3, ours * 1e3

        turn()  # writes the byte code
        turns = [turn() for _ in range(TURNS)]
    of_numpy, ours = map(statistics.median, zip(*turns, strict=True))
    ratio = statistics.median((n + o) / n for n, o in turns)
    print(f"NumPy {of_numpy:.0f} ms, ours {ours:.0f} ms more: {ratio:.2f} times NumPy alone")


if __name__ == "__main__":
    main()
