"""parameters.json and landmarks.json: what was estimated of one face, as text that loads back bit for bit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from deca.head.data import HeadData
from deca.io.files import whole_file
from deca.parameters import Parameters
from deca.photo.crop import Crop

_FORMAT = "deca parameters 1"


class ParameterFileError(ValueError):
    """A parameters.json is not what it should be; the message names the file and the key."""


@dataclass(frozen=True)
class FaceRecord:
    """Everything that was estimated of one face of one photo.

    `parameters` is a batch of one. `image_size` is (width, height) of the photo as a viewer shows it.
    `residuals` are what fitting left over, each under a name that ends in its unit. `displacement_scale` is
    the metres of one grey level of the displacement map; None where no detail was reconstructed.
    """

    parameters: Parameters
    crop: Crop
    image_size: tuple[int, int]
    detector_confidence: float
    residuals: dict[str, float]
    displacement_scale: float | None


def write_parameters(path: str | Path, record: FaceRecord, head: HeadData) -> None:
    """Write the record of a face reconstructed with `head`; what could not be read back is refused alike."""
    parameters = record.parameters
    if parameters.batch != 1:
        raise ValueError(
            f"{path}: parameters hold {parameters.batch} faces, expected one; take parameters[index]"
        )
    width, height = record.image_size
    document = {
        "format": _FORMAT,
        "head": {"name": head.name, "version": head.version},
        "image": {"width": width, "height": height},
        "crop": {"size": record.crop.size, "T_photo_crop": record.crop.T_photo_crop.tolist()},
        "detector_confidence": record.detector_confidence,
        "residuals": record.residuals,
        "displacement_scale": record.displacement_scale,
        "parameters": {
            field.name: _nine_digits(getattr(parameters, field.name)[0].tolist())
            for field in fields(Parameters)
        },
    }
    _record(document, str(path), head)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_parameters(path: str | Path, head: HeadData) -> FaceRecord:
    """Read the record of a face that was reconstructed with `head`, on the CPU.

    Another head model, a missing or unknown key, a wrong shape or a number that is not finite is a
    ParameterFileError of one line; a missing file is a FileNotFoundError.
    """
    return _record(_document(path), str(path), head)


def read_head_name(path: str | Path) -> tuple[str, int, int]:
    """The name of the head that a record was made with, and how many numbers it has of shape and expression;
    raises as `read_parameters`."""
    document = _document(path)
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ParameterFileError(f"{path}: not a parameters.json of deca ({_FORMAT!r})")
    where = str(path)
    name = _keys(document.get("head"), where, "head", "name version")["name"]
    if not isinstance(name, str):
        raise ParameterFileError(f"{path}: head.name is {_said(name)}, expected a name")
    given = _keys(document.get("parameters"), where, "parameters", None)
    shape, expression = (
        len(_numbers(given.get(key), (None,), where, f"parameters.{key}")) for key in ("shape", "expression")
    )
    return name, shape, expression


def _document(path: str | Path) -> Any:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such parameter file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParameterFileError(f"{path}: not a JSON file ({error})") from None


def write_landmarks(
    path: str | Path,
    ibug68: Float[np.ndarray, "68 2"],
    dense468: Float[np.ndarray, "dense 2"],
) -> None:
    """Write landmarks in photo pixels, centres at half-integers, to a thousandth of a pixel."""
    document = {
        name: np.round(points.astype(np.float64), 3).tolist()
        for name, points in (("ibug68", ibug68), ("dense468", dense468))
    }
    for name, points in document.items():
        if not np.isfinite(points).all():
            raise ValueError(f"{path}: {name} holds a number that is not finite")
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")


def _nine_digits(values: Any) -> Any:
    """Nine significant digits tell every float32 from its neighbours."""
    return [_nine_digits(value) for value in values] if isinstance(values, list) else float(f"{values:.9g}")


def _record(document: Any, where: str, head: HeadData) -> FaceRecord:
    """The record in a parsed document, checked key by key; `where` names the file in errors."""
    top = _keys(
        document,
        where,
        "the file",
        "format head image crop detector_confidence residuals displacement_scale parameters",
    )
    if top["format"] != _FORMAT:
        raise ParameterFileError(f"{where}: format is {top['format']!r}, expected {_FORMAT!r}")
    model = _keys(top["head"], where, "head", "name version")
    if (model["name"], model["version"]) != (head.name, head.version):
        raise ParameterFileError(
            f"{where}: head is {model['name']!r} version {model['version']!r}, but the head model in use is "
            f"{head.name!r} version {head.version!r}; use the head it was made with"
        )
    image = _keys(top["image"], where, "image", "width height")
    crop = _keys(top["crop"], where, "crop", "size T_photo_crop")
    residuals = _keys(top["residuals"], where, "residuals", None)
    scale = top["displacement_scale"]
    return FaceRecord(
        parameters=_parameters(top["parameters"], where, head),
        crop=Crop(
            _positive(crop["size"], where, "crop.size"),
            _numbers(crop["T_photo_crop"], (3, 3), where, "crop.T_photo_crop"),
        ),
        image_size=(
            _positive(image["width"], where, "image.width"),
            _positive(image["height"], where, "image.height"),
        ),
        detector_confidence=_number(top["detector_confidence"], where, "detector_confidence"),
        residuals={name: _number(value, where, f"residuals.{name}") for name, value in residuals.items()},
        displacement_scale=None if scale is None else _number(scale, where, "displacement_scale"),
    )


def _parameters(document: Any, where: str, head: HeadData) -> Parameters:
    expected = {
        "shape": (len(head.shape_basis),),
        "expression": (len(head.expression_basis),),
        "pose": (3,),
        "neck": (3,),
        "jaw": (3,),
        "eyes": (2, 3),
        "camera": (3,),
        "albedo": (len(head.albedo_basis),),
        "lighting": (9, 3),
        "detail": (None,),
    }
    given = _keys(document, where, "parameters", " ".join(expected))
    tensors = {}
    for name, shape in expected.items():
        values = _numbers(given[name], shape, where, f"parameters.{name}").astype(np.float32)
        tensors[name] = torch.from_numpy(values)[None]
    return Parameters(**tensors)


def _keys(document: Any, where: str, name: str, expected: str | None) -> dict[str, Any]:
    """A JSON object with exactly the `expected` keys; with any where that is None."""
    if not isinstance(document, dict):
        raise ParameterFileError(f"{where}: {name} is {_said(document)}, expected an object")
    if expected is not None:
        wanted = expected.split()
        if missing := [key for key in wanted if key not in document]:
            raise ParameterFileError(f"{where}: {name} lacks {', '.join(missing)}")
        if unknown := [key for key in document if key not in wanted]:
            raise ParameterFileError(f"{where}: {name} has unknown {', '.join(unknown)}")
    return document


def _numbers(value: Any, shape: tuple[int | None, ...], where: str, name: str) -> np.ndarray:
    """Nested lists of finite numbers of one shape; None stands for any length."""
    try:
        array = np.array(value)
    except ValueError:  # lists of different lengths
        raise ParameterFileError(f"{where}: {name} is ragged, expected shape {_shape(shape)}") from None
    if array.size == 0:
        array = array.astype(float)
    if array.dtype.kind not in "fi":
        raise ParameterFileError(f"{where}: {name} holds something that is not a number")
    if array.ndim != len(shape) or any(e not in (None, n) for n, e in zip(array.shape, shape, strict=True)):
        raise ParameterFileError(f"{where}: {name} has shape {_shape(array.shape)}, expected {_shape(shape)}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32)).all()
    if not finite:
        raise ParameterFileError(f"{where}: {name} holds a number that is not finite")
    return array.astype(np.float64)


def _number(value: Any, where: str, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ParameterFileError(f"{where}: {name} is {_said(value)}, expected a finite number")
    return float(value)


def _positive(value: Any, where: str, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ParameterFileError(f"{where}: {name} is {_said(value)}, expected a positive whole number")
    return value


def _said(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if length is None else str(length) for length in shape)})"
