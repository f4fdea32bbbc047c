"""Motions, their transfer to another person, and their files."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from small_head import make_small_head

from deca.animation.joints import gaze_as_actions, jaw_as_action, jaw_as_joint
from deca.animation.motion import Motion, TransferConfig, calmest, eased, gaze_actions, transferred
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.io.motion_files import MotionFileError, read_arkit, read_motion, write_arkit, write_motion
from deca.parameters import Parameters

DATA = default_head()
MODEL = HeadModel(DATA)
NAMES = DATA.expression_names


def face(jaw: float = 0.0, **actions: float) -> Parameters:
    parameters = MODEL.neutral()
    expression = parameters.expression.clone()
    for name, weight in actions.items():
        expression[0, NAMES.index(name)] = weight
    return parameters.replace(expression=expression, jaw=torch.tensor([[jaw, 0.0, 0.0]]))


def motion(*faces: Parameters, rate: float = 25.0) -> Motion:
    together = Parameters(
        **{f.name: torch.cat([getattr(one, f.name) for one in faces]) for f in fields(Parameters)}
    )
    return Motion(np.arange(len(faces)) / rate, together)


def weight(parameters: Parameters, name: str, frame: int = 0) -> float:
    return float(parameters.expression[frame, NAMES.index(name)])


def test_the_person_stays_and_the_expression_comes_from_the_driver() -> None:
    person = face(mouthSmileLeft=0.3).replace(
        shape=torch.full((1, len(DATA.shape_basis)), 0.5), pose=torch.tensor([[0.0, 0.2, 0.0]])
    )
    driver = motion(face(jaw=0.1, browDownLeft=0.6, eyeLookUpLeft=0.5).replace(pose=torch.ones(1, 3)), face())
    moved = transferred(person, driver, DATA, TransferConfig()).parameters
    assert moved.batch == 2
    assert (moved.shape == person.shape).all()
    assert weight(moved, "mouthSmileLeft") == 0
    assert weight(moved, "browDownLeft") == pytest.approx(0.6)
    assert float(moved.jaw[0, 0]) == pytest.approx(0.1)
    # Neither the head's pose nor the gaze was asked for.
    assert (moved.pose == person.pose).all()
    assert weight(moved, "eyeLookUpLeft") == 0
    with_both = transferred(person, driver, DATA, TransferConfig(head_pose=True, gaze=True)).parameters
    assert (with_both.pose[0] == 1).all()
    assert weight(with_both, "eyeLookUpLeft") == pytest.approx(0.5)


def test_a_relative_transfer_takes_the_change_alone() -> None:
    rest = face(jaw=0.05, browDownLeft=0.4)
    driver = motion(*[rest] * 19, face(jaw=0.15, browDownLeft=0.4, mouthSmileLeft=0.5))
    config = TransferConfig(relative=True, head_pose=True)
    turned = face().replace(pose=torch.tensor([[0.0, 0.3, 0.0]]))
    moved = transferred(turned, driver, DATA, config).parameters
    assert weight(moved, "browDownLeft") == pytest.approx(0, abs=1e-6)
    assert float(moved.jaw[0, 0]) == pytest.approx(0, abs=1e-6)
    assert weight(moved, "mouthSmileLeft", -1) == pytest.approx(0.5)
    assert float(moved.jaw[-1, 0]) == pytest.approx(0.1, abs=1e-6)
    assert moved.pose[0].tolist() == pytest.approx([0, 0.3, 0], abs=1e-6)
    same = transferred(turned, driver, DATA, config, neutral=rest).parameters
    assert torch.allclose(same.expression, moved.expression)


def test_strength_exaggerates_within_the_bounds() -> None:
    driver = motion(face(mouthSmileLeft=0.4, jawForward=0.9))
    moved = transferred(face(), driver, DATA, TransferConfig(strength=2.0)).parameters
    assert weight(moved, "mouthSmileLeft") == pytest.approx(0.8)
    assert weight(moved, "jawForward") == 1


def test_the_calmest_frames_are_the_neutral_face() -> None:
    frames = [face(mouthSmileLeft=0.1 * (k % 10)) for k in range(40)]
    assert weight(calmest(motion(*frames)), "mouthSmileLeft") == 0


def test_an_eased_motion_goes_there_and_back() -> None:
    there = eased(face(), face(mouthSmileLeft=0.8), seconds=1.0, frame_rate=20.0)
    values = there.parameters.expression[:, NAMES.index("mouthSmileLeft")]
    assert len(there.times) == 20
    assert values[0] == 0
    assert float(values.max()) == pytest.approx(0.8)
    assert (values[1:11].diff() > 0).all()
    assert (values[10:].diff() < 0).all()


def test_times_have_to_rise() -> None:
    with pytest.raises(ValueError, match="rise"):
        Motion(np.zeros(2), motion(face(), face()).parameters)
    with pytest.raises(ValueError, match="one each is needed"):
        Motion(np.zeros(1), motion(face(), face()).parameters)


def test_jaw_and_gaze_have_two_words_for_one_pose() -> None:
    open_mouth = face(jawOpen=0.5, jaw=0.02)
    by_joint, by_action = jaw_as_joint(open_mouth, DATA), jaw_as_action(open_mouth, DATA)
    vertices = [MODEL(one).vertices for one in (open_mouth, by_joint, by_action)]
    assert weight(by_joint, "jawOpen") == 0
    assert torch.allclose(vertices[0], vertices[1], atol=1e-6)
    assert torch.allclose(vertices[0], vertices[2], atol=1e-6)
    looking = face().replace(eyes=torch.tensor([[[0.1, 0.2, 0.0], [-0.1, 0.2, 0.0]]]))
    said = gaze_as_actions(looking, DATA)
    assert said.eyes.abs().max() < 1e-6
    assert weight(said, "eyeLookOutLeft") > 0
    assert weight(said, "eyeLookInRight") > 0
    assert weight(said, "eyeLookUpRight") > 0
    assert [NAMES[k] for k in np.flatnonzero(gaze_actions(DATA))] == [
        name for name in NAMES if name.startswith("eyeLook")
    ]


def test_arkits_weights_load_back(tmp_path: Path) -> None:
    pose = torch.tensor([[0.1, -0.4, 0.2]])
    before = motion(
        face(jaw=0.2, mouthSmileLeft=0.7).replace(pose=pose), face(eyeBlinkRight=1.0), face(), rate=30
    )
    write_arkit(tmp_path / "a.csv", before, DATA)
    after = read_arkit(tmp_path / "a.csv", DATA)
    assert np.allclose(after.times, before.times, atol=2e-5)
    heads = [jaw_as_joint(one, DATA) for one in (before.parameters, after.parameters)]
    assert torch.allclose(heads[0].jaw, heads[1].jaw, atol=1e-5)
    assert torch.allclose(heads[0].expression, heads[1].expression, atol=1e-5)
    assert torch.allclose(before.parameters.pose, after.parameters.pose, atol=1e-5)
    header = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert header[:2] == ["Timecode", "BlendshapeCount"]
    assert {"JawOpen", "HeadYaw", "LeftEyeYaw"} <= set(header)
    assert len(header) == 2 + 52 + 9


def write_rows(path: Path, rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def test_other_peoples_csv_are_read(tmp_path: Path) -> None:
    rows = [["timestamp", "jawOpen", "mouthSmile_L", "note"], [5.0, 0.25, 1, "a"], [5.5, 1.5, 1, "b"]]
    found = read_arkit(write_rows(tmp_path / "a.csv", rows), DATA)
    assert found.times.tolist() == [0, 0.5]
    assert found.parameters.expression[:, NAMES.index("jawOpen")].tolist() == [0.25, 1]
    rows = [["JawOpen", "LeftEyeYaw"], [0, 0.3], [0, 0.1]]
    found = read_arkit(write_rows(tmp_path / "b.csv", rows), DATA)
    assert found.times[1] == pytest.approx(1 / 60)
    assert found.parameters.eyes[0, 0].tolist() == pytest.approx([0, 0.3, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["Timecode", "JawOpen"]], "no rows"),
        ([["a", "b"], [1, 2]], "no column has the name of an action"),
        ([["Timecode", "JawOpen"], ["then", 0]], "line 2: 'then' is no timecode"),
        ([["time", "JawOpen"], [1, 0], [1, 0]], "line 3 is not later"),
        ([["time", "JawOpen"], [1, 0], [2]], "line 3 has 1 fields"),
        ([["time", "JawOpen"], [1, "nan"]], "JawOpen holds a number that is not finite"),
    ],
)
def test_bad_csv_says_what_is_wrong(tmp_path: Path, rows: list[list[object]], said: str) -> None:
    with pytest.raises(MotionFileError, match=said):
        read_arkit(write_rows(tmp_path / "a.csv", rows), DATA)


def test_motions_load_back_whole(tmp_path: Path) -> None:
    before = motion(face(jaw=0.2, mouthSmileLeft=0.7), face())
    write_motion(tmp_path / "m.npz", before, DATA)
    after = read_motion(tmp_path / "m.npz", DATA)
    assert (after.times == before.times).all()
    for field in fields(Parameters):
        assert torch.equal(getattr(after.parameters, field.name), getattr(before.parameters, field.name))
    with pytest.raises(MotionFileError, match="a motion of the head"):
        read_motion(tmp_path / "m.npz", make_small_head())
    (tmp_path / "m.npz").write_bytes(b"no archive")
    with pytest.raises(MotionFileError, match=r"m\.npz"):
        read_motion(tmp_path / "m.npz", DATA)
    with pytest.raises(FileNotFoundError):
        read_motion(tmp_path / "none.npz", DATA)
