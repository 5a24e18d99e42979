"""The table of agreement; in `tests/parity`: `PYTHONPATH=../..:.. python -m samples`."""

import torch

from samples import SAMPLES, agreement

print("| operator | samples agreed, float64 | float32 | not expressible in ours |")
print("|---|---:|---:|---|")
for key in sorted(SAMPLES, key=str):
    wide, narrow = agreement(key), agreement(key, torch.float32)
    counts = [f"{r.agreed} of {r.agreed + len(r.differences)}" for r in (wide, narrow)]
    reasons = "; ".join(f"{reason} ({n})" for reason, n in wide.unsupported.items())
    name = key if isinstance(key, str) else " ".join(key)
    print(f"| {' | '.join([name, *counts, reasons])} |", flush=True)
