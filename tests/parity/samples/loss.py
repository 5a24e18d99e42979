"""Losses, called as PyTorch calls its own."""

from samples.unsupported import Unsupported
from tinygrad_sm import Tensor


def weighted(loss):
    """A loss of class labels: ours refuses weights that count negatively."""

    def call(x, target, **options):
        weight = options.get("weight")
        if weight is not None and (weight.numpy() < 0).any():
            raise Unsupported("negative class weights")
        return loss(x, target, **options)

    return call


def multi_margin_loss(x, target, **options):
    if x.ndim == 0 or target.shape != x.shape[:-1]:
        raise Unsupported("labels of another shape than (N,) or ()")
    return weighted(Tensor.multi_margin_loss)(x, target, **options)


def cross_entropy(x, target, **options):
    axis = min(1, x.ndim - 1)
    if target.dtype.kind == "f" and (abs(target.numpy().sum(axis) - 1) > 1e-3).any():
        raise Unsupported("targets that are no probability distributions")
    return weighted(Tensor.cross_entropy)(x, target, **options)


SAMPLES = {
    "nn.functional.mse_loss": Tensor.mse_loss,
    "nn.functional.l1_loss": Tensor.l1_loss,
    "nn.functional.smooth_l1_loss": Tensor.smooth_l1_loss,
    "nn.functional.huber_loss": Tensor.huber_loss,
    "nn.functional.kl_div": Tensor.kl_div,
    "nn.functional.binary_cross_entropy": Tensor.binary_cross_entropy,
    "nn.functional.binary_cross_entropy_with_logits": Tensor.binary_cross_entropy_with_logits,
    "nn.functional.nll_loss": weighted(Tensor.nll_loss),
    "nn.functional.multi_margin_loss": multi_margin_loss,
    "nn.functional.cross_entropy": cross_entropy,
}
