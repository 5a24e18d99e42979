"""Every operation: its forward computation and its derivative, side by side.

Nothing here knows of Tensors. The files read as sheets of formulas over NumPy arrays, in the order
in which they build on each other. `ops.exp` is the operation "exp", whichever file has it.
"""

from tinygrad_sm.ops.op import TABLE as TABLE
from tinygrad_sm.ops.op import Op as Op
from tinygrad_sm.ops.elementwise import *
from tinygrad_sm.ops.shape import *
from tinygrad_sm.ops.reduction import *
from tinygrad_sm.ops.linear_algebra import *
from tinygrad_sm.ops.softmax import *
from tinygrad_sm.ops.loss import *
from tinygrad_sm.ops.normalization import *
from tinygrad_sm.ops.convolution import *
