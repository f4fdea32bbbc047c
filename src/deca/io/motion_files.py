"""Motions as files: ARKit's weights as CSV, as face capture writes them, and everything as npz."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from deca.animation.joints import gaze_as_actions, jaw_as_action
from deca.animation.motion import Motion
from deca.conversion.asset import AssetError
from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.data import HeadData
from deca.io.archives import open_archive
from deca.io.files import whole_file
from deca.parameters import Parameters

_NPZ_FORMAT = "deca motion 1"
_TIMES = ("time", "times", "timestamp", "seconds")
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;.](\d+)(?:\.(\d+))?$")
# Live Link Face records at this rate, and its frames count up to it.
_FRAME_RATE = 60.0
_ANGLES = ("Yaw", "Pitch", "Roll")
_DIGITS = 6


class MotionFileError(ValueError):
    """A file does not hold a motion; the message names the file, the line or array, and the remedy."""


def read_arkit(path: str | Path, data: HeadData) -> Motion:
    """A CSV with a row a frame and a column for each action of ARKit, as Live Link Face records it.

    Times are read from a column of seconds or of timecodes; without either, frames are taken as 60 a second.
    HeadYaw, HeadPitch and HeadRoll, in radians about y, x and z, are the pose; the gaze is that of the
    eyeLook actions, and only without any of them that of LeftEyeYaw and its like. Other columns are left
    alone. MotionFileError where the file is not such a CSV, FileNotFoundError where it is missing.
    """
    path = Path(path)
    if not data.has_actions:
        raise MotionFileError(f"{path}: the head {data.name} has no facial actions for ARKit's weights")
    columns, times = _csv_columns(path)
    values = {name.lower(): column for name, column in columns.items()}
    names = [name for name in data.expression_names if name.lower() in values]
    if not names:
        raise MotionFileError(
            f"{path}: no column has the name of an action of ARKit (jawOpen, mouthSmileLeft, ...)"
        )
    count = len(times)
    expression = np.zeros((count, len(data.expression_names)), np.float32)
    for name in names:
        expression[:, data.expression_names.index(name)] = values[name.lower()].clip(0, 1)

    def turned(part: str) -> torch.Tensor:
        yaw, pitch, roll = (values.get(f"{part}{angle}".lower(), np.zeros(count)) for angle in _ANGLES)
        return _rotation(yaw, pitch, roll)

    parameters = _still(data, count).replace(expression=torch.from_numpy(expression), pose=turned("Head"))
    if not any(name.startswith("eyeLook") for name in names):
        parameters = parameters.replace(eyes=torch.stack([turned("LeftEye"), turned("RightEye")], 1))
    return Motion(times, parameters)


def write_arkit(path: str | Path, motion: Motion, data: HeadData) -> None:
    """Write the actions of a motion under ARKit's names, as Live Link Face does; loads back by `read_arkit`.

    The jaw's and the eyes' joints are said by their actions, as far as these go. MotionFileError for a head
    without facial actions.
    """
    if not data.has_actions:
        raise MotionFileError(f"{path}: the head {data.name} has no facial actions; write .npz or .glb")
    parameters = gaze_as_actions(jaw_as_action(motion.parameters, data), data)
    angles = {
        part: _yaw_pitch_roll(rotations)
        for part, rotations in (
            ("Head", parameters.pose),
            ("LeftEye", motion.parameters.eyes[:, 0]),
            ("RightEye", motion.parameters.eyes[:, 1]),
        )
    }
    names = data.expression_names
    header = ["Timecode", "BlendshapeCount", *(name[0].upper() + name[1:] for name in names)]
    header += [f"{part}{angle}" for part in angles for angle in _ANGLES]
    rows = np.concatenate([parameters.expression.numpy(), *angles.values()], 1)
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for time, row in zip(motion.times - motion.times[0], rows.tolist(), strict=True):
            writer.writerow(
                [_timecode(float(time)), len(header) - 2, *(f"{value:.{_DIGITS}f}" for value in row)]
            )


def read_motion(path: str | Path, data: HeadData) -> Motion:
    """A motion that `write_motion` wrote, of the same head; raises as `read_arkit`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with open_archive(path) as archive:
            if str(archive.array("format")) != _NPZ_FORMAT:
                raise MotionFileError(f"{path}: not a motion of deca ({_NPZ_FORMAT!r})")
            head = str(archive.array("head"))
            times = archive.array("times").astype(np.float64)
            arrays = {field.name: archive.array(field.name) for field in fields(Parameters)}
    except (AssetError, KeyError) as error:
        raise MotionFileError(f"{path}: not a motion of deca ({error}); write it with `deca track`") from None
    if head != data.name:
        raise MotionFileError(f"{path}: a motion of the head {head}, but the person's is {data.name}")
    neutral = _still(data, len(times))
    tensors = {}
    for name, array in arrays.items():
        wanted = tuple(getattr(neutral, name).shape)
        if name == "detail":
            wanted = (len(times), array.shape[-1]) if array.ndim == 2 else wanted
        if array.shape != wanted or not np.isfinite(array).all():
            raise MotionFileError(f"{path}: {name} has shape {array.shape} or is not finite, wanted {wanted}")
        tensors[name] = torch.from_numpy(array.astype(np.float32))
    try:
        return Motion(times, Parameters(**tensors))
    except ValueError as error:
        raise MotionFileError(f"{path}: {error}") from None


def write_motion(path: str | Path, motion: Motion, data: HeadData) -> None:
    """Write a motion with all that is known of each frame: plain arrays under the parameters' names."""
    arrays: Mapping[str, np.ndarray] = {
        "format": np.array(_NPZ_FORMAT),
        "head": np.array(data.name),
        "expression_names": np.array(data.expression_names),
        "times": np.asarray(motion.times, np.float64),
        **{field.name: getattr(motion.parameters, field.name).numpy() for field in fields(Parameters)},
    }
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # pyright: ignore[reportArgumentType]


def _csv_columns(path: Path) -> tuple[dict[str, Float[np.ndarray, " frame"]], Float[np.ndarray, " frame"]]:
    """The columns of numbers of a CSV, and the time of each row."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream) if row]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise MotionFileError(f"{path}: not a CSV with a header ({error})") from None
    if not rows:
        raise MotionFileError(f"{path}: no rows below the header")
    header = [name.strip() for name in header]
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise MotionFileError(f"{path}: line {number} has {len(row)} fields, the header {len(header)}")
    texts = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = {}
    for name, column in texts.items():
        if name.lower() != "timecode":
            try:
                columns[name] = np.array([float(value) for value in column])
            except ValueError:
                continue  # a column of words: no action has one
            if not np.isfinite(columns[name]).all():
                raise MotionFileError(f"{path}: {name} holds a number that is not finite")
    return columns, _row_times(path, texts, columns, len(rows))


def _row_times(
    path: Path, texts: Mapping[str, tuple[str, ...]], columns: Mapping[str, np.ndarray], count: int
) -> Float[np.ndarray, " frame"]:
    for name, column in columns.items():
        if name.lower() in _TIMES:
            times = column - column[0]
            break
    else:
        timecodes = next((column for name, column in texts.items() if name.lower() == "timecode"), None)
        times = np.arange(count) / _FRAME_RATE if timecodes is None else _seconds(path, timecodes)
    if (np.diff(times) <= 0).any():
        row = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 3
        raise MotionFileError(f"{path}: line {row} is not later than the line before it")
    return times


def _seconds(path: Path, timecodes: tuple[str, ...]) -> Float[np.ndarray, " frame"]:
    """Seconds since the first of hours:minutes:seconds:frames.thousandths."""
    parts = []
    for number, text in enumerate(timecodes, 2):
        match = _TIMECODE.match(text.strip())
        if match is None:
            raise MotionFileError(f"{path}: line {number}: {text!r} is no timecode (HH:MM:SS:FF.mmm)")
        hours, minutes, seconds, frames, thousandths = match.groups(default="0")
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        parts.append(whole + (int(frames) + float(f"0.{thousandths}")) / _FRAME_RATE)
    return np.array(parts) - parts[0]


def _timecode(seconds: float) -> str:
    thousandths = round(seconds * _FRAME_RATE * 1000)
    frames, thousandths = divmod(thousandths, 1000)
    whole, frames = divmod(frames, round(_FRAME_RATE))
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}:{frames:02}.{thousandths:03}"


def _still(data: HeadData, count: int) -> Parameters:
    return Parameters.neutral(
        shape=len(data.shape_basis),
        expression=len(data.expression_basis),
        albedo=len(data.albedo_basis),
        batch=count,
    )


def _rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> torch.Tensor:
    """Axis-angle of R_y(yaw) R_x(pitch) R_z(roll)."""
    zero = np.zeros_like(yaw)
    about_y, about_x, about_z = (
        axis_angle_to_matrix(torch.from_numpy(np.stack(axes, -1)).double())
        for axes in ((zero, yaw, zero), (pitch, zero, zero), (zero, zero, roll))
    )
    return matrix_to_axis_angle(about_y @ about_x @ about_z).float()


def _yaw_pitch_roll(rotations: Float[torch.Tensor, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
    """The inverse of `_rotation`."""
    matrix = axis_angle_to_matrix(rotations.double()).numpy()
    yaw = np.arctan2(matrix[:, 0, 2], matrix[:, 2, 2])
    pitch = np.arcsin((-matrix[:, 1, 2]).clip(-1, 1))
    roll = np.arctan2(matrix[:, 1, 0], matrix[:, 1, 1])
    return np.stack([yaw, pitch, roll], -1)
