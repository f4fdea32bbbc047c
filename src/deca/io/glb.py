"""The binary glTF container: arrays and images in one buffer, and the JSON that describes them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from deca.io.files import whole_file

_COMPONENT = {
    np.dtype(np.uint8): 5121,
    np.dtype(np.uint16): 5123,
    np.dtype(np.uint32): 5125,
    np.dtype(np.float32): 5126,
}
_KIND = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTEX_DATA = 34962
INDEX_DATA = 34963


class GlbBuffer:
    """Collects the accessors of one GLB; every method returns the index that the JSON refers to."""

    def __init__(self) -> None:
        self.views: list[dict] = []
        self.accessors: list[dict] = []
        self._data = bytearray()

    def view(self, data: bytes, **properties: int) -> int:
        """Append bytes as a buffer view, aligned to four bytes as every component type allows."""
        self._data += b"\0" * (-len(self._data) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self._data), "byteLength": len(data), **properties})
        self._data += data
        return len(self.views) - 1

    def array(self, values: np.ndarray, **properties: int) -> int:
        """Append an array (n,) or (n, channel) as a whole accessor; the view's `target` may be given."""
        columns = values.reshape(len(values), -1)
        return self._accessor(columns, {"bufferView": self.view(columns.tobytes(), **properties)})

    def bounded_array(self, values: np.ndarray, **properties: int) -> int:
        """Like `array`, with the smallest and largest values that glTF asks of positions."""
        index = self.array(values, **properties)
        self.accessors[index] |= _bounds(values)
        return index

    def sparse_array(self, values: np.ndarray, rows: np.ndarray, count: int) -> int:
        """Append values (row, channel) for `rows`, in rising order, of `count`; the others are zero."""
        if not len(rows):
            # glTF has no empty sparse accessor: one row must be named.
            rows, values = np.zeros(1, np.intp), np.zeros((1, values.shape[1]), values.dtype)
        indices, bounds = rows.astype(_index_type(count)), _bounds(values)
        if len(rows) < count:
            bounds = {
                "min": [min(low, 0.0) for low in bounds["min"]],
                "max": [max(high, 0.0) for high in bounds["max"]],
            }
        sparse = {
            "count": len(rows),
            "indices": {
                "bufferView": self.view(indices.tobytes()),
                "componentType": _COMPONENT[indices.dtype],
            },
            "values": {"bufferView": self.view(values.tobytes())},
        }
        return self._accessor(values, {"sparse": sparse, "count": count, **bounds})

    def indices(self, triangles: np.ndarray, vertex_count: int) -> int:
        """Append triangles (n, 3) as the narrowest index type that holds every vertex."""
        return self.array(triangles.reshape(-1).astype(_index_type(vertex_count)), target=INDEX_DATA)

    def data(self) -> bytearray:
        """The whole buffer."""
        return self._data

    def _accessor(self, values: np.ndarray, source: dict) -> int:
        description = {
            "componentType": _COMPONENT[values.dtype],
            "count": len(values),
            "type": _KIND[values.shape[1]],
        }
        self.accessors.append(description | source)
        return len(self.accessors) - 1


def write_container(path: str | Path, document: dict, buffer: GlbBuffer) -> None:
    """Write the JSON document and its buffer as one GLB (glTF 2.0 specification, section 4)."""
    data = buffer.data()
    document = document | {
        "buffers": [{"byteLength": len(data)}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    parts = [*_chunk(b"JSON", text, b" "), *_chunk(b"BIN\0", data, b"\0")]
    header = struct.pack("<4sII", b"glTF", 2, 12 + sum(map(len, parts)))
    with whole_file(path) as temporary, open(temporary, "wb") as stream:
        stream.writelines([header, *parts])


def _chunk(kind: bytes, data: bytes | bytearray, padding: bytes) -> list[bytes | bytearray]:
    rest = padding * (-len(data) % 4)
    return [struct.pack("<I4s", len(data) + len(rest), kind), data, rest]


def _bounds(values: np.ndarray) -> dict:
    rows = np.ascontiguousarray(values.T)  # along rows the two are ten times as fast
    return {"min": rows.min(1).tolist(), "max": rows.max(1).tolist()}


def _index_type(count: int) -> type[np.uint16] | type[np.uint32]:
    """The largest number of an index type is reserved by glTF, so a count that just fits does not."""
    return np.uint16 if count <= 65535 else np.uint32
