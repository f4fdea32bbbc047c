"""Make the pictures of the documentation again, from the astronaut that ships.

python tools/make_pictures.py
"""

from __future__ import annotations

import csv
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import deca
from deca.animation.presets import PRESETS
from deca.apps.sheet import draw_sheet
from deca.io.files import data_file

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 1600
# The animation: expressions one after another, each this many frames long, at this rate.
SHOWN = ("surprise", "smile", "anger")
FRAMES, RATE = 14, 12


def main() -> None:
    """Reconstruct the astronaut; keep the sheet, small enough for a page, and move the head by `deca
    animate`."""
    (face,) = deca.reconstruct(data_file("astronaut.jpg"))
    sheet = Image.fromarray(draw_sheet(face))
    small = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.LANCZOS)
    small.save(DOCS / "astronaut.jpg", quality=88)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        face.save(folder / "astronaut")
        write_capture(folder / "capture.csv")
        command = [Path(sys.executable).with_name("deca"), "animate", folder / "astronaut"]
        command += ["--driver", folder / "capture.csv", "--head-pose", "--show", "result", "clay"]
        command += ["--size", "256", "--out", DOCS / "astronaut.gif", "--overwrite"]
        subprocess.run(command, check=True)


def write_capture(path: Path) -> None:
    """Face capture as a phone writes it: the expressions come and go while the head turns a little."""
    actions = sorted({action for preset in SHOWN for action in PRESETS[preset]})
    sides = {
        action: [action] if action in ("browInnerUp", "jawOpen") else [f"{action}Left", f"{action}Right"]
        for action in actions
    }
    columns = [name for names in sides.values() for name in names]
    rows = []
    for frame in range(FRAMES * len(SHOWN)):
        preset = PRESETS[SHOWN[frame // FRAMES]]
        strength = math.sin(math.pi * (frame % FRAMES) / FRAMES) ** 0.7
        weights = {
            name: strength * preset.get(action, 0.0) for action, names in sides.items() for name in names
        }
        yaw = 0.3 * math.sin(2 * math.pi * frame / (FRAMES * len(SHOWN)))
        rows.append([frame / RATE, yaw, *(weights[name] for name in columns)])
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["time", "HeadYaw", *columns], *rows])


if __name__ == "__main__":
    main()
