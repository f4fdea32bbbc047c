"""`deca view` of a folder of heads, beside the photo that they were made from, in Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from browsing import Server, run_node
from deca_server import deca_server
from PIL import Image

from deca.io.files import data_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("viewed")


@pytest.fixture(scope="module")
def viewed(server: Server, astronaut: str, out: Path) -> dict:
    for name in ("ann", "ben"):
        # As `deca reconstruct` leaves it.
        made = server.store / "heads" / astronaut
        shutil.copytree(made, out / "heads" / name, ignore=shutil.ignore_patterns("photo.jpg"))
    Image.open(data_file("astronaut.jpg")).crop((0, 0, 400, 200)).save(out / "other.jpg")
    with deca_server("view", out / "heads") as (_, address):
        return run_node("viewed_page.mjs", address, out, data_file("astronaut.jpg"), out / "other.jpg")


def test_every_head_of_the_folder_can_be_chosen_and_none_changed(viewed: dict) -> None:
    assert viewed["complaints"] == []
    assert viewed["heads"] == ["ann", "ben"]
    assert viewed["title"].startswith("ann ")
    assert viewed["nextTitle"].startswith("ben ")
    assert viewed["focus"] == "heads"
    assert not viewed["newPhoto"]
    assert viewed["deletes"] == 0


def test_the_chosen_photo_is_wiped_over_the_head(viewed: dict, out: Path) -> None:
    photo, half, head = (
        np.asarray(Image.open(out / f"wipe_{share}.png").convert("RGB")).astype(float)
        for share in (100, 50, 0)
    )
    middle = photo.shape[1] // 2
    assert np.array_equal(half[:, : middle - 10], photo[:, : middle - 10])
    assert np.array_equal(half[:, middle + 10 :], head[:, middle + 10 :])
    # The head hides part of the photo and looks like it there; around it the photo stays.
    change = np.abs(photo - head).mean(-1)
    assert 0.1 < (change > 3).mean() < 0.6
    assert np.median(change[change > 3]) < 40
    # Nothing said before lies on the photo.
    assert viewed["overPhoto"] == ""
    assert not viewed["photoAfterwards"]


def test_another_photo_and_an_unknown_head_are_told_of(viewed: dict) -> None:
    assert viewed["other"].startswith("This is another photo: the head was made of one of 512 ")
    assert viewed["unknown"] == {
        "problem": "no such head; results are deleted after a time",
        "upload": False,
    }
    assert viewed["focusOnStart"] == "start-title"


def test_a_browser_without_webgl_is_told_what_it_lacks(viewed: dict) -> None:
    assert "WebGL 2" in viewed["flat"]
