"""Products of matrices, called as PyTorch calls its own."""

from tinygrad_sm import Tensor, einsum


def tensordot(a, b, dims):
    return a.tensordot(b, dims)


def einsum_of(operands, equation):
    return einsum(equation, *operands)


SAMPLES = {
    "matmul": Tensor.matmul,
    "__rmatmul__": lambda x, other: other @ x,
    "dot": Tensor.dot,
    "mv": Tensor.mv,
    "mm": Tensor.mm,
    "bmm": Tensor.bmm,
    "outer": Tensor.outer,
    "inner": Tensor.inner,
    "einsum": einsum_of,
    "tensordot": tensordot,
    "addmm": Tensor.addmm,
    "baddbmm": Tensor.baddbmm,
    "nn.functional.linear": Tensor.linear,
}
