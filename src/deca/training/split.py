"""Which people are held back from all training and tuning, so that figures on them are honest."""

from __future__ import annotations

import zlib

_PARTS = 5


def held_back(identity: str) -> bool:
    """Whether a person's photos are kept for measuring alone: one person in five, by the checksum of the
    name."""
    return zlib.crc32(identity.encode()) % _PARTS == 0
