"""Frames a second of `deca track` at 720p, and how it comes to them: following, identities, moving."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from measure import describe_machine
from rich.console import Console
from rich.table import Table

from deca.apps.reconstruct import Reconstructor
from deca.apps.track import tracked
from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.videos import new_video

RATE = 30
WIDTH, HEIGHT = 1280, 720
SECONDS = 8.0


def write_clip(path: Path, frames: int) -> None:
    """The astronaut filmed with a hand-held camera: moving by some pixels, turning a little, in its noise."""
    photo = read_photo(data_file("astronaut.jpg"))
    random = np.random.default_rng(0)
    scale = HEIGHT / photo.shape[0]
    with new_video(path, RATE) as append:
        for number in range(frames):
            time = number / RATE
            turn = cv2.getRotationMatrix2D((photo.shape[1] / 2, photo.shape[0] / 2), 4 * np.sin(time), scale)
            turn[:, 2] += [
                WIDTH / 2 - photo.shape[1] / 2 + 20 * np.sin(1.3 * time),
                HEIGHT / 2 - photo.shape[0] / 2,
            ]
            frame = cv2.warpAffine(photo, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            noise = random.normal(0, 2, (HEIGHT, WIDTH, 1))
            append((frame + noise).clip(0, 255).astype(np.uint8))


def main() -> None:
    """Print the table."""
    console = Console()
    frames = round(SECONDS * RATE)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as work:
        clip = Path(work) / "clip.mp4"
        write_clip(clip, frames)
        (person,) = tracked(clip, Reconstructor(), Path(work), Console(quiet=True), seconds=seconds)
    per_frame = seconds["following"] + seconds["moving"]
    console.print(describe_machine())
    title = f"deca track, {frames} frames of {WIDTH} x {HEIGHT}, {len(person.frames)} with a face"
    table = Table(title=title)
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("frames a second", justify="right")
    for step, spent in seconds.items():
        rate = "once" if step == "identities" else f"{frames / spent:.1f}"
        table.add_row(step, f"{spent:.1f}", rate)
    table.add_row("following and moving", f"{per_frame:.1f}", f"{frames / per_frame:.1f}")
    table.add_row("everything", f"{sum(seconds.values()):.1f}", f"{frames / sum(seconds.values()):.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
