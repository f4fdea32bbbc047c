"""Another face moves the head in the page: from a photo, a clip and the camera, in Chromium."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from browsing import Server, run_node
from PIL import Image
from rich.console import Console

from deca.apps.animate_options import RenderOptions
from deca.apps.render import render
from deca.io.files import data_file
from deca.io.videos import new_video

pytestmark = pytest.mark.slow


def drawn(head: Path, picture: Path, expression: str) -> np.ndarray:
    """The head under an expression by `deca render`, pixels."""
    render(RenderOptions(source=head, expression=(expression,), size=320, out=picture), Console(quiet=True))
    return np.asarray(Image.open(picture).convert("RGB"))


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    with new_video(path, 25.0) as append:
        for frame in frames:
            append(frame)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("driven")


@pytest.fixture(scope="module")
def driven(server: Server, astronaut: str, out: Path) -> dict:
    """What was found where the neutral head was moved by a photo with an open mouth, a clip of a neutral face
    that opens its mouth, and a camera before which the astronaut smiles."""
    head = server.store / "heads" / astronaut
    neutral, jaw_open = (drawn(head, out / f"{name}.jpg", name) for name in ("neutral", "jawOpen=0.8"))
    write_clip(out / "clip.mp4", [neutral] * 30 + [jaw_open] * 40)
    write_clip(out / "faceless.mp4", [np.full_like(neutral, 90)] * 20)
    (out / "broken.mp4").write_bytes(b"no clip")
    (out / "notes.jpg").write_text("These are notes.")
    frame = io.BytesIO()
    Image.open(data_file("astronaut.jpg")).crop((60, 0, 380, 240)).save(frame, "JPEG")
    (out / "camera.mjpeg").write_bytes(frame.getvalue() * 2)
    names = ("notes.jpg", "clip.mp4", "faceless.mp4", "broken.mp4", "camera.mjpeg")
    files = {Path(name).stem: str(out / name) for name in names} | {"photo": str(out / "jawOpen=0.8.jpg")}
    (out / "files.json").write_text(json.dumps(files))
    return run_node("driven_page.mjs", server.address, out, astronaut, out / "files.json")


def change(out: Path, one: str, other: str) -> np.ndarray:
    """How much each pixel differs between two pictures, in grey levels; the tools below are left out."""
    first, second = (
        np.asarray(Image.open(out / f"{name}.png").convert("L")).astype(float) for name in (one, other)
    )
    return np.abs(first - second)[:-90]


@pytest.mark.parametrize("source", ["photo", "clip"])
def test_a_photo_and_a_clip_open_the_mouth(driven: dict, out: Path, source: str) -> None:
    assert driven[source]["preview"]
    assert 0.4 < driven[source]["jaw"] < 0.9
    changed = change(out, source, "neutral")
    # Where there were lips there is the dark of the mouth.
    assert (changed > 60).sum() > 500
    assert change(out, "photo", "clip").mean() < changed.mean()


def test_the_camera_makes_it_smile(driven: dict, out: Path) -> None:
    assert driven["camera"]["smile"] > 0.25
    assert (change(out, "camera", "neutral") > 25).sum() > 500


def test_who_leaves_the_head_lets_go_of_the_camera(driven: dict) -> None:
    assert driven["askedAfterwards"] == 0


def test_what_goes_wrong_is_said(driven: dict) -> None:
    assert driven["notes"].startswith("notes.jpg: not a picture file; use JPEG")
    assert driven["faceless"] == "No face to be seen."
    assert driven["broken"].startswith("broken.mp4 cannot be played by the browser; save it as MP4")
    assert driven["refused"].startswith("The camera may not be used: allow it")
    # The browser itself notes every answer that is no success.
    assert all("422" in complaint for complaint in driven["complaints"])
