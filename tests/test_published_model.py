"""`deca reconstruct --model deca` on files in the published schemas, from adding them to a face's folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_files import published_folder
from parity_weights import published_weights
from safetensors.torch import load_file
from typed import run

from deca.apps.published_model import published_head
from deca.conversion.flame_head import with_counts
from deca.geometry import euler_to_axis_angle
from deca.head.data import HeadError
from deca.io.asset_records import assets_folder
from deca.io.files import data_file
from deca.io.heads import find_head, write_head
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.io.parameter_files import read_parameters
from deca.model.networks import DecaNetworks, NetworkSizes
from deca.model.published_names import own_state_dict
from deca.model.weights import build_networks
from deca.photo.crop import crop_image, landmark_crop
from deca.photo.faces import find_faces
from deca.photo.released_crop import plain_crop_image, points_box, released_landmark_crop

ASTRONAUT = data_file("astronaut.jpg")
FILES = (
    "generic_model.pkl",
    "landmark_embedding.npy",
    "head_template.obj",
    "FLAME_albedo_from_BFM.npz",
    "uv_face_eye_mask.png",
    "fixed_displacement_256.npy",
    "texture_data_256.npy",
    "deca_model.tar",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A user's folder of assets, with everything that DECA needs."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECA_HOME", str(folder))
        assert run("assets", "add", *(published_folder() / name for name in FILES)) == 0
    return folder


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.setenv("DECA_HOME", str(home))


@pytest.fixture(scope="module")
def networks() -> DecaNetworks:
    """The reference: the same weights in PyTorch, by their rule and not from the file."""
    return build_networks(own_state_dict(published_weights()))


@pytest.fixture(scope="module", params=["paper", "released"])
def written(request, home, tmp_path_factory) -> tuple[str, Path]:
    """The astronaut by either behaviour."""
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECA_HOME", str(home))
        arguments = ("--model", "deca", "--behaviour", request.param)
        assert run("reconstruct", ASTRONAUT, "--out", out, *arguments) == 0
    return request.param, out / "astronaut"


@torch.no_grad()
def test_the_command_writes_what_the_networks_say(written, networks):
    behaviour, folder = written
    photo = read_photo(ASTRONAUT)
    (found,) = find_faces(photo, face_detector(), face_landmarker())
    if behaviour == "paper":
        image = crop_image(photo, landmark_crop(found.ibug68))
    else:
        image = plain_crop_image(photo, released_landmark_crop(points_box(found.ibug68)))
    expected = networks.encode(image)
    record = read_parameters(folder / "parameters.json", with_counts(find_head("flame"), 100, 50))
    for name in ("shape", "expression", "pose", "jaw", "camera", "albedo", "lighting", "detail"):
        # The command may run the networks by OpenVINO, in another order of sums.
        torch.testing.assert_close(
            getattr(record.parameters, name), getattr(expected, name), atol=2e-3, rtol=1e-3
        )
    assert (folder / "head.glb").stat().st_size > 100_000
    assert (folder / "sheet.png").is_file()


@torch.no_grad()
def test_the_released_arrays_stand_beside_the_files(written, networks):
    behaviour, folder = written
    if behaviour == "paper":
        assert not (folder / "released.safetensors").exists()
        return
    arrays = load_file(folder / "released.safetensors")
    record = read_parameters(folder / "parameters.json", with_counts(find_head("flame"), 100, 50))
    fixed = torch.from_numpy(np.load(published_folder() / "fixed_displacement_256.npy")).float()
    expected = networks.displacement(record.parameters) + fixed
    torch.testing.assert_close(arrays["displacement"], expected, atol=1e-6, rtol=0)
    template = json.loads((assets_folder() / "dense-template.json").read_text())
    assert template["kind"] == "dense-template"
    assert arrays["dense_triangles"].max() == arrays["dense_vertices"].shape[1] - 1
    assert arrays["texture_uv"].shape == (1, 3, 256, 256)
    assert arrays["landmarks3d"].shape == (1, 68, 4)


def test_a_jaw_given_as_euler_angles_is_turned(networks, tmp_path):
    assert run("reconstruct", ASTRONAUT, "--out", tmp_path, "--model", "deca", "--jaw", "euler") == 0
    head = with_counts(find_head("flame"), 100, 50)
    jaw = read_parameters(tmp_path / "astronaut" / "parameters.json", head).parameters.jaw
    photo = read_photo(ASTRONAUT)
    (found,) = find_faces(photo, face_detector(), face_landmarker())
    with torch.no_grad():
        angles = networks.encode(crop_image(photo, landmark_crop(found.ibug68))).jaw
    torch.testing.assert_close(jaw, euler_to_axis_angle(angles), atol=2e-3, rtol=1e-3)


def test_a_flame_of_another_year_is_refused(tmp_path):
    other = replace(find_head("flame"), version="2017")
    write_head(other, tmp_path / "other.npz")
    with pytest.raises(HeadError, match=r"FLAME 2017, but the networks drive FLAME 2020"):
        published_head(tmp_path / "other.npz", NetworkSizes())


@pytest.mark.parametrize(("what", "cut"), [("shape", (40, 100)), ("expression", (300, 20))])
def test_a_flame_of_too_few_components_is_refused(tmp_path, what, cut):
    write_head(with_counts(find_head("flame"), *cut), tmp_path / "few.npz")
    with pytest.raises(HeadError, match=what):
        published_head(tmp_path / "few.npz", NetworkSizes())


def test_another_head_is_refused_in_one_line(tmp_path, capsys):
    arguments = ("reconstruct", ASTRONAUT, "--out", tmp_path, "--model", "deca", "--head", "default")
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "expression components, but the networks estimate 50" in line


def test_without_files_the_command_says_what_to_add(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "empty"))
    assert run("reconstruct", ASTRONAUT, "--out", tmp_path, "--model", "deca") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "deca_model.tar" in line
    assert "deca assets add" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--behaviour", "released"), "only --model deca"),
        (("--jaw", "euler"), "only --model deca"),
        (("--model", "deca", "--behaviour", "released", "--texture-size", "512"), "256 texels"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path, capsys, arguments, said):
    assert run("reconstruct", ASTRONAUT, "--out", tmp_path, *arguments) == 2
    assert said in capsys.readouterr().err


def test_compiled_networks_go_with_their_weights(home, tmp_path, monkeypatch):
    monkeypatch.setenv("DECA_HOME", str(tmp_path))
    compiled = tmp_path / "compiled" / "of-other-weights"
    compiled.mkdir(parents=True)
    assert run("assets", "add", published_folder() / "uv_face_mask.png") == 0
    assert not compiled.exists()
