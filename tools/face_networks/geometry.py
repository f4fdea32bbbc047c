"""The canonical face of 468 points out of MediaPipe's geometry file, a protocol buffer."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

# Field numbers of mediapipe/modules/face_geometry/protos/geometry_pipeline_metadata.proto and mesh_3d.proto.
CANONICAL_MESH = 1
VERTEX_BUFFER = 3
INDEX_BUFFER = 4


def canonical_face(metadata: bytes) -> dict[str, np.ndarray]:
    """`vertices` (468, 3) in centimetres, `uv` (468, 2) with v up, `triangles` (898, 3)."""
    mesh = next(value for field, value in fields(metadata) if field == CANONICAL_MESH)
    numbers = [struct.unpack("<f", value)[0] for field, value in fields(mesh) if field == VERTEX_BUFFER]
    indices = [value for field, value in fields(mesh) if field == INDEX_BUFFER]
    table = np.array(numbers, np.float32).reshape(468, 5)
    triangles = np.array(indices, np.int64).reshape(-1, 3)
    return {"vertices": table[:, :3], "uv": table[:, 3:], "triangles": triangles}


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protocol-buffer message, in order: integers or raw bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(message, position)
            yield field, value
            continue
        if wire_type == 2:
            length, position = _varint(message, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {position} is not one of a protocol buffer")
        yield field, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
