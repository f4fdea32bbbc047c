"""Videos: all their frames, a few sharp ones, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deca.io.files import whole_file
from deca.io.images import MAX_PIXELS, PhotoError
from deca.photo.sampling import Photo

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")
# Frames are compared in the middle of each part of the video: so they stay apart.
_COMPARED = 0.4
_QUALITY = "18"  # x264's constant rate factor: hardly to be told from the frames
_MOST_GIF_RATE = 50  # viewers slow down what is faster

Picture = UInt8[np.ndarray, "height width 3"]


def video_frames(path: str | Path) -> Iterator[tuple[float, Photo]]:
    """Every frame of a video with its time in seconds, one after another, as a viewer shows them.

    Raises as `sharpest_frames`. A video that is damaged further on ends there.
    """
    import av
    import av.error

    frames = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise PhotoError(f"{path}: no pictures in this file, it is no video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 30)
            last = -np.inf
            for frame in container.decode(stream):
                if frame.width * frame.height > MAX_PIXELS:
                    raise PhotoError(f"{path}: frames of {frame.width} x {frame.height} pixels are too large")
                time = frames / rate if frame.time is None else float(frame.time)
                # Times that stand still or run back, as damaged files have them, go on at the usual step.
                last = time if time > last else last + 1 / rate
                pixels = frame.to_ndarray(format="rgb24")
                turns = round(frame.rotation / 90) % 4
                yield last, np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
                frames += 1
    except av.error.FFmpegError as error:
        if not frames:
            raise PhotoError(f"{path}: not a readable video ({error.strerror}); get it again") from None


def recorded(camera: str, path: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Record a webcam, by its number (0 is the first) or device, into an MP4 of its own frame rate.

    Ctrl-C ends the recording sooner, and what is recorded stays. PhotoError where there is no such camera.
    """
    device = int(camera) if camera.isdecimal() else camera
    capture = cv2.VideoCapture(device)
    try:
        if not capture.isOpened():
            raise PhotoError(f"camera:{camera}: no camera can be opened there")
        rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
        say(f"recording {seconds:g} s; Ctrl-C ends sooner")
        with new_video(path, rate) as append:
            try:
                for _ in range(max(1, round(seconds * rate))):
                    read, frame = capture.read()
                    if not read:
                        break
                    append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            except KeyboardInterrupt:
                say("recorded")
    finally:
        capture.release()


@contextmanager
def new_video(path: str | Path, frame_rate: float) -> Iterator[Callable[[Picture], None]]:
    """A function that appends a frame to a new video, which appears whole or not at all.

    By its ending it is a GIF that repeats, or H.264 in MP4. All frames are of one size; one row or column is
    left out where it is odd, as H.264 asks for.
    """
    with whole_file(path) as temporary:
        writer = _new_gif if Path(path).suffix.lower() == ".gif" else _new_mp4
        with writer(temporary, frame_rate) as append:
            yield append


@contextmanager
def _new_mp4(path: Path, frame_rate: float) -> Iterator[Callable[[Picture], None]]:
    import av

    rate = Fraction(frame_rate).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": _QUALITY})
        stream.pix_fmt = "yuv420p"
        begun = False

        def append(picture: Picture) -> None:
            nonlocal begun
            even = np.ascontiguousarray(picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2])
            if not begun:
                stream.height, stream.width = even.shape[:2]
                begun = True
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))

        yield append
        container.mux(stream.encode())


@contextmanager
def _new_gif(path: Path, frame_rate: float) -> Iterator[Callable[[Picture], None]]:
    every = max(1, round(frame_rate / _MOST_GIF_RATE))
    frames: list[Image.Image] = []
    seen = 0

    def append(picture: Picture) -> None:
        nonlocal seen
        if seen % every == 0:
            frames.append(
                Image.fromarray(picture).quantize(
                    256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG
                )
            )
        seen += 1

    yield append
    milliseconds = round(1000 * every / frame_rate)
    frames[0].save(
        path, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, optimize=True
    )


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
