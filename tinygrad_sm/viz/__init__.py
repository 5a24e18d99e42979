"""Pictures of a computation graph. They read only `tinygrad_sm.graph`."""

from tinygrad_sm.viz.draw import draw, to_dot
from tinygrad_sm.viz.explain import explain
from tinygrad_sm.viz.plain import to_dict
from tinygrad_sm.viz.render import Drawing, RenderError
from tinygrad_sm.viz.tree import summary

__all__ = ["Drawing", "RenderError", "draw", "explain", "summary", "to_dict", "to_dot"]
