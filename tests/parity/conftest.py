"""What the tests beside PyTorch import is not searched for doctests: it needs torch."""

collect_ignore = ["beside.py", "samples", "twins"]
