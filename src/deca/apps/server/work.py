"""What happens inside a worker process: tasks come down the line, steps and results go back."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deca.apps.server.tasks import Decoder, Describe, Prepare, Quality, Reconstruct, Task, TaskError, Track

# A worker imports when it starts to work, and the server, which imports this for its name, never does.
if TYPE_CHECKING:
    from deca.apps.encoding_reconstructor import EncodingReconstructor
    from deca.apps.reconstruct import FaceReconstructor

_PHOTO_SIDE = 1600
"""Pixels of the longer side of the photo that is kept for comparison."""


def run_worker(line: Connection) -> None:
    """Answer tasks until the line is closed or the server is gone."""
    # Ctrl-C at a terminal reaches every process: the server alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        try:
            line.send(("done", _do(task, lambda step: line.send(("step", step)))))
        except TaskError as error:
            line.send(("failed", str(error)))
        except Exception:
            traceback.print_exc()
            line.send(("failed", "something went wrong in the program; the server's log says what"))


def _end_with_parent() -> None:
    """A server that was killed cannot end its workers."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(task: Task, tell: Callable[[str], None]) -> Any:
    match task:
        case Reconstruct():
            return _reconstruct(task, tell)
        case Track():
            return _track(task)
        case Describe():
            return _describe(task)
        case Prepare():
            _reconstructor(task.quality)
        case Decoder():
            from deca.io.default_networks import default_networks
            from deca.io.detail_onnx import detail_decoder_onnx

            return detail_decoder_onnx(default_networks().detail_decoder)


@cache
def _reconstructor(quality: Quality) -> FaceReconstructor:
    from deca.apps.reconstruct import Reconstructor

    return Reconstructor() if quality == "fit" else _encoder()


@cache
def _encoder() -> EncodingReconstructor:
    from deca.apps.encoding_reconstructor import EncodingReconstructor

    return EncodingReconstructor()


def _reconstruct(task: Reconstruct, tell: Callable[[str], None]) -> None:
    from PIL import Image

    from deca.apps.reconstruct import announced, reconstruct_photo

    tell("starting")
    reconstructor = _reconstructor(task.quality)
    with announced(tell), _told_as(task.name, task.photo):
        (result,) = reconstruct_photo(reconstructor, task.photo, "largest")
    tell("writing")
    result.save(task.folder)
    photo = Image.fromarray(result.photo)
    photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    photo.save(task.folder / "photo.jpg", quality=88)


def _track(task: Track) -> dict[str, Any]:
    from deca.apps.server.figure import movement
    from deca.io.images import read_photo

    with tempfile.NamedTemporaryFile() as file, _told_as(task.name, Path(file.name)):
        file.write(task.picture)
        file.flush()
        return movement(read_photo(file.name), _encoder(), task.name)


def _describe(task: Describe) -> bytes:
    from deca.apps.errors import UsageError
    from deca.apps.server.figure import figure_file

    try:
        return figure_file(task.folder)
    except UsageError as error:
        raise TaskError(str(error).replace(f"{task.folder}{os.sep}", "")) from None


@contextmanager
def _told_as(name: str, path: Path) -> Iterator[None]:
    """Errors about a photo as TaskErrors that name it as its sender does, and not by our path."""
    from deca.apps.reconstruct import NoFaceError
    from deca.io.images import PhotoError

    try:
        yield
    except (PhotoError, NoFaceError) as error:
        raise TaskError(str(error).replace(str(path), name)) from None
