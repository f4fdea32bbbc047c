"""Where the server's heads are: folders that it made and that expire, or the user's own that it shows."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Protocol, runtime_checkable

from filelock import FileLock, Timeout

from deca.apps.errors import UsageError

FILES = {
    "head.glb": "model/gltf-binary",
    "coarse.obj": "model/obj",
    "coarse.mtl": "model/mtl",
    "detail.obj": "model/obj",
    "detail.mtl": "model/mtl",
    "texture.png": "image/png",
    "albedo.png": "image/png",
    "normal.png": "image/png",
    "displacement.png": "image/png",
    "sheet.png": "image/png",
    "parameters.json": "application/json",
    "landmarks.json": "application/json",
    "photo.jpg": "image/jpeg",
}
"""The files of a head that are given out, and what they are; photo.jpg only where the server made it."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


@runtime_checkable
class Heads(Protocol):
    """Heads by id. An id is looked up, and is never part of a path before it was recognised."""

    def folder(self, head_id: str) -> Path | None:
        """The folder of a head; None for an id that is not known."""
        ...

    def listed(self) -> dict[str, str]:
        """The names of the heads that everyone who opens the page may see, by id."""
        ...


class ViewedHeads:
    """The user's own folders, shown as they are; nothing is written to them."""

    def __init__(self, folder: Path) -> None:
        """One face's folder, or a folder of such; UsageError where there is none."""
        folders = [path for path in (folder, *sorted(folder.glob("*"))) if _is_head(path)]
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; name one that `deca reconstruct` made")
        if not folders:
            raise UsageError(
                f"{folder}: no reconstructed face in it (head.glb and parameters.json); name a folder that "
                "`deca reconstruct` made"
            )
        self._folders = {
            hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:22]: path for path in folders
        }

    def folder(self, head_id: str) -> Path | None:
        """The folder of a head; None for an id that is not known."""
        return self._folders.get(head_id)

    def listed(self) -> dict[str, str]:
        """All of them."""
        return {head_id: path.resolve().name for head_id, path in self._folders.items()}


class HeadStore:
    """A folder of results. Each appears whole under a random id and is deleted when it is too old.

    What was being worked on is in a folder of its own, which is emptied when the store is opened: so a server
    that was killed leaves its finished results and nothing else.
    """

    def __init__(self, root: Path, keep_seconds: float) -> None:
        """Take the folder for this process alone; UsageError where another has it or it cannot be written."""
        self._heads, self._work, self._keep = root / "heads", root / "work", keep_seconds
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(root / "lock")
            self._lock.acquire(timeout=0)
            shutil.rmtree(self._work, ignore_errors=True)
            self._heads.mkdir(exist_ok=True)
            self._work.mkdir(exist_ok=True)
        except Timeout:
            raise UsageError(
                f"{root}: another server keeps its results there; name another --store"
            ) from None
        except OSError as error:
            raise UsageError(
                f"{root}: cannot be written ({error.strerror or error}); name another --store"
            ) from None
        self.sweep()

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.release()

    def new_work(self) -> tuple[str, Path]:
        """A new id, and an empty folder to work in until its result is there."""
        head_id = secrets.token_urlsafe(16)
        folder = self._work / head_id
        folder.mkdir()
        return head_id, folder

    def finish(self, head_id: str, made: Path) -> None:
        """Make a folder within the work folder of this id the result; what else was there goes."""
        os.replace(made, self._heads / head_id)
        self.drop_work(head_id)

    def drop_work(self, head_id: str) -> None:
        """Delete what was being worked on."""
        shutil.rmtree(self._work / head_id, ignore_errors=True)

    def delete(self, head_id: str) -> None:
        """Delete a result at once."""
        if folder := self.folder(head_id):
            self._remove(folder)

    def sweep(self) -> None:
        """Delete the results that are too old."""
        for folder in self._heads.iterdir():
            if self._is_old(folder):
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        # Out of sight first, so that nobody sees half of it.
        gone = self._work / f"{folder.name}.{secrets.token_hex(4)}.deleted"
        try:
            os.replace(folder, gone)
        except FileNotFoundError:
            return  # somebody else has deleted it at the same time
        shutil.rmtree(gone, ignore_errors=True)

    def _is_old(self, folder: Path) -> bool:
        """Whether a result's time is over; one that is gone meanwhile counts as old."""
        try:
            return time.time() - folder.stat().st_mtime > self._keep
        except FileNotFoundError:
            return True

    def folder(self, head_id: str) -> Path | None:
        """The folder of a result; None for an id that is not known, or whose time is over."""
        if not _ID.fullmatch(head_id):
            return None
        folder = self._heads / head_id
        return None if self._is_old(folder) else folder

    def listed(self) -> dict[str, str]:
        """None: a result is for whoever knows its id."""
        return {}


def _is_head(folder: Path) -> bool:
    return (folder / "head.glb").is_file() and (folder / "parameters.json").is_file()
