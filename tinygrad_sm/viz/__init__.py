"""Pictures of a computation graph. They read only `tinygrad_sm.graph`."""

from tinygrad_sm.viz.drawing import Drawing, draw

__all__ = ["Drawing", "draw"]
