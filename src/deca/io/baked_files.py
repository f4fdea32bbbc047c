"""Baked wrinkles as files for engines: maps as PNG, and wrinkles.json, which says how to blend them.

docs/engines.md describes the format.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.animation.baking import AngleErrors, BakedWrinkles, Explained
from deca.animation.correctives import Drivers
from deca.animation.person import BUMPS
from deca.io.detail_onnx import detail_decoder_onnx
from deca.io.files import whole_file
from deca.io.maps import MapError, decode_normals, encode_normals, read_map, write_displacement, write_map
from deca.model.small_detail import RISE, SmallDetailDecoder

DESCRIPTION = "wrinkles.json"
FORMAT = "deca wrinkles 1"
_DISPLACEMENT, _NEUTRAL, _TEXTURED = "displacement.png", "normal.png", "textured_normal.png"
_DECODER = "decoder.onnx"
_FLAT = 128  # the colour of no tilt, which eight bits can say exactly
_STEPS = 127
# Of a driver's largest factor: actions that a map is named after.
_NAMING = 0.9


class BakedError(ValueError):
    """A file is no description of baked wrinkles."""


@dataclass(frozen=True)
class BakedMaps:
    """Baked wrinkles as read from files of eight bits: tilts are x / z and y / z of tangent normals."""

    names: tuple[str, ...]
    drivers: Drivers
    neutral: Float[Tensor, "2 size size"]
    tilts: Float[Tensor, "map 2 size size"]


def write_maps(folder: Path, baked: BakedWrinkles, action_names: Sequence[str], head_name: str) -> None:
    """Write the maps into a folder, and the description beside them."""
    displacement_scale = write_displacement(folder / _DISPLACEMENT, baked.displacement[0, 0].numpy())
    write_map(folder / _NEUTRAL, normal_map(baked.neutral))
    write_map(folder / _TEXTURED, normal_map(baked.textured))
    maps = []
    factors = baked.correctives.drivers.factors.tolist()
    names = _map_names(factors, action_names)
    for number, (name, row, tilt) in enumerate(zip(names, factors, baked.tilts, strict=True), 1):
        strength = max(float(tilt.abs().max()), 1e-6)
        file = f"wrinkle_{number:02}_{name}.png"
        write_map(folder / file, encode_tilt(tilt / strength))
        terms = [
            {"morph": action, "factor": factor}
            for factor, action in sorted(zip(row, action_names, strict=True), key=lambda term: -abs(term[0]))
            if factor
        ]
        maps.append({"name": name, "file": file, "strength": strength, "terms": terms})
    document = {
        "format": FORMAT,
        "head": head_name,
        "glb": "head.glb",
        "mesh": "head",
        "material": "skin",
        "size": baked.neutral.shape[-1],
        "rise": RISE,
        "weight": "1 - exp(-max(0, sum of factor * morph weight) ^ rise)",
        "tilt": "scale * tilt of textured + sum of weight * strength * tilt of map; a tilt is (x / z, y / z)",
        "colours": "textured, neutral: colour / 127.5 - 1; maps: (colour - 128) / 127; green along growing v",
        "displacement": {"file": _DISPLACEMENT, "metresPerUnit": displacement_scale, "zero": 32768},
        "neutral": {"file": _NEUTRAL, "scale": 1.0},
        "textured": {"file": _TEXTURED, "scale": BUMPS},
        "maps": maps,
    }
    _write(folder / DESCRIPTION, document)


def write_decoder(folder: Path, decoder: SmallDetailDecoder, code: Float[Tensor, " detail"]) -> None:
    """Write the decoder itself beside the maps, and into the description the person's code for it."""
    (folder / _DECODER).write_bytes(detail_decoder_onnx(decoder))
    document = _read(folder / DESCRIPTION)
    document["decoder"] = {"file": _DECODER, "detail": code.tolist()}
    _write(folder / DESCRIPTION, document)


def write_errors(
    folder: Path, explained: Explained, expressions: int, angles: AngleErrors, looked: int
) -> None:
    """Add to the description what was measured on expressions held out from the choice."""
    document = _read(folder / DESCRIPTION)
    document["heldOut"] = {
        "expressions": expressions,
        "explainedTilt": round(explained.tilt, 5),
        "explainedDisplacement": round(explained.displacement, 5),
        "angleExpressions": looked,
        "angleMedian": round(angles.median, 4),
        "anglePercentile95": round(angles.percentile_95, 4),
        "turnedMedian": round(angles.turned, 4),
    }
    _write(folder / DESCRIPTION, document)


def read_baked(folder: Path, action_names: Sequence[str]) -> BakedMaps:
    """Read what `write_maps` wrote; BakedError or MapError names the file that is not as it should be."""
    document = _read(folder / DESCRIPTION)
    try:
        size, neutral, maps = document["size"], document["neutral"]["file"], document["maps"]
        factors = torch.zeros(len(maps), len(action_names), dtype=torch.float64)
        for row, each in enumerate(maps):
            for term in each["terms"]:
                factors[row, list(action_names).index(term["morph"])] = term["factor"]
        names = tuple(each["name"] for each in maps)
        files = [(folder / each["file"], each["strength"]) for each in maps]
    except (KeyError, TypeError, ValueError) as error:
        raise BakedError(f"{folder / DESCRIPTION}: not as `deca bake` writes it ({error})") from None
    return BakedMaps(
        names=names,
        drivers=Drivers(factors),
        neutral=_normal_tilt(_sized(folder / neutral, size)),
        tilts=torch.stack([strength * decode_tilt(_sized(file, size)) for file, strength in files]),
    )


def encode_tilt(tilt: Float[Tensor, "2 size size"]) -> UInt8[np.ndarray, "size size 3"]:
    """Tilts as the colours of a normal map whose flat colour is exactly (128, 128, 255).

    A normal's x and y are (colour - 128) / 127, its z follows from its length of one. So a texel without
    relief adds nothing, however many maps are summed.
    """
    normals = torch.cat([tilt, torch.ones_like(tilt[:1])])
    normals = normals / normals.norm(dim=0)
    return (normals * _STEPS).round().add(_FLAT).byte().permute(1, 2, 0).numpy()


def decode_tilt(image: UInt8[np.ndarray, "size size 3"]) -> Float[Tensor, "2 size size"]:
    """Tilts, x / z and y / z, of `encode_tilt`'s colours."""
    across = (torch.from_numpy(image[..., :2].copy()).permute(2, 0, 1).float() - _FLAT) / _STEPS
    return across / (1 - across.square().sum(0)).clamp_min(1e-6).sqrt()


def normal_map(tilt: Float[Tensor, "2 size size"]) -> UInt8[np.ndarray, "size size 3"]:
    """A normal map as glTF 2.0 has it."""
    normals = torch.cat([tilt, torch.ones_like(tilt[:1])])
    return encode_normals((normals / normals.norm(dim=0)).numpy())


def _normal_tilt(image: UInt8[np.ndarray, "size size 3"]) -> Float[Tensor, "2 size size"]:
    normals = torch.from_numpy(decode_normals(image))
    return normals[:2] / normals[2]


def _sized(path: Path, size: int) -> UInt8[np.ndarray, "size size 3"]:
    image = read_map(path)
    if image.shape[:2] != (size, size):
        raise MapError(f"{path}: {image.shape[1]} x {image.shape[0]} texels, expected {size} x {size}")
    return image


def _map_names(factors: Sequence[Sequence[float]], action_names: Sequence[str]) -> list[str]:
    """What drives each map most: an action, without its side where both sides do; each name once."""
    names: list[str] = []
    for row in factors:
        largest = max(row)
        naming = [
            action for action, factor in zip(action_names, row, strict=True) if factor > _NAMING * largest
        ]
        plain = naming[0].removesuffix("Left").removesuffix("Right")
        name = plain if {f"{plain}Left", f"{plain}Right"} <= set(naming) else naming[0]
        taken = sum(known.rstrip("0123456789") == name for known in names)
        names.append(f"{name}{taken + 1}" if taken else name)
    return names


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BakedError(f"{path}: not readable ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BakedError(f"{path}: not {FORMAT!r}; write it with `deca bake`")
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
