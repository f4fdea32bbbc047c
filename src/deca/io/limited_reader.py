"""A file opened so that no length claimed in it makes a read take more memory than the file has bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Protocol, runtime_checkable

_SMALL = 65536


class LimitedReader(io.BufferedReader):
    """A file whose reads are cut to what is left of it.

    A plain file's read sets aside at once what it is asked for, and a pickle may ask for 2**63 bytes.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.FileIO(path))
        self.size = Path(path).stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, fewer where the file ends."""
        if size is not None and size > _SMALL:
            size = max(0, min(size, self.size - self.tell()))
        return super().read(size)


Stream = LimitedReader | io.BytesIO
"""What is read of files that nobody has vouched for; io.BytesIO cuts its reads by itself."""


@runtime_checkable
class Readable(Protocol):
    """Anything that bytes are read from in order, such as an entry of a zip file."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        ...
