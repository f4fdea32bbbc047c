"""The named arrays of one file, taken out one by one with their shape and range checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deca.conversion.asset import AssetError

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class NamedArrays:
    """Arrays under a file's own names; `where` is the file, which every error begins with.

    In the shapes asked for, None is any size.
    """

    where: str
    arrays: Mapping[str, np.ndarray]

    def numbers(self, name: str, *shape: int | None) -> np.ndarray:
        """Finite numbers, float32."""
        values = self._taken(name, shape, "fiub")
        with np.errstate(over="ignore"):
            values = values.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise self.error(f"{name} holds a number that is not finite; get the file again")
        return values

    def indices(self, name: str, *shape: int | None, count: int | None = None) -> np.ndarray:
        """Whole numbers from 0, below `count` where it is given; int64."""
        values = self._taken(name, shape, "iuf")
        with np.errstate(invalid="ignore"):
            indices = values.astype(np.int64)
        if (indices != values).any():
            raise self.error(f"{name} holds a number that is no index; get the file again")
        outside = indices[(indices < 0) | (indices >= (2**31 if count is None else count))]
        if outside.size:
            limit = "" if count is None else f", outside 0..{count - 1}"
            raise self.error(f"{name} holds the index {outside[0]}{limit}; get the file again")
        return indices

    def shares(self, name: str, *shape: int | None) -> np.ndarray:
        """Numbers that sum to one along the last axis, such as barycentrics; float32."""
        values = self.numbers(name, *shape)
        off = np.abs(values.sum(-1) - 1).max(initial=0)
        if off > _SUM_TOLERANCE:
            raise self.error(f"{name} should sum to one and is off by {off:.3g}; get the file again")
        return values

    def error(self, problem: str) -> AssetError:
        """The problem as an error that names the file."""
        return AssetError(f"{self.where}: {problem}")

    def _taken(self, name: str, shape: tuple[int | None, ...], kinds: str) -> np.ndarray:
        if name not in self.arrays:
            raise self.error(f"lacks {name}; it holds {', '.join(sorted(self.arrays)[:12])}")
        array = self.arrays[name]
        if array.dtype.kind not in kinds:
            raise self.error(f"{name} holds {array.dtype}, not numbers")
        fits = array.ndim == len(shape) and all(
            size in (None, found) for size, found in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.error(f"{name} has shape {array.shape}, expected ({wanted})")
        return array
