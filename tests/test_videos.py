"""Frames of videos: spread over the video, each the sharpest near its place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from deca.io.images import PhotoError
from deca.io.videos import sharpest_frames

pytest.importorskip("av")
from videos import write_video


def make_frames(count: int, sharp: set[int]) -> list[UInt8[np.ndarray, "height width 3"]]:
    """Blurred frames of stripes, each of another shade, and some that are sharp."""
    frames = []
    for number in range(count):
        stripes = np.zeros((64, 96, 3), np.float32)
        stripes[:, ::8] = 200
        stripes = stripes if number in sharp else cv2.GaussianBlur(stripes, (0, 0), 3)
        frames.append((stripes * 0.5 + 40 + number).astype(np.uint8))
    return frames


def test_the_sharpest_frame_near_each_place_is_taken(tmp_path):
    write_video(tmp_path / "v.mp4", make_frames(60, {11, 29, 47, 58}))
    found = sharpest_frames(tmp_path / "v.mp4", 3)
    # The last sharp one is not near any place.
    assert [number for number, _ in found] == [11, 29, 47]
    assert all(frame.shape == (64, 96, 3) for _, frame in found)
    assert np.abs(found[0][1].astype(int) - make_frames(60, {11})[11]).mean() < 6


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_short_video_gives_each_frame_once(tmp_path, count):
    write_video(tmp_path / "v.mp4", make_frames(count, set()))
    assert [number for number, _ in sharpest_frames(tmp_path / "v.mp4", 5)] == list(range(count))


def test_what_is_no_video_is_told(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"no video at all")
    with pytest.raises(PhotoError, match=r"v\.mp4: not a readable video"):
        sharpest_frames(tmp_path / "v.mp4", 2)
    write_video(tmp_path / "w.mp4", make_frames(20, set()))
    data = (tmp_path / "w.mp4").read_bytes()
    (tmp_path / "w.mp4").write_bytes(data[: len(data) // 3])
    with pytest.raises(PhotoError, match=r"w\.mp4"):
        sharpest_frames(tmp_path / "w.mp4", 2)
