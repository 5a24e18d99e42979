"""Pictures of a computation graph. They read only `tinygrad_sm.graph`."""

from tinygrad_sm.viz.draw import draw
from tinygrad_sm.viz.explain import explain
from tinygrad_sm.viz.render import Drawing, RenderError
from tinygrad_sm.viz.tree import summary

__all__ = ["Drawing", "RenderError", "draw", "explain", "summary"]
