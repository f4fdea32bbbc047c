"""`deca animate` and `deca render` on the astronaut, from files to files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from PIL import Image
from rich.console import Console

import deca
from deca.animation.expressions import ExpressionError, named_expression
from deca.animation.lights import STUDIO, studio_light
from deca.animation.presets import PRESETS
from deca.apps.animate import animate
from deca.apps.animate_options import AnimateOptions, RenderOptions
from deca.apps.errors import UsageError
from deca.apps.people import read_person
from deca.apps.render import render
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.io.motion_files import read_motion
from deca.io.videos import video_frames

CONSOLE = Console(quiet=True)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reconstructed astronaut, and a second of face capture."""
    folder = tmp_path_factory.mktemp("animate")
    (face,) = deca.reconstruct(data_file("astronaut.jpg"), model="encode", texture_size=512)
    face.save(folder / "me")
    rows = [["time", "MouthSmileLeft", "MouthSmileRight", "JawOpen", "HeadYaw"]]
    rows += [[k / 10, k / 10, k / 10, 0.5 * (k > 5), 0.03 * k] for k in range(10)]
    with (folder / "capture.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Callable[..., Path]:
    def animated(out: str, driver: str = "capture.csv", **options) -> Path:
        animate(
            AnimateOptions(source=home / "me", driver=home / driver, out=tmp_path / out, **options), CONSOLE
        )
        return tmp_path / out

    return animated


def test_every_ending_is_written(run: Callable[..., Path]) -> None:
    frames = list(video_frames(run("a.mp4", size=96, show=("result", "clay", "coarse"))))
    assert len(frames) == 10
    assert frames[0][1].shape == (96, 288, 3)
    assert np.abs(frames[9][1].astype(int) - frames[0][1]).max() > 40
    with Image.open(run("a.gif", size=64)) as gif:
        assert gif.n_frames == 10
        assert gif.info["duration"] == 100
    assert Image.open(run("a.png", size=64)).size == (64, 64)
    assert run("a.csv").read_text().count("\n") == 11
    motion = read_motion(run("a.npz"), default_head())
    assert motion.frame_rate == pytest.approx(10)


def test_the_animated_glb_has_the_capture_on_its_curves(run: Callable[..., Path]) -> None:
    document = pygltflib.GLTF2().load(run("a.glb", transfer=deca_transfer(head_pose=True)))
    assert document is not None
    (animation,) = document.animations
    weights = next(one for one in animation.channels if one.target.path == "weights")
    output = document.accessors[animation.samplers[weights.sampler].output]
    assert output.count == 10 * 52
    view = document.bufferViews[output.bufferView]
    values = np.frombuffer(document.binary_blob(), np.float32, output.count, view.byteOffset).reshape(10, 52)
    names = document.meshes[0].extras["targetNames"]
    assert values[-1, names.index("mouthSmileLeft")] == pytest.approx(0.9, abs=1e-3)
    assert values[-1, names.index("jawOpen")] == pytest.approx(0.5, abs=1e-3)
    turning = {
        document.nodes[one.target.node].name for one in animation.channels if one.target.path == "rotation"
    }
    assert "root" in turning


def deca_transfer(**options):
    from deca.animation.motion import TransferConfig

    return TransferConfig(**options)


def test_a_face_drives_by_its_folder_or_numbers(run: Callable[..., Path]) -> None:
    assert len(list(video_frames(run("a.mp4", driver="me", size=64, seconds=0.5)))) == 15
    assert len(read_motion(run("b.npz", driver="me/parameters.json"), default_head()).times) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": "a.obj"}, "the ending has to be one of"),
        ({"out": "a.png", "driver": "none.csv"}, "no such file"),
        ({"out": "a.png", "show": ("driver",)}, "has no pictures"),
        ({"out": "a.png", "neutral": Path("x")}, "--neutral is for --relative"),
        ({"out": "a.png", "driver": "me", "transfer": "relative"}, "needs --neutral"),
        ({"out": "a.png", "size": 4}, "at least 16 pixels"),
        ({"out": "a.gif", "seconds": 0.0}, "more than none"),
        ({"out": "a.png", "model": "encode"}, "is reconstructed already"),
    ],
)
def test_wrong_usage_is_told_of_and_nothing_is_written(
    run: Callable[..., Path], tmp_path: Path, options: dict, said: str
) -> None:
    if options.get("transfer"):
        options = options | {"transfer": deca_transfer(relative=True)}
    with pytest.raises(UsageError, match=said):
        run(**options)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_kept(run: Callable[..., Path]) -> None:
    run("a.npz")
    with pytest.raises(UsageError, match="--overwrite replaces it"):
        run("a.npz")
    run("a.npz", overwrite=True)


def test_a_folder_that_is_no_face_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"parameters\.json: no such parameter file"):
        read_person(tmp_path)


@pytest.fixture
def drawn(home: Path, tmp_path: Path) -> Callable[..., np.ndarray]:
    def picture(name: str = "a.png", **options) -> np.ndarray:
        render(RenderOptions(source=home / "me", out=tmp_path / name, size=128, **options), CONSOLE)
        return np.asarray(Image.open(tmp_path / name)).astype(int)

    return picture


def test_pose_light_and_expression_change_the_picture(drawn: Callable[..., np.ndarray]) -> None:
    frontal = {"pose": (0.0, 0.0, 0.0), "expression": ("neutral",)}
    plain = drawn("plain.png", **frontal)
    left = drawn("left.png", light="left", **frontal)
    right = drawn("right.png", light="right", **frontal)
    # The subject's left is the viewer's right.
    assert left[:, 64:].mean() - left[:, :64].mean() > 10
    assert right[:, :64].mean() - right[:, 64:].mean() > 10
    turned = drawn("turned.png", light="left", turn_light=-90.0, **frontal)
    assert turned[40:90, :64].mean() > left[40:90, :64].mean()
    smiling = drawn("smile.png", pose=(0.0, 0.0, 0.0), expression=("smile=0.9",))
    assert np.abs(smiling - plain).max() > 30
    assert np.abs(drawn("yaw.png", pose=(30.0, 0.0, 0.0), expression=("neutral",)) - plain).mean() > 5
    assert (drawn("clear.png", background="none")[0, 0] == [0, 0, 0, 0]).all()
    assert drawn("normals.png", look="normals").shape == (128, 128, 3)


def test_a_turntable_ends_where_it_began(home: Path, tmp_path: Path) -> None:
    options = RenderOptions(source=home / "me", turntable=tmp_path / "t.mp4", size=64, seconds=0.4)
    render(options, CONSOLE)
    frames = [frame.astype(int) for _, frame in video_frames(tmp_path / "t.mp4")]
    assert len(frames) == 12
    assert np.abs(frames[3] - frames[0]).mean() > np.abs(frames[6] - frames[0]).mean()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"expression": ("grin",)}, "no expression 'grin'"),
        ({"light": "moon"}, "neither photo"),
        ({"name": "a.jpg", "background": "none"}, "only PNG is transparent"),
        ({"name": "a.tiff"}, "the ending has to be one of"),
    ],
)
def test_what_cannot_be_drawn_is_told_of(drawn: Callable[..., np.ndarray], options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        drawn(**options)


def test_presets_are_made_of_known_actions() -> None:
    data = default_head()
    for name in PRESETS:
        found = named_expression((name,), data)
        assert float(found.max()) <= 1
        assert bool(found.any()) == (name != "neutral")
    with pytest.raises(ExpressionError, match="is no number"):
        named_expression(("smile=much",), data)
    for name in STUDIO:
        assert studio_light(name).shape == (9, 3)
