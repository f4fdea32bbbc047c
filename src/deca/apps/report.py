"""report.jsonl of an output folder: a line a photo, kept over runs, so that a run goes on from the last."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deca.apps.errors import UsageError, output_error

REPORT = "report.jsonl"
_START = b'{"photo": '
# What `Reconstruction.save` makes beside the folder that it will replace.
_HALF_WRITTEN = re.compile(r"\..+\.\d+\.deca-(part|old)")

Done = dict[str, tuple[float | None, list[str]]]
"""For each photo that is done: when its file had been changed, and the names of its folders."""


@contextmanager
def open_report(folder: Path, settings: Mapping[str, object], overwrite: bool) -> Iterator[Report]:
    """The report of an output folder, both made if need be, for one run with these settings (JSON values).

    A line that was cut off by a crash is removed, and so is whatever a killed run left half-written. Raises
    UsageError where the folder cannot be written (that is known now, not after an hour), another run writes
    there, or the file is something else, which `overwrite` replaces.
    """
    path = folder / REPORT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        _lock(file, folder)
        try:
            remove_half_written(folder)
            yield Report(folder, file, settings, _read_done(path, file, settings, overwrite))
        finally:
            # A run that came to nothing leaves nothing behind.
            if os.fstat(file).st_size == 0:
                path.unlink(missing_ok=True)
    finally:
        os.close(file)


class Report:
    """An open report: what was done before, and lines to add.

    A line is an object with the photo's path, what became of it ("done" with its folders, or "failed" with
    the error), when its file had been changed, the settings and the seconds taken. Where several lines tell
    of one photo, the last is right.
    """

    def __init__(self, folder: Path, file: int, settings: Mapping[str, object], done: Done) -> None:
        self._folder, self._file, self._settings, self._done = folder, file, dict(settings), done

    def done(self, photo: Path) -> bool:
        """Whether this photo, as it is now, was reconstructed with these settings and its folders are still
        there."""
        known = self._done.get(_key(photo))
        if known is None:
            return False
        modified, folders = known
        return modified == modified_time(photo) and all((self._folder / name).is_dir() for name in folders)

    def add(self, photo: Path, entry: Mapping[str, Any]) -> None:
        """Append what became of a photo; raises OutputError where that cannot be written."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        line = {"photo": _key(photo), **entry, "settings": self._settings, "when": when}
        data = (json.dumps(line) + "\n").encode()
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file, before)
            raise output_error(self._folder, error) from None


def modified_time(photo: Path) -> float | None:
    """When a photo's file was last changed, in seconds; None where there is none."""
    try:
        return photo.stat().st_mtime
    except OSError:
        return None


def remove_half_written(folder: Path) -> None:
    """Remove what killed processes were writing into an output folder; none may be writing there now."""
    for entry in folder.iterdir():
        if _HALF_WRITTEN.fullmatch(entry.name):
            shutil.rmtree(entry, ignore_errors=True)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"{folder}: another run is writing there; wait for it or choose another --out"
        ) from None
    except OSError:
        # Some network file systems have no locks.
        return


def _read_done(path: Path, file: int, settings: Mapping[str, object], overwrite: bool) -> Done:
    done: Done = {}
    whole = 0
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n") and line[: len(_START)] == _START[: len(line)]:
                break
            try:
                entry = json.loads(line)
                photo = entry["photo"]
                done.pop(photo, None)
                if entry["status"] == "done" and entry["settings"] == settings:
                    done[photo] = (entry["modified"], entry["faces"])
            except (ValueError, KeyError, TypeError):
                if not overwrite:
                    raise UsageError(
                        f"{path}: line {number} is not of this program; move the file away or use --overwrite"
                    ) from None
                os.ftruncate(file, 0)
                return {}
            whole += len(line)
    os.ftruncate(file, whole)
    return done


def _key(photo: Path) -> str:
    return str(photo.resolve())
