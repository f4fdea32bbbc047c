"""What docs/animation.md tells people to type works as written, on a short clip of the astronaut."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typed import run
from videos import write_video

import deca
from deca.io.files import data_file
from deca.io.images import read_photo

PAGE = (Path(__file__).parents[1] / "docs" / "animation.md").read_text()


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = read_photo(data_file("astronaut.jpg"))
    for name in ("me.jpg", "me2.jpg", "friend.jpg"):
        shutil.copy(data_file("astronaut.jpg"), tmp_path / name)
    deca.reconstruct(photo, model="encode")[0].save(tmp_path / "me")
    small = cv2.resize(photo, (320, 320), interpolation=cv2.INTER_AREA)
    moved = [
        cv2.warpAffine(small, np.array([[1, 0, k], [0, 1, 0]], np.float32), (320, 320)) for k in range(9)
    ]
    write_video(tmp_path / "clip.mp4", moved)
    with (tmp_path / "capture.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["time", "jawOpen"], *([k / 20, k / 8] for k in range(8))])
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in commands.splitlines():
        command = line.split("#")[0].split()
        assert command[0] == "deca"
        assert run(*command[1:], folder=tmp_path) == 0, f"{line}\n{capsys.readouterr().err}"
    for name in (
        "moved.mp4",
        "moved.glb",
        "moved.csv",
        "portrait.png",
        "turn.mp4",
        "together/me/photos/me2.json",
    ):
        assert (tmp_path / name).is_file(), name
