"""Embedding: a vector to learn for each word, user or other thing that has a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn import init
from nn.module import Module, Parameter
from tinygrad_sm import DtypeError, Tensor, where, zeros


class Embedding(Module):
    """A table of vectors: index i gives row i of `weight`.

    num_embeddings: how many vectors there are; indices go from 0 up to but without it.
    embedding_dim: their length.
    padding_idx: an index whose vector starts at 0 and is not learnt (it gets no gradient).

    Shapes: integers of any shape (…) give (…, embedding_dim). `weight` is
    (num_embeddings, embedding_dim) and starts with normal values, as in PyTorch.

    Raises DtypeError for indices that are no integers, IndexError for one outside the table.

    >>> Embedding(10, 3)(Tensor([[1, 2], [4, 4]], dtype=int)).shape
    (2, 2, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"padding_idx={padding_idx} is none of the {num_embeddings} embeddings"
                )
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.weight = init.normal_(Parameter(zeros(num_embeddings, embedding_dim)))
        if padding_idx is not None:
            self.weight.data[padding_idx] = 0

    def forward(self, indices: Any) -> Tensor:
        """The rows of `weight` at the indices."""
        rows = np.asarray(indices)
        if rows.dtype.kind not in "iu":
            raise DtypeError(
                f"Embedding needs integers as indices, got dtype {rows.dtype}; use astype(int)"
            )
        outside = (rows < 0) | (rows >= self.num_embeddings)
        if outside.any():
            raise IndexError(
                f"index {rows[outside][0]} is outside the embeddings 0 to {self.num_embeddings - 1}"
            )
        vectors = self.weight[rows]
        if self.padding_idx is None:
            return vectors
        learnt = (rows != self.padding_idx)[..., None]
        return where(learnt, vectors, vectors.detach())

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
