"""Batch norm over the faces of all processes, on any device: how a step is shared out then makes no
difference."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """As BatchNorm2d; while it trains, mean and variance are those of all processes' batches together.

    PyTorch's own does the same on graphics processors alone.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalised maps."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = _total(x.new_full((), x.numel() / x.shape[1]))
        mean = _total(x.sum((0, 2, 3))) / count
        deviation = x - mean[:, None, None]
        # Around the mean of all, so that no digits are lost.
        variance = _total(deviation.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        return (deviation * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def synchronise(module: nn.Module) -> None:
    """Let every batch norm in a module be one over all processes; its tensors stay the same ones."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            with torch.device("meta"):
                norm = SynchronisedBatchNorm(child.num_features, child.eps, child.momentum)
            norm.weight, norm.bias = child.weight, child.bias
            for buffer, values in child.named_buffers():
                setattr(norm, buffer, values)
            setattr(module, name, norm.train(child.training))
        else:
            synchronise(child)


def _total(values: Tensor) -> Tensor:
    """The sum over all processes, of which each learns its part."""
    return all_reduce(values) if distributed.is_initialized() else values
