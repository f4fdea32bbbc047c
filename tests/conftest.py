"""Fixtures of every test: the small head, and one thread so that workers do not fight."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings
from small_head import make_small_head

from deca.head.data import HeadData

torch.set_num_threads(1)
# Speed is measured in benchmarks/, never in a test; the first call of a test may compile.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small_head() -> HeadData:
    """The ellipsoid head of 200 vertices."""
    return make_small_head()
