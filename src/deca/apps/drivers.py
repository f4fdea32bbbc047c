"""Who or what moves a face: photos, reconstructed folders, face capture and stored motions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from deca.animation.motion import Motion
from deca.apps.errors import UsageError
from deca.apps.options import ModelOptions
from deca.apps.people import read_face, reconstruct_one
from deca.apps.reconstruct import Reconstructor
from deca.apps.reconstruction import Reconstruction
from deca.apps.sheet import wide_crop
from deca.apps.track import tracked
from deca.apps.track_motion import TrackedPerson
from deca.conversion.asset import AssetError
from deca.head.data import HeadData, HeadError
from deca.io.motion_files import MotionFileError, read_arkit, read_motion
from deca.io.videos import VIDEO_SUFFIXES, video_frames
from deca.photo.crop import Crop, crop_image, square_crop
from deca.photo.sampling import Photo, transform_points

CAPTURE_SUFFIX = ".csv"
MOTION_SUFFIX = ".npz"
_HEAD = 0.13
"""Metres from the middle of a head to the border of its picture."""


@dataclass(frozen=True)
class Driver:
    """A motion, and its pictures where there are any: one a frame, or one for all, the face in the middle."""

    motion: Motion
    pictures: Callable[[], Iterator[Photo]] | None

    @property
    def still(self) -> bool:
        """Whether it is a single expression."""
        return len(self.motion.times) == 1


def read_driver(path: Path, data: HeadData, options: ModelOptions, console: Console) -> Driver:
    """What moves a head of `data`; photos are reconstructed with `options`, videos are tracked.

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
    if suffix in VIDEO_SUFFIXES:
        return _video_driver(path, data, options, console)
    result = reconstruct_one(path, options)
    if result.deca.data.name != data.name:
        raise UsageError(f"{path}: reconstructed with the head {result.deca.data.name}, not {data.name}")
    return Driver(Motion(np.zeros(1), result.parameters), lambda: iter([shown_face(result)]))


def shown_face(result: Reconstruction) -> Photo:
    """The square of the photo around a face, as the sheet shows it."""
    return _pixels(result.photo, wide_crop(result.crop))


def _pixels(photo: Photo, crop: Crop) -> Photo:
    pixels = crop_image(photo, crop)[0].permute(1, 2, 0).clamp(0, 1)
    return np.rint(pixels.numpy() * 255).astype(np.uint8)


def _video_driver(path: Path, data: HeadData, options: ModelOptions, console: Console) -> Driver:
    """The motion of the person who is seen most in a video."""
    try:
        reconstructor = Reconstructor(options.head, options.texture_size)
    except (HeadError, AssetError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    if reconstructor.deca.data.name != data.name or len(data.expression_basis) != len(
        reconstructor.deca.data.expression_basis
    ):
        raise UsageError(f"{path}: a video is tracked with the head {reconstructor.deca.data.name}")
    with tempfile.TemporaryDirectory(prefix="deca-driver-") as work:
        person = tracked(path, reconstructor, Path(work), console)[0]
    return Driver(person.motion, lambda: _faces_of(path, person))


def _faces_of(path: Path, person: TrackedPerson) -> Iterator[Photo]:
    """The square around everywhere that a tracked face is, in each of its frames."""
    camera = person.motion.parameters.camera
    # The head's root lies at (0, 0): where the camera puts it, in the crop's image frame.
    x, y = (camera[:, 0] * camera[:, 1]), -(camera[:, 0] * camera[:, 2])
    half = _HEAD * float(camera[:, 0].max())
    low, high = torch.stack([x, y], 1).amin(0) - half, torch.stack([x, y], 1).amax(0) + half
    centre = transform_points(np.linalg.inv(person.crop.T_image_photo), ((low + high) / 2)[None].numpy())[0]
    pixels = person.crop.T_photo_crop[0, 0] * person.crop.size / 2
    crop = square_crop(centre, float((high - low).max()) * pixels, 512)
    wanted = set(person.frames)
    for number, (_, photo) in enumerate(video_frames(path)):
        if number in wanted:
            yield _pixels(photo, crop)
