"""The page of `deca serve` as a person meets it: in Chromium, from the photo to the downloads."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from browsing import HERE, Server, run_node
from PIL import Image

from deca.io.files import data_file

# 50 take five minutes where a processor draws: set DECA_UPLOADS=50 to see them through.
UPLOADS = int(os.environ.get("DECA_UPLOADS", "16"))

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Used:
    """What was found, and the pictures (height, width, 3) and downloads that were made."""

    found: dict
    out: Path

    @property
    def desk(self) -> dict:
        return self.found["desk"]

    def picture(self, name: str) -> np.ndarray:
        return np.asarray(Image.open(self.out / f"{name}.png").convert("RGB")).astype(float)

    def change(self, one: str, other: str) -> np.ndarray:
        """How much each pixel differs between two pictures, in grey levels; the tools below are left out."""
        first, second = self.picture(one), self.picture(other)
        return np.abs(first - second).mean(-1)[:-90]


@pytest.fixture(scope="module")
def used(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Used:
    out = tmp_path_factory.mktemp("page")
    return Used(run_node("deca_page.mjs", server.address, out, data_file("astronaut.jpg")), out)


def test_nothing_to_complain_about_and_nothing_from_elsewhere(used: Used) -> None:
    assert used.found["complaints"] == []
    assert used.found["elsewhere"] == []


def test_a_bad_file_says_what_is_wrong(used: Used) -> None:
    assert used.desk["problem"].startswith("notes.jpg: not a picture file; use JPEG")
    assert used.desk["screenAfterProblem"] == "start"


def test_steps_are_announced_to_screen_readers(used: Used) -> None:
    steps = [text for text in used.desk["announced"] if text.startswith("Step ")]
    assert len(steps) >= 3
    assert "Step 7 of 7: Writing the files" in steps


def test_it_works_by_keyboard_and_every_control_has_a_name(used: Used) -> None:
    assert {"theme", "file", "choose", "camera"} <= set(used.desk["tabStops"])
    assert used.desk["sliderText"] == "1.00"
    assert used.desk["tab"] == "Identity"
    assert used.desk["unnamed"] == []
    assert used.change("turned", "smile").max() > 60


def test_sliders_move_the_mesh(used: Used) -> None:
    change = used.change("jaw_open", "neutral")
    rows = np.flatnonzero((change > 25).any(1))
    height = len(change)
    assert change.max() > 60
    # The mouth and below, nothing above the eyes.
    assert change[: height // 3].max() < 12
    assert rows.min() > height // 3
    assert used.change("identity", "turned").max() > 40


def test_wrinkles_come_and_go_with_the_smile_and_from_the_decoder(used: Used) -> None:
    moved = used.change("smile_normals", "neutral_normals")
    # She smiles in the photo: at rest her folds go. Where nothing changes, pictures are the same to the bit.
    decoded = used.change("neutral_normals", "neutral_normals_without")
    assert moved.max() > 60
    assert decoded.max() > 3
    assert (decoded > 1).sum() > 1000
    assert (decoded == 0).mean() > 0.8
    # Bumps, not another shape: far less than the smile itself changes.
    assert decoded.sum() < 0.5 * moved.sum()


def test_folds_are_darker(used: Used) -> None:
    """What an expression makes a hollow gets less light; beside the folds of the face nothing changes."""
    darker = (used.picture("disgust_even") - used.picture("disgust")).mean(-1)[:-90]
    assert (darker > 4).sum() > 300
    assert (darker > 1).sum() > (darker < -1).sum()
    assert (np.abs(darker) < 1).mean() > 0.8


def test_detail_is_a_matter_of_its_slider(used: Used) -> None:
    assert used.desk["detailWidth"] > 90
    change = used.change("neutral", "neutral_coarse")
    assert change.max() > 3
    assert change.mean() < 2


def test_the_head_lies_on_its_photo(used: Used) -> None:
    """Eyes, nose and mouth are where the photo has them, in the photo's light."""
    photo, head = used.picture("compare_photo")[:-90], used.picture("compare_head")[:-90]
    height, width = photo.shape[:2]
    top, bottom, left, right = int(0.4 * height), int(0.72 * height), int(0.44 * width), int(0.56 * width)
    there = photo[top:bottom, left:right].mean(-1)

    def agreement(across: int, down: int) -> float:
        here = head[top + down : bottom + down, left + across : right + across].mean(-1)
        return float(np.corrcoef(there.ravel(), here.ravel())[0, 1])

    assert agreement(0, 0) > 0.6
    assert agreement(0, 0) > max(agreement(*off) for off in ((12, 0), (-12, 0), (0, 12), (0, -12))) + 0.05
    assert np.abs(there - head[top:bottom, left:right].mean(-1)).mean() < 30


def test_downloads_open(used: Used) -> None:
    ran = subprocess.run(
        ["node", HERE / "validate.mjs", used.out / "head.glb"], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout)["issues"]["numErrors"] == 0
    assert {"head.glb", "detail.obj", "parameters.json", "photo.jpg"} <= set(
        zipfile.ZipFile(used.out / "head.zip").namelist()
    )
    assert min(Image.open(used.out / "view.png").size) > 1000


def test_it_fits_a_phone_and_is_dark_where_the_phone_is(used: Used) -> None:
    phone = used.found["phone"]
    assert phone["width"] == 390
    assert phone["tools"]["left"] >= 0
    assert phone["tools"]["right"] <= 390
    assert phone["tools"]["bottom"] <= phone["stage"]["bottom"]
    assert phone["stage"]["height"] > 250
    assert phone["panel"]["height"] > 250
    dark, light = used.picture("phone_dark"), used.picture("phone_light")
    assert np.median(dark) < 60
    assert np.median(light) > 190


def test_wrinkles_are_decoded_fast_enough(used: Used) -> None:
    """Some 90 a second on two cores; where this fails the page is of no use."""
    assert used.desk["updatesPerSecond"] > 20


def upload(server: Server, folder: Path, count: int) -> list[dict[str, float]]:
    """What memory was used after each upload of small.jpg."""
    return run_node("deca_page.mjs", server.address, folder, folder / "small.jpg", count)["memory"]


def test_memory_stays_flat(server: Server, tmp_path: Path) -> None:
    Image.open(data_file("astronaut.jpg")).crop((130, 20, 330, 220)).save(tmp_path / "small.jpg")
    upload(server, tmp_path, 3)
    before = server.resident()
    memory = upload(server, tmp_path, UPLOADS)
    heaps = [each["heap"] for each in memory]
    assert len(heaps) == UPLOADS
    # A page that kept its heads would grow by 10 MB for each, 0.1 of them on the heap. The driver keeps
    # what was fetched, 4 MB a head.
    assert np.median(heaps[-4:]) - np.median(heaps[4:8]) < 0.04 * (UPLOADS - 8)
    resident = [each["resident"] for each in memory]
    assert np.median(resident[-4:]) - np.median(resident[4:8]) < 6 * (UPLOADS - 8)
    assert server.resident() - before < 150
