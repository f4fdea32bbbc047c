"""Reconstruct folders of photos and lay the results out: sheets, and head.glb as three.js shows it.

    python tools/gallery.py PHOTO ... --out gallery

Writes pages of contact sheets beside the results; and for people with NAME_neutral and NAME_smiling, their
smile driven onto their neutral face beside the real one, with a video. The photos belong to the people in
them: gallery/ is never committed. The pictures of head.glb need node, `npm ci` in tests/browser, and
Chromium; without these they are left out, and this is said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from deca.animation.motion import Motion, TransferConfig, eased, transferred
from deca.apps.batch import reconstruct_photos
from deca.apps.drawing import animated_frames
from deca.apps.options import ReconstructOptions
from deca.apps.people import read_person
from deca.io.videos import new_video

BROWSER = Path(__file__).parents[1] / "tests" / "browser"
SMILE = {"mouthSmileLeft": 1, "mouthSmileRight": 1}
VIEWS = {
    "glb_opened": {},
    "glb_turned": {"azimuth": 35},
    "glb_smiling": {"morphs": SMILE},
    "glb_open_jaw": {"morphs": {"jawOpen": 1}},
}
ROWS = 4
WIDTH = 1600
PANEL = 360


def main() -> int:
    """Reconstruct, picture, and lay out."""
    parser = argparse.ArgumentParser(description="Sheets and renderings of photos.")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    options = ReconstructOptions(photos=tuple(arguments.photos), out=arguments.out)
    failures = reconstruct_photos(options, Console(stderr=True))
    faces = sorted(sheet.parent for sheet in arguments.out.glob("*/sheet.png"))
    if (BROWSER / "node_modules").is_dir() and shutil.which("node"):
        for face in faces:
            picture_glb(face)
    else:
        print("no pictures of head.glb: install node, then run `npm ci` in tests/browser", file=sys.stderr)
    for number, start in enumerate(range(0, len(faces), ROWS)):
        lay_out(faces[start : start + ROWS]).save(arguments.out / f"page_{number:03}.jpg", quality=88)
    people = sorted(face.name.removesuffix("_neutral") for face in faces if face.name.endswith("_neutral"))
    people = [name for name in people if (arguments.out / f"{name}_smiling").is_dir()]
    for number, start in enumerate(range(0, len(people), ROWS)):
        rows = [smile_row(arguments.out, name) for name in people[start : start + ROWS]]
        Image.fromarray(np.concatenate(rows)).save(arguments.out / f"smiles_{number:03}.jpg", quality=88)
    return 1 if failures else 0


def smile_row(out: Path, name: str) -> np.ndarray:
    """A person's neutral sheet panels, their own smile driven onto them, and the real smile; and a video of
    it."""
    neutral, smiling = out / f"{name}_neutral", out / f"{name}_smiling"
    person, driver = read_person(neutral), read_person(smiling).parameters
    data = person.deca.data
    there = transferred(person.parameters, Motion(np.zeros(1), driver), data, TransferConfig())
    still = Motion(np.zeros(1), person.parameters)
    panels = [photo_of(neutral)]
    for motion in (still, there):
        panels.append(next(animated_frames(person, motion, ("result", "clay"), PANEL, iter(()))))
    moving = eased(person.parameters, there.parameters, seconds=2.0, frame_rate=25.0)
    with new_video(out / f"{name}_smile.mp4", 25.0) as append:
        for frame in animated_frames(person, moving, ("result", "clay"), PANEL, iter(())):
            append(frame)
    return np.concatenate([*panels, photo_of(smiling)], 1)


def photo_of(face: Path) -> np.ndarray:
    """The photo's panel of a face's sheet."""
    sheet = Image.open(face / "sheet.png").convert("RGB")
    side = sheet.width // 4
    return np.asarray(sheet.crop((6, 6, side, side)).resize((PANEL, PANEL), Image.Resampling.LANCZOS))


def picture_glb(face: Path) -> None:
    """Write glb_*.png into a face's folder, unless they are there and newer than the GLB."""
    made = face / f"{next(iter(VIEWS))}.png"
    if made.is_file() and made.stat().st_mtime > (face / "head.glb").stat().st_mtime:
        return
    views = face / "views.json"
    views.write_text(json.dumps(VIEWS))
    try:
        command = ["node", BROWSER / "screenshots.mjs", face / "head.glb", face, views]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    finally:
        views.unlink()


def lay_out(faces: list[Path]) -> Image.Image:
    """One page: a row a face, its sheet and under it the pictures of its GLB."""
    rows = []
    for face in faces:
        pictures = [face / f"{name}.png" for name in VIEWS if (face / f"{name}.png").is_file()]
        rows.append(scaled(Image.open(face / "sheet.png"), WIDTH))
        if pictures:
            strip = Image.new("RGB", (WIDTH, WIDTH // len(VIEWS)), "white")
            for column, picture in enumerate(pictures):
                strip.paste(
                    scaled(Image.open(picture), WIDTH // len(VIEWS)), (column * WIDTH // len(VIEWS), 0)
                )
            rows.append(strip)
    page = Image.new("RGB", (WIDTH, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    return page


def scaled(picture: Image.Image, width: int) -> Image.Image:
    """The picture in RGB with another width."""
    return picture.convert("RGB").resize((width, round(picture.height * width / picture.width)))


if __name__ == "__main__":
    sys.exit(main())
