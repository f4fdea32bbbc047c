"""Many pictures in one file that grows, each to be read again: faces of a video, for a second look."""

from __future__ import annotations

from array import array
from pathlib import Path

import cv2
import numpy as np

from deca.photo.sampling import Photo

# Colours at full resolution: what the file loses is less than a camera's noise.
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


class PictureFile:
    """Pictures one after another as JPEG of quality 95; only where each ends is held in memory.

    Read by any number of threads, once nothing more is appended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, picture: Photo) -> None:
        """Write a picture behind the others; OSError where the disk is full."""
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _JPEG)
        with self._path.open("ab") as stream:
            stream.write(coded.tobytes())
        self._ends.append(self._ends[-1] + len(coded))

    def read(self, number: int) -> Photo:
        """A picture by its number, from 0 on; OSError where it cannot be read again."""
        start, end = self._ends[number], self._ends[number + 1]
        coded = np.fromfile(self._path, np.uint8, end - start, offset=start)
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise OSError(f"{self._path}: its picture {number} is damaged")
        return picture
