"""One face of a training shard: the files that it is kept as, and back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from deca.io.archives import Archive
from deca.io.maps import displacement_png, parse_displacement

_QUALITY = 95  # of 100
_PNG_EFFORT = 3  # of 9
_NEEDED = ("jpg", "skin.png", "landmarks.npy", "json")

Read = TypeVar("Read")


class ShardError(ValueError):
    """A folder of shards is not what it should be; the message names the shard and the sample."""


@dataclass(frozen=True)
class StoredFace:
    """A square crop of one face and what is known of it.

    `skin` weighs the pixels that show bare skin, 255 for surely. Landmarks are (x, y) in pixels of the
    crop, centres at half-integers; `dense_landmarks` holds MediaPipe's 468, or none. `about` holds at least
    "identity", "photo", "source", "licence", "quality" (numbers by name) and "T_photo_crop" (3 x 3), and
    "head", the name of the head model, where the `truth` is known: the fields of Parameters of this face,
    the camera that of this square. `displacement` is in metres along the normal, in UV. The landmarks of a
    face of known truth are true ones; `found_points` may then be the 468 that the landmark network finds.
    """

    key: str
    image: UInt8[np.ndarray, "size size 3"]
    skin: UInt8[np.ndarray, "size size"]
    landmarks: Float[np.ndarray, "68 2"]
    dense_landmarks: Float[np.ndarray, "dense 2"]
    about: Mapping[str, Any]
    truth: Mapping[str, np.ndarray] | None
    displacement: Float[np.ndarray, "map map"] | None
    found_points: Float[np.ndarray, "468 2"] | None = None


@dataclass(frozen=True)
class EncodedFace:
    """A face as it stands in a shard: the bytes of its files by what follows the key in their names."""

    key: str
    about: Mapping[str, Any]
    members: Mapping[str, bytes]


def encode_face(face: StoredFace) -> EncodedFace:
    """The files of a face; the picture loses a little, as JPEG does, all else is kept exactly."""
    image = io.BytesIO()
    Image.fromarray(face.image).save(image, "JPEG", quality=_QUALITY, subsampling=0)
    coded, skin = cv2.imencode(".png", face.skin, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
    assert coded
    members = {
        "jpg": image.getvalue(),
        "skin.png": skin.tobytes(),
        "landmarks.npy": _npy(face.landmarks),
        "json": json.dumps(face.about, allow_nan=False).encode(),
    }
    if len(face.dense_landmarks):
        members["dense.npy"] = _npy(face.dense_landmarks)
    if face.truth is not None:
        stream = io.BytesIO()
        arrays = {name: np.asarray(values, np.float32) for name, values in face.truth.items()}
        np.savez(stream, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
        members["truth.npz"] = stream.getvalue()
    if face.displacement is not None:
        members["displacement.png"] = displacement_png(face.displacement)[0]
    if face.found_points is not None:
        members["found.npy"] = _npy(face.found_points)
    return EncodedFace(face.key, face.about, members)


def decode_face(key: str, members: Mapping[str, bytes]) -> StoredFace:
    """The face in these files; raises ShardError, which names the file, where one is missing or damaged."""
    if missing := [name for name in _NEEDED if name not in members]:
        raise ShardError(f"{key}.{missing[0]} is missing")

    def read(name: str, reader: Callable[[bytes], Read], default: Read | None = None) -> Read:
        if default is not None and name not in members:
            return default
        try:
            return reader(members[name])
        # Decoders raise a dozen different types on damaged files.
        except Exception as error:
            found = " ".join(str(error).split())[:200]
            raise ShardError(f"{key}.{name} is damaged ({found})") from None

    face = StoredFace(
        key=key,
        image=read("jpg", _colours),
        skin=read("skin.png", _grey),
        landmarks=read("landmarks.npy", _array),
        dense_landmarks=read("dense.npy", _array, np.zeros((0, 2), np.float32)),
        about=read("json", _object),
        truth=read("truth.npz", _arrays) if "truth.npz" in members else None,
        displacement=read("displacement.png", _displacement) if "displacement.png" in members else None,
        found_points=read("found.npy", _array) if "found.npy" in members else None,
    )
    size = len(face.image)
    for name, found, expected in (
        ("jpg", face.image.shape, (size, size, 3)),
        ("skin.png", face.skin.shape, (size, size)),
        ("landmarks.npy", face.landmarks.shape, (68, 2)),
        ("dense.npy", face.dense_landmarks.shape, (len(face.dense_landmarks), 2)),
        ("found.npy", None if face.found_points is None else face.found_points.shape, (468, 2)),
    ):
        if found is not None and found != expected:
            raise ShardError(f"{key}.{name} has shape {found}, expected {expected}")
    return face


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array.astype(np.float32), allow_pickle=False)
    return stream.getvalue()


def _array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32, copy=False)


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as stream:
        archive = Archive(stream)
        # The arrays are views of what was read, and a face is its owner's to change.
        return {name: archive.array(name).copy() for name in archive.headers}


def _colours(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    return _decoded(data, cv2.IMREAD_COLOR_RGB)


def _grey(data: bytes) -> UInt8[np.ndarray, "height width"]:
    return _decoded(data, cv2.IMREAD_GRAYSCALE)


def _decoded(data: bytes, mode: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    if picture is None:
        raise ValueError("not a picture")
    return picture


def _displacement(data: bytes) -> Float[np.ndarray, "height width"]:
    return parse_displacement(data, "displacement")


def _object(data: bytes) -> dict[str, Any]:
    about = json.loads(data)
    if not isinstance(about, dict):
        raise ValueError("not an object")
    return about
