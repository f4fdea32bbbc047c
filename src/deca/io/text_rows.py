"""Rows of numbers in text, read at once where every row has the same count: most of a large mesh's file."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float

_BLANKS = np.zeros(256, bool)
_BLANKS[list(b" \t\r\n")] = True


def even_rows(lines: list[bytes]) -> Float[np.ndarray, "row column"] | None:
    """The numbers of lines that hold equally many, separated by blanks; None for any other lines."""
    text = b"\n".join(lines)
    signs = np.frombuffer(text, np.uint8)
    blank = _BLANKS[signs]
    starts = ~blank
    starts[1:] &= blank[:-1]
    first = np.concatenate([[0], np.flatnonzero(signs == ord("\n")) + 1])
    if not len(signs) or first[-1] == len(signs):
        return None
    counts = np.add.reduceat(starts.astype(np.int64), first)
    if not counts[0] or (counts != counts[0]).any():
        return None
    with warnings.catch_warnings():
        # What is no number ends the reading, with an error or, until NumPy 2.3, a warning.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    if len(values) != counts.sum():
        return None
    return values.reshape(len(lines), -1)
