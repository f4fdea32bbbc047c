"""parameters.json: back bit for bit, and every way in which it can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deca.head.data import HeadData
from deca.io.parameter_files import (
    FaceRecord,
    ParameterFileError,
    read_parameters,
    write_landmarks,
    write_parameters,
)
from deca.parameters import Parameters
from deca.photo.crop import Crop


def record_for(head: HeadData, detail: int = 7) -> FaceRecord:
    random = torch.Generator().manual_seed(0)
    neutral = Parameters.neutral(
        shape=len(head.shape_basis),
        expression=len(head.expression_names),
        albedo=len(head.albedo_basis),
        detail=detail,
    )
    crop = Crop(224, np.array([[1.1, 0.1, 30.3], [-0.1, 1.1, 7.7], [0.0, 0.0, 1.0]]))
    return FaceRecord(
        parameters=neutral.map(lambda tensor: tensor + torch.randn(tensor.shape, generator=random)),
        crop=crop,
        image_size=(640, 480),
        detector_confidence=0.93,
        residuals={"landmarks_pixels": 1.25, "colour": 0.04},
        displacement_scale=1.7e-7,
    )


def assert_same(found: FaceRecord, wanted: FaceRecord) -> None:
    for field in fields(Parameters):
        one, other = getattr(found.parameters, field.name), getattr(wanted.parameters, field.name)
        assert one.dtype == other.dtype == torch.float32
        assert one.shape == other.shape
        np.testing.assert_array_equal(one.numpy().view(np.int32), other.numpy().view(np.int32))
    assert found.crop.size == wanted.crop.size
    np.testing.assert_array_equal(found.crop.T_photo_crop, wanted.crop.T_photo_crop)
    for name in ("image_size", "detector_confidence", "residuals", "displacement_scale"):
        assert getattr(found, name) == getattr(wanted, name)


@pytest.mark.parametrize("detail", [0, 7])
def test_a_record_comes_back(small_head: HeadData, tmp_path: Path, detail: int) -> None:
    record = replace(record_for(small_head, detail), displacement_scale=1.7e-7 if detail else None)
    write_parameters(tmp_path / "parameters.json", record, small_head)
    assert_same(read_parameters(tmp_path / "parameters.json", small_head), record)
    assert [entry.name for entry in tmp_path.iterdir()] == ["parameters.json"]


@given(pose=arrays(np.float32, (1, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_every_float_comes_back_bit_for_bit(
    small_head: HeadData, tmp_path_factory: pytest.TempPathFactory, pose: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("json") / "parameters.json"
    record = record_for(small_head)
    record = replace(record, parameters=record.parameters.replace(pose=torch.from_numpy(pose.copy())))
    write_parameters(path, record, small_head)
    assert_same(read_parameters(path, small_head), record)


def put(*keys: str, value: Any) -> Callable[[dict], None]:
    def change(document: dict) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def remove(*keys: str) -> Callable[[dict], None]:
    def change(document: dict) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            put("parameters", "jaw", value=[0.0, float("nan"), 0.0]),
            r"parameters\.jaw holds a number that is not",
        ),
        (
            put("parameters", "jaw", value=[0.0, 1e39, 0.0]),
            r"parameters\.jaw holds a number that is not finite",
        ),
        (put("parameters", "jaw", value=[0.0, 1.0]), r"parameters\.jaw has shape \(2\), expected \(3\)"),
        (
            put("parameters", "jaw", value=[0.0, "1", 0.0]),
            r"parameters\.jaw holds something that is not a number",
        ),
        (
            put("parameters", "jaw", value=[0.0, None, 0.0]),
            r"parameters\.jaw holds something that is not a number",
        ),
        (put("parameters", "jaw", value={"x": 1}), r"parameters\.jaw holds something that is not a number"),
        (
            put("parameters", "eyes", value=[[0, 0, 0], [0, 0]]),
            r"parameters\.eyes is ragged, expected shape \(2, 3\)",
        ),
        (
            put("parameters", "shape", value=[0.0] * 99),
            r"parameters\.shape has shape \(99\), expected \(10\)",
        ),
        (
            put("parameters", "detail", value=[[1.0]]),
            r"parameters\.detail has shape \(1, 1\), expected \(any\)",
        ),
        (put("parameters", "beta", value=[0.0]), "parameters has unknown beta"),
        (put("parameters", value=[]), r"parameters is \[\], expected an object"),
        (remove("parameters", "camera"), "parameters lacks camera"),
        (remove("crop", "T_photo_crop"), "crop lacks T_photo_crop"),
        (put("crop", "T_photo_crop", value=[[1, 0], [0, 1]]), r"crop\.T_photo_crop has shape \(2, 2\)"),
        (put("crop", "size", value=0), r"crop\.size is 0, expected a positive whole number"),
        (put("image", "width", value=2.5), r"image\.width is 2\.5, expected a positive whole number"),
        (put("detector_confidence", value="high"), 'detector_confidence is "high", expected a finite number'),
        (put("residuals", "colour", value=float("inf")), r"residuals\.colour is Infinity, expected a finite"),
        (put("displacement_scale", value=True), "displacement_scale is true, expected a finite number"),
        (
            put("head", "name", value="FLAME"),
            "head is 'FLAME' version '1', but the head model in use is 'small'",
        ),
        (
            put("head", "version", value="2"),
            "head is 'small' version '2', but the head model in use is 'small'",
        ),
        (
            put("format", value="deca parameters 9"),
            "format is 'deca parameters 9', expected 'deca parameters 1'",
        ),
        (put("mood", value="good"), "the file has unknown mood"),
        (remove("residuals"), "the file lacks residuals"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    small_head: HeadData, tmp_path: Path, change: Callable[[dict], None], said: str
) -> None:
    path = tmp_path / "parameters.json"
    write_parameters(path, record_for(small_head), small_head)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ParameterFileError, match=said) as raised:
        read_parameters(path, small_head)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2]"])
def test_what_is_no_record_at_all(small_head: HeadData, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "parameters.json"
    path.write_bytes(content)
    with pytest.raises(ParameterFileError, match=r"parameters\.json"):
        read_parameters(path, small_head)


def test_a_missing_file(small_head: HeadData, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such parameter file"):
        read_parameters(tmp_path / "parameters.json", small_head)


def test_a_record_with_nan_is_never_written(small_head: HeadData, tmp_path: Path) -> None:
    record = record_for(small_head)
    broken = replace(record, parameters=record.parameters.replace(jaw=torch.full((1, 3), torch.nan)))
    with pytest.raises(ParameterFileError, match=r"parameters\.jaw"):
        write_parameters(tmp_path / "parameters.json", broken, small_head)
    assert not list(tmp_path.iterdir())


def test_landmarks(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.json"
    points = np.random.default_rng(0).uniform(0, 4000, (468, 2))
    write_landmarks(path, points[:68], points)
    found = json.loads(path.read_text())
    assert list(found) == ["ibug68", "dense468"]
    np.testing.assert_allclose(found["ibug68"], points[:68], atol=5.1e-4)
    np.testing.assert_allclose(found["dense468"], points, atol=5.1e-4)
    write_landmarks(path, points[:68], points[:0])
    assert json.loads(path.read_text())["dense468"] == []
    with pytest.raises(ValueError, match="ibug68 holds a number that is not finite"):
        write_landmarks(path, points[:68] * np.nan, points)
