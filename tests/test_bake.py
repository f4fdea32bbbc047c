"""Baked wrinkles are the decoder's: read back from the files, by the formulas that the guide states."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pygltflib import GLTF2
from typed import run

from deca.animation.baking import Baker
from deca.animation.correctives import Drivers, ReliefSample, choose_correctives
from deca.animation.person import BUMPS, Person
from deca.apps import bake as command
from deca.apps.bake import ENGINE_FILES, random_expressions
from deca.apps.people import read_person
from deca.io.baked_files import BakedError, decode_tilt, encode_tilt, read_baked
from deca.io.default_networks import default_networks
from deca.io.files import data_file, whole_folder
from deca.io.gltf import at_rest
from deca.io.maps import read_displacement
from deca.model.deca import Deca
from deca.model.networks import decoder_input
from deca.model.small_detail import SmallDetailDecoder
from deca.parameters import Parameters

PAGE = (Path(__file__).parents[1] / "docs" / "engines.md").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder where the guide's commands were run, one after the other, on the astronaut."""
    folder = tmp_path_factory.mktemp("engines")
    shutil.copy(data_file("astronaut.jpg"), folder / "me.jpg")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()
    commands = [shlex.split(line) for line in lines if line]
    assert [each[0] for each in commands] == ["deca", "deca", "blender"]
    for each in commands[:2]:
        finished = subprocess.run(
            each, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
    (folder / "said.txt").write_text(finished.stdout)
    assert (folder / commands[2][-1]).is_file()
    return folder


@pytest.fixture(scope="module")
def baked(home) -> Path:
    return home / "baked"


@pytest.fixture(scope="module")
def about(baked) -> dict:
    return json.loads((baked / "wrinkles.json").read_text())


@pytest.fixture(scope="module")
def person(home) -> Person:
    return read_person(home / "out" / "me")


def weights_of(about: dict, morphs: dict[str, float]) -> list[float]:
    """The maps' weights by the formula of the guide, in nothing but Python."""
    efforts = [
        sum(term["factor"] * morphs.get(term["morph"], 0) for term in each["terms"]) for each in about["maps"]
    ]
    return [1 - math.exp(-(max(0.0, effort) ** about["rise"])) for effort in efforts]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(np.float64)


def blended(baked: Path, about: dict, base: str, scale: float, morphs: dict[str, float]) -> np.ndarray:
    """Tilts (row, column, 2) by the formulas of the guide."""
    normal = pixels(baked / about[base]["file"]) / 127.5 - 1
    tilt = scale * normal[..., :2] / normal[..., 2:]
    for each, weight in zip(about["maps"], weights_of(about, morphs), strict=True):
        if weight:
            xy = (pixels(baked / each["file"])[..., :2] - 128) / 127
            z = np.sqrt(1 - (xy**2).sum(-1, keepdims=True))
            tilt = tilt + weight * each["strength"] * xy / z
    return tilt


def morphs_of(person: Person, parameters: Parameters, index: int) -> dict[str, float]:
    names = person.deca.data.expression_names
    return dict(zip(names, parameters.expression[index].tolist(), strict=True))


def decoded(person: Person, parameters: Parameters) -> np.ndarray:
    """The decoder's tilts (row, column, 2) on the neutral head, from normals."""
    vertices = person.deca.head_model(at_rest(person.parameters)).vertices
    surface = person.deca.detail_model.surface(vertices, person.wrinkles.under(parameters))
    x, y, z = surface.tangent_normals()[0].numpy()
    return np.stack([x / z, y / z], -1)


def test_every_file_is_there(baked, about):
    named = [about[kind]["file"] for kind in ("displacement", "neutral", "textured", "decoder")]
    named += [each["file"] for each in about["maps"]]
    assert {path.name for path in baked.iterdir()} == {*named, *ENGINE_FILES, "head.glb", "wrinkles.json"}
    assert len(about["maps"]) <= 12
    for name in named[1:3] + named[4:]:
        assert Image.open(baked / name).size == (512, 512)
    assert len({each["name"] for each in about["maps"]}) == len(about["maps"])


def test_the_command_says_how_good_they_are(home, about):
    said = (home / "said.txt").read_text()
    assert f"{about['heldOut']['explainedTilt']:.1%} of the variance of the normals" in said
    assert f"{about['heldOut']['angleMedian']:.2f} degrees off" in said


def test_the_guide_knows_every_key(about):
    rows = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    known = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert about.keys() | about["heldOut"].keys() <= known


@torch.no_grad()
def test_read_back_they_are_the_decoders_normals(baked, about, person):
    """On expressions that neither choice nor measurement of the command has seen."""
    sample = random_expressions(person, 24, 7)
    covered = person.deca.layout.mask.numpy()
    rest = decoded(person, at_rest(person.parameters))[covered]
    truths, founds = [], []
    for index in range(sample.batch):
        face = sample.map(lambda values, index=index: values[index : index + 1])
        morphs = morphs_of(person, sample, index)
        truths.append(decoded(person, face)[covered])
        founds.append(blended(baked, about, "neutral", 1.0, morphs)[covered])
    truth, found = np.stack(truths), np.stack(founds)
    unexplained = ((truth - rest - (found - founds_at_rest(baked, about)[covered])) ** 2).sum()
    explained = 1 - unexplained / ((truth - truth.mean(0)) ** 2).sum()
    assert explained >= 0.9
    assert abs(explained - about["heldOut"]["explainedTilt"]) < 0.01
    errors = np.rad2deg(np.linalg.norm(found - truth, axis=-1))
    turned = np.rad2deg(np.linalg.norm(truth - rest, axis=-1)) > 1
    assert np.median(errors[turned]) < 0.3
    assert np.percentile(errors[turned], 95) < 0.6
    assert np.median(errors[turned]) == pytest.approx(about["heldOut"]["angleMedian"], abs=0.1)


def founds_at_rest(baked: Path, about: dict) -> np.ndarray:
    return blended(baked, about, "neutral", 1.0, {})


@torch.no_grad()
def test_at_rest_the_neutral_maps_are_all(baked, about, person):
    assert weights_of(about, {}) == [0.0] * len(about["maps"])
    rest = at_rest(person.parameters)
    displacement = person.wrinkles.under(rest)[0, 0].numpy()
    np.testing.assert_allclose(
        read_displacement(baked / "displacement.png"),
        displacement,
        atol=0.6 * about["displacement"]["metresPerUnit"],
    )
    error = blended(baked, about, "neutral", 1.0, {}) - decoded(person, rest)
    assert np.abs(error[person.deca.layout.mask.numpy()]).max() < 0.02


@torch.no_grad()
def test_on_the_texture_it_is_shaded_as_by_deca(baked, about, person):
    """`Shot.lit` shades a part of the reconstructed relief and all of what the expression changes."""
    rest = at_rest(person.parameters)
    shown = BUMPS * person.wrinkles.reconstructed + person.wrinkles.change(rest)
    vertices = person.deca.head_model(rest).vertices
    x, y, z = person.deca.detail_model.surface(vertices, shown).tangent_normals()[0].numpy()
    assert about["textured"]["scale"] == BUMPS
    found = blended(baked, about, "textured", about["textured"]["scale"], {})
    error = (found - np.stack([x / z, y / z], -1))[person.deca.layout.mask.numpy()]
    assert np.abs(error).max() < 0.02


def test_the_glb_has_the_morphs_and_the_normals(baked, about):
    document = GLTF2().load(str(baked / "head.glb"))
    morphs = document.meshes[0].extras["targetNames"]
    assert {term["morph"] for each in about["maps"] for term in each["terms"]} <= set(morphs)
    assert not any(document.meshes[0].weights)
    assert document.meshes[0].name == about["mesh"]
    skin = document.materials[0]
    assert skin.name == about["material"]
    assert skin.normalTexture.scale == about["textured"]["scale"]
    image = document.images[document.textures[skin.normalTexture.index].source]
    view = document.bufferViews[image.bufferView]
    data = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    assert data == (baked / about["textured"]["file"]).read_bytes()


def test_an_open_jaw_is_the_morph_or_the_joint(person):
    """The decoder reads the joint, a GLB says jawOpen: the same wrinkles."""
    data, rest = person.deca.data, at_rest(person.parameters)
    action, joint = data.expression_names.index("jawOpen"), data.joint_names.index("jaw")
    expression = rest.expression.clone()
    expression[0, action] = 0.6
    turn = 0.6 * torch.from_numpy(data.expression_joint_rotations[action, joint])[None]
    by_action, by_joint = rest.replace(expression=expression), rest.replace(jaw=turn)
    torch.testing.assert_close(
        person.wrinkles.under(by_action), person.wrinkles.under(by_joint), atol=1e-7, rtol=0
    )
    assert float((person.wrinkles.change(by_action) - person.wrinkles.change(rest)).abs().max()) > 1e-5
    (angle,) = re.findall(r"divided by\n([\d.]+) radians", PAGE)
    assert float(angle) == pytest.approx(float(turn[0, 0]) / 0.6, abs=1e-4)


@torch.no_grad()
def test_the_decoder_is_pytorchs(baked, about, person):
    model = onnx.load(str(baked / "decoder.onnx"))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(str(baked / "decoder.onnx"))
    sample = random_expressions(person, 3, 8)
    sample = sample.replace(jaw=sample.jaw + 0.1, detail=torch.randn(sample.detail.shape))
    inputs = {name: getattr(sample, name).numpy() for name in ("jaw", "expression", "detail")}
    (found,) = session.run(None, inputs)
    expected = default_networks().detail_decoder(decoder_input(sample)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(about["decoder"]["detail"], person.parameters.detail[0].numpy(), atol=1e-6)


def test_fewer_maps_and_other_sizes(baked, person):
    rest = at_rest(person.parameters)
    baker = Baker(person, default_networks().detail_decoder, rest, 256)
    sample, held_out = random_expressions(person, 300, 0), random_expressions(person, 300, 1)
    shares = []
    for most in (1, 5, 12, 32):
        found = baker.bake(sample, most)
        assert found.tilts.shape[1:] == (2, 256, 256)
        assert len(found.tilts) <= most
        shares.append(baker.explained(found.correctives, held_out).tilt)
    assert shares == sorted(shares)
    # With a map for every movement nothing is lost but the digits of the factors.
    assert len(found.tilts) < 32
    assert shares[-1] > 0.9999


def test_movements_that_are_alike_share_a_map():
    factors = torch.tensor([[2.0, 0.0, 0.0], [1.8, 0.3, 0.0], [0.0, 0.0, 2.2]], dtype=torch.float64)
    actions = torch.rand(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sample = ReliefSample(actions, Drivers(factors).weights(actions))
    products = torch.eye(3, dtype=torch.float64)
    exact = choose_correctives(sample, Drivers(factors), products, 3)
    assert sample.explained(exact, products) == pytest.approx(1)
    two = choose_correctives(sample, Drivers(factors), products, 2)
    parts = [set(row.nonzero().flatten().tolist()) for row in two.drivers.factors]
    assert sorted(map(sorted, parts)) == [[0, 1], [2]]
    assert 0.95 < sample.explained(two, products) < 1
    nothing = torch.zeros(5, 3, dtype=torch.float64)
    assert not two.strengths(nothing).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_tilts_keep_half_a_step(seed):
    tilt = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    tilt[:, 0, 0] = 0
    image = encode_tilt(tilt)
    assert image[0, 0].tolist() == [128, 128, 255]
    found = decode_tilt(image)
    assert not found[:, 0, 0].any()
    # A step of a normal's part is up to 1 / cos^3 of one of the tilt, at 55 degrees.
    assert float((found - tilt).abs().max()) < 0.5 / 127 * 5.3 * 1.5


def test_wrong_use_is_told_in_a_line(home, baked, capsys, tmp_path):
    face, out = home / "out" / "me", tmp_path / "new"
    for arguments, said in (
        ((face, "--out", baked), "is there already"),
        ((face, "--out", out, "--maps", 0), "--maps must be 1 to 12"),
        ((face, "--out", out, "--maps", 13), "--maps must be 1 to 12"),
        ((tmp_path / "none", "--out", out), "none"),
        ((face, "--out", home / "out", "--overwrite"), "is no folder of this command"),
        ((face, "--out", face, "--overwrite"), "is no folder of this command"),
        ((face, "--out", home / "me.jpg", "--overwrite"), "is no folder of this command"),
    ):
        assert run("bake", *arguments) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_another_head_has_nothing_to_bake(home, person, small_head, monkeypatch, capsys, tmp_path):
    other = replace(person, deca=Deca(small_head, 32), decode=None)
    monkeypatch.setattr(command, "read_person", lambda folder: other)
    assert run("bake", home / "out" / "me", "--out", tmp_path / "new") == 2
    assert "default head" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_was_there_stays_where_writing_fails(home, baked, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "write_decoder", full)
    before = {path: path.stat().st_mtime_ns for path in baked.iterdir()}
    assert run("bake", home / "out" / "me", "--out", baked, "--overwrite") == 1
    assert "No space left" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in baked.iterdir()} == before
    assert not list(home.glob(".*"))


def test_a_whole_folder_takes_an_older_ones_place(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    with whole_folder(tmp_path / "old") as parts:
        (parts / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "new"]


def test_what_is_no_description_is_refused(tmp_path):
    for text in ("", "[]", '{"format": "else"}', '{"format": "deca wrinkles 1", "size": 512}'):
        (tmp_path / "wrinkles.json").write_text(text)
        with pytest.raises(BakedError, match=r"wrinkles\.json"):
            read_baked(tmp_path, ("jawOpen",))


def test_a_decoder_opens_nothing_at_rest():
    decoder = SmallDetailDecoder(moves=5, detail=2)
    assert not decoder.opened(torch.zeros(1, 5)).any()


def test_blender_drives_the_maps(baked, about, tmp_path):
    """Where a Python with bpy is: this one, or the one that DECA_BLENDER_PYTHON names."""
    python = os.environ.get("DECA_BLENDER_PYTHON")
    if python is None and importlib.util.find_spec("bpy") is None:
        pytest.skip("no bpy here; DECA_BLENDER_PYTHON may name a Python that has it")
    poses = [{}, {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.7, "browInnerUp": 0.5, "jawOpen": 0.2}]
    script = Path(__file__).with_name("blender_head.py")
    arguments = [str(script), str(baked), json.dumps(poses), str(tmp_path)]
    finished = subprocess.run(
        [python or sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    (line,) = [line for line in finished.stdout.splitlines() if line.startswith("FOUND ")]
    still, smiling = json.loads(line.removeprefix("FOUND "))
    for pose, found in zip(poses, (still, smiling), strict=True):
        assert found["simple"]
        expected = dict(zip((each["name"] for each in about["maps"]), weights_of(about, pose), strict=True))
        assert found["weights"] == pytest.approx(expected, abs=1e-4)
    without, with_maps = (pixels(Path(path)) for path in still["pictures"])
    np.testing.assert_array_equal(without, with_maps)
    without, with_maps = (pixels(Path(path)) for path in smiling["pictures"])
    assert (np.abs(without - with_maps).max(-1) > 12).mean() > 0.005
