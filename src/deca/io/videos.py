"""A few sharp frames of a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2

from deca.io.images import MAX_PIXELS, PhotoError
from deca.photo.sampling import Photo

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")
# Frames are compared in the middle of each part of the video: so they stay apart.
_COMPARED = 0.4


def sharpest_frames(path: str | Path, count: int) -> list[tuple[int, Photo]]:
    """Numbers and pixels (sRGB) of `count` frames, one from the middle of each part of the video.

    Of the frames near each place the sharpest is taken. A video of fewer frames gives each of them.
    PhotoError for a file that is no video or is damaged from the start, ImportError where PyAV is not
    installed.
    """
    import av
    import av.error

    try:
        total = _frames(path)
        best: dict[int, tuple[float, int, Photo]] = {}
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if frame.width * frame.height > MAX_PIXELS:
                    raise PhotoError(f"{path}: frames of {frame.width} x {frame.height} pixels are too large")
                part, place = divmod(Fraction(2 * number + 1, 2) * count / max(total, 1), 1)
                if total > count and abs(place - Fraction(1, 2)) > _COMPARED / 2:
                    continue
                pixels = frame.to_ndarray(format="rgb24")
                sharpness = float(cv2.Laplacian(pixels[..., 1], cv2.CV_32F).var())
                if int(part) not in best or sharpness > best[int(part)][0]:
                    best[int(part)] = (sharpness, number, pixels)
    except av.error.FFmpegError as error:
        raise PhotoError(f"{path}: not a readable video ({error.strerror}); get it again") from None
    return [(number, pixels) for _, number, pixels in sorted(best.values(), key=lambda one: one[1])]


def _frames(path: str | Path) -> int:
    """How many frames a video has, counted by its packets where the file does not say."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise PhotoError(f"{path}: no pictures in this file, it is no video")
        stream = container.streams.video[0]
        return stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
