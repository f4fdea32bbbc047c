"""dropped.jsonl beside the shards: the photos that are not in them, and why."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from deca.apps.errors import UsageError, output_error
from deca.apps.face_preparation import Drop

DROPPED = "dropped.jsonl"
FAILED = "failed"
"""The reason of photos that could not be read: they are tried again."""


class DropList:
    """An open list: what was dropped before, and lines to add.

    Of several lines for one photo the last is right.
    """

    def __init__(self, folder: Path, file: int, before: dict[str, Drop]) -> None:
        self._folder, self._file, self._known = folder, file, before

    @property
    def holds_any(self) -> bool:
        """Whether it tells of any photo."""
        return bool(self._known)

    def dropped(self, photo: str) -> bool:
        """Whether this photo was looked at and dropped."""
        return photo in self._known and self._known[photo].reason != FAILED

    def add(self, drop: Drop) -> None:
        """Append a line, unless it is there already; raises OutputError where that cannot be done."""
        if self._known.get(drop.photo) == drop:
            return
        data = (json.dumps(asdict(drop)) + "\n").encode()
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file, before)
            raise output_error(self._folder, error) from None
        self._known[drop.photo] = drop


@contextmanager
def open_drop_list(folder: Path) -> Iterator[DropList]:
    """The list of a folder of shards, made if need be; a last line cut off by a crash is removed.

    UsageError where the file is something else. Nobody else may be writing there.
    """
    path = folder / DROPPED
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        before, whole = _read(path)
        os.ftruncate(file, whole)
        try:
            yield DropList(folder, file, before)
        finally:
            if os.fstat(file).st_size == 0:
                path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _read(path: Path) -> tuple[dict[str, Drop], int]:
    """What a list holds, and how many bytes of it are whole lines."""
    drops: dict[str, Drop] = {}
    whole = 0
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                drop = Drop(**json.loads(line))
            except (ValueError, TypeError):
                raise UsageError(
                    f"{path}: line {number} is not of this program; move the file away"
                ) from None
            drops[drop.photo] = drop
            whole += len(line)
    return drops, whole
