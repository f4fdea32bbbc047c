"""Who or what moves a face: photos, reconstructed folders, face capture and stored motions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deca.animation.motion import Motion
from deca.apps.errors import UsageError
from deca.apps.options import ModelOptions
from deca.apps.people import read_face, reconstruct_one
from deca.apps.reconstruction import Reconstruction
from deca.apps.sheet import wide_crop
from deca.head.data import HeadData
from deca.io.motion_files import MotionFileError, read_arkit, read_motion
from deca.photo.crop import crop_image
from deca.photo.sampling import Photo

CAPTURE_SUFFIX = ".csv"
MOTION_SUFFIX = ".npz"


@dataclass(frozen=True)
class Driver:
    """A motion, and its pictures where there are any: one a frame, or one for all, the face in the middle."""

    motion: Motion
    pictures: Callable[[], Iterator[Photo]] | None

    @property
    def still(self) -> bool:
        """Whether it is a single expression."""
        return len(self.motion.times) == 1


def read_driver(path: Path, data: HeadData, options: ModelOptions) -> Driver:
    """What moves a head of `data`; photos and videos are reconstructed with `options`.

    UsageError, which names what is wrong, for a driver that cannot be used with this head.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == CAPTURE_SUFFIX:
            return Driver(read_arkit(path, data), None)
        if suffix == MOTION_SUFFIX:
            return Driver(read_motion(path, data), None)
    except (MotionFileError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    if path.is_dir() or suffix == ".json":
        return Driver(Motion(np.zeros(1), read_face(path, data)), None)
    result = reconstruct_one(path, options)
    if result.deca.data.name != data.name:
        raise UsageError(f"{path}: reconstructed with the head {result.deca.data.name}, not {data.name}")
    return Driver(Motion(np.zeros(1), result.parameters), lambda: iter([shown_face(result)]))


def shown_face(result: Reconstruction) -> Photo:
    """The square of the photo around a face, as the sheet shows it."""
    pixels = crop_image(result.photo, wide_crop(result.crop))[0].permute(1, 2, 0).clamp(0, 1)
    return np.rint(pixels.numpy() * 255).astype(np.uint8)
