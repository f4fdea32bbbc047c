"""Real work that takes little time: the small head fitted by 68 landmarks, and many photos of one face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from small_head import make_small_head

from deca.io.files import data_file
from deca.io.heads import write_head


def write_light_head(path: Path) -> Path:
    """A head file with which a photo takes a third of a second: nearly all its surface is without relief."""
    head = make_small_head()
    first_of_each = np.cumsum(head.region_triangles, axis=1) <= 2
    light = replace(
        head,
        region_triangles=head.region_triangles & first_of_each,
        dense_landmark_triangles=head.dense_landmark_triangles[:0],
        dense_landmark_barycentrics=head.dense_landmark_barycentrics[:0],
    )
    write_head(light, path)
    return path


def write_photos(folder: Path, count: int, largest: int) -> list[Path]:
    """Different crops of the astronaut at different sizes, up to `largest` pixels wide, and brightnesses."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    paths = []
    with Image.open(data_file("astronaut.jpg")) as astronaut:
        for number in range(count):
            left, top = random.integers(40, 100), random.integers(0, 60)
            box = (left, top, left + int(random.integers(280, 380)), top + int(random.integers(300, 400)))
            width = int(random.integers(largest // 3, largest))
            part = astronaut.crop(box).resize((width, round(width * (box[3] - box[1]) / (box[2] - box[0]))))
            paths.append(folder / f"{number:03}.jpg")
            ImageEnhance.Brightness(part).enhance(random.uniform(0.7, 1.3)).save(paths[-1], quality=85)
    return paths
