from __future__ import annotations

import copy

import torch
from torch import nn

from deca.training.synchronised import SynchronisedBatchNorm, synchronise


def networks() -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    second = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=0.8), nn.ReLU(), second)
    for norm in (plain[1], second[1]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    synchronised = copy.deepcopy(plain)
    synchronise(synchronised)
    return plain, synchronised


def test_in_one_process_it_is_a_batch_norm():
    plain, synchronised = networks()
    assert sum(isinstance(module, SynchronisedBatchNorm) for module in synchronised.modules()) == 2
    assert plain.state_dict().keys() == synchronised.state_dict().keys()
    for _ in range(2):
        x = torch.randn(5, 3, 8, 8) + 2
        expected, found = plain(x), synchronised(x)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        weights = torch.randn(expected.shape)
        (expected * weights).sum().backward()
        (found * weights).sum().backward()
    for (name, values), other in zip(plain.named_parameters(), synchronised.parameters(), strict=True):
        torch.testing.assert_close(other.grad, values.grad, atol=1e-3, rtol=1e-3, msg=name)
    for name, values in plain.state_dict().items():
        torch.testing.assert_close(synchronised.state_dict()[name], values)
    plain.eval()
    synchronised.eval()
    torch.testing.assert_close(synchronised(x), plain(x))


def test_the_tensors_stay_the_same_ones():
    plain, _ = networks()
    weight = plain[1].weight
    synchronise(plain)
    assert plain[1].weight is weight
    assert plain[1].training
