"""Pickles of arrays on disk, read without running anything that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deca.io.damage import naming_file
from deca.io.limited_reader import LimitedReader, Stream
from deca.io.pickle_arrays import Allowance
from deca.io.pickle_machine import run_pickle
from deca.io.torch_tensors import Tensor, pickle_constructors

_LARGEST_INTEGER = 2**63


def read_pickle(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a dict in a pickle file; chumpy, sparse and PyTorch ones become plain arrays.

    Anything that asks for more, or is damaged, is an AssetError, and nothing of it is run.
    """
    with naming_file(path), LimitedReader(path) as stream:
        return named_arrays(unpickled(stream, stream.size), Allowance(stream.size))


def unpickled(stream: Stream, size: int) -> object:
    """What the pickle at the position of a stream of `size` bytes holds; raises as run_pickle does."""
    return run_pickle(stream, pickle_constructors(Allowance(size)))


def named_arrays(content: object, allowance: Allowance) -> dict[str, np.ndarray]:
    """The arrays, numbers and texts of a dict under their names; what else is in it is left out.

    Anything but a dict has no names and gives none. RefusedError where the arrays, which may share their
    numbers, take more than the allowance.
    """
    arrays = {}
    for name, value in content.items() if isinstance(content, Mapping) else ():
        array = _array(value)
        if isinstance(name, str) and array is not None:
            allowance.spend(array.nbytes)
            arrays[name] = array
    return arrays


def _array(value: object) -> np.ndarray | None:
    if isinstance(value, Tensor):
        return value.array()
    if isinstance(value, np.ndarray):
        return value
    plain = isinstance(value, str | float | np.generic)
    if plain or (isinstance(value, int) and abs(value) < _LARGEST_INTEGER):
        return np.asarray(value)
    return None
