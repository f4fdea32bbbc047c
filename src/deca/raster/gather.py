"""Vertex values at points of triangles: gathered, weighed and summed in one pass."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def weighted_corners(
    values: Float[Tensor, "vertex channel"],
    corners: Int[Tensor, "point 3"],
    weights: Float[Tensor, "point 3"],
) -> Float[Tensor, "point channel"]:
    """Sum over the corners of weight times vertex value; differentiable in values and weights.

    The same as `(values[corners] * weights[..., None]).sum(1)`, an order of magnitude faster on a CPU.
    """
    result = _WeightedCorners.apply(values, corners, weights)
    assert isinstance(result, Tensor)
    return result


class _WeightedCorners(torch.autograd.Function):
    """`embedding_bag` forward fuses the three steps; its own backward sorts, so the adjoint is by hand."""

    @staticmethod
    def forward(ctx, values: Tensor, corners: Tensor, weights: Tensor) -> Tensor:  # pyright: ignore
        ctx.save_for_backward(values, corners, weights)
        bag = torch.nn.functional.embedding_bag
        return bag(corners, values.contiguous(), per_sample_weights=weights.contiguous(), mode="sum")

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor):  # pyright: ignore
        values, corners, weights = ctx.saved_tensors
        of_values = of_weights = None
        if ctx.needs_input_grad[0]:
            of_values = torch.zeros_like(values)
            for corner in range(3):
                of_values.index_add_(0, corners[:, corner], gradient * weights[:, corner : corner + 1])
        if ctx.needs_input_grad[2]:
            dots = [(values.index_select(0, corner) * gradient).sum(1) for corner in corners.unbind(1)]
            of_weights = torch.stack(dots, 1)
        return of_values, None, of_weights
