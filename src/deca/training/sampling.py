"""Which faces a step sees: an order that follows from the seed and the step alone, so that any step can be
resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Int

_PATTERN = 1000
"""Rings after which every folder has had exactly its part."""
_KEPT = 2

Drawn = TypeVar("Drawn")


class _Lately(Generic[Drawn]):
    """What a function gave for the last few numbers; unlike functools.lru_cache it can be sent to another
    process."""

    def __init__(self, function: Callable[[int], Drawn]) -> None:
        self._function = function
        self._found: dict[int, Drawn] = {}

    def __call__(self, number: int) -> Drawn:
        if number not in self._found:
            if len(self._found) == _KEPT:
                del self._found[next(iter(self._found))]
            self._found[number] = self._function(number)
        return self._found[number]


class FolderOrder:
    """The photos of one folder as an endless row of rings of one person's photos each.

    In an epoch every photo comes once, in rings drawn anew; a person's last ring, or only one, is filled up
    with photos of the same person again.
    """

    def __init__(self, person: Int[np.ndarray, " photo"], ring: int, seed: Sequence[int]) -> None:
        self._person, self._ring, self._seed = person, ring, tuple(seed)
        _, self._photos = np.unique(person, return_counts=True)
        self._starts = np.concatenate([[0], np.cumsum(self._photos)[:-1]])
        self.rings = int((-(-self._photos // ring)).sum())
        # A photo's ring is looked up for every step: the epoch at hand stays.
        self._epoch = _Lately(self._drawn)

    def __getitem__(self, number: int) -> Int[np.ndarray, " ring"]:
        """The photos of one ring."""
        epoch, place = divmod(number, self.rings)
        return self._epoch(epoch)[place]

    def _drawn(self, epoch: int) -> Int[np.ndarray, "rings ring"]:
        random = np.random.default_rng([*self._seed, epoch])
        order = np.lexsort([random.random(len(self._person)), self._person])
        rings_of = -(-self._photos // self._ring)
        owner = np.repeat(np.arange(len(rings_of)), rings_of)
        first = np.arange(len(owner)) - np.repeat(np.cumsum(rings_of) - rings_of, rings_of)
        place = first[:, None] * self._ring + np.arange(self._ring)
        chosen = order[self._starts[owner][:, None] + place % self._photos[owner][:, None]]
        return chosen[random.permutation(len(chosen))]


class RingOrder:
    """Rings of several folders, mixed by weight."""

    def __init__(
        self, people: Sequence[Int[np.ndarray, " _photo"]], weights: Sequence[float], ring: int, seed: int
    ) -> None:
        self._folders = [FolderOrder(person, ring, (seed, number)) for number, person in enumerate(people)]
        share = np.array(weights, float) / np.sum(weights) * _PATTERN
        counts = np.floor(share).astype(int)
        counts[np.argsort(counts - share, kind="stable")[: _PATTERN - counts.sum()]] += 1
        if not counts.all():
            raise ValueError(f"a folder's part of the batches is less than one in {_PATTERN}; give it more")
        self._counts, self._seed = counts, seed
        self._block = _Lately(self._drawn)

    def __getitem__(self, number: int) -> tuple[int, Int[np.ndarray, " ring"]]:
        """The folder and the photos in it of one ring."""
        block, place = divmod(number, _PATTERN)
        folders, before = self._block(block)
        folder = int(folders[place])
        return folder, self._folders[folder][block * int(self._counts[folder]) + int(before[place])]

    def _drawn(self, block: int) -> tuple[Int[np.ndarray, " place"], Int[np.ndarray, " place"]]:
        """The folder of each ring of a block, and how many of that folder come before it in the block."""
        folders = np.repeat(np.arange(len(self._counts)), self._counts)
        np.random.default_rng([self._seed, len(self._counts), block]).shuffle(folders)
        before = np.zeros(len(folders), int)
        for folder in range(len(self._counts)):
            before[folders == folder] = np.arange(self._counts[folder])
        return folders, before
