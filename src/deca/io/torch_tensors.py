"""Tensors as PyTorch's pickles describe them: a storage and how a tensor lies in it, as numpy arrays."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from deca.io.damage import RefusedError
from deca.io.limited_reader import Stream
from deca.io.pickle_arrays import Allowance, array_constructors
from deca.io.pickle_machine import Constructor, one_line, run_pickle

_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\n" + _MAGIC.to_bytes(10, "little") + b"."  # the magic number, pickled
_STORAGES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_MOST_AXES = 8


@dataclass
class Storage:
    """A run of numbers somewhere in a file, read when a tensor in it is first wanted, and once."""

    key: str
    dtype: np.dtype
    count: int
    read: Callable[[Storage], np.ndarray] | None = None

    @cached_property
    def values(self) -> np.ndarray:
        """The numbers, one-dimensional."""
        if self.read is None:
            raise RefusedError(f"holds no data of the storage {one_line(self.key)}; the file is cut short")
        return self.read(self)


@dataclass(frozen=True)
class Tensor:
    """How a tensor lies in its storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The tensor as a view into its storage."""
        values = self.storage.values
        size = values.itemsize
        return np.ndarray(
            self.shape,
            values.dtype,
            values,
            self.offset * size,
            tuple(size * stride for stride in self.strides),
        )


def torch_constructors(allowance: Allowance) -> dict[str, Constructor]:
    """What PyTorch's own files ask for, beside arrays; their tensors lie outside of the pickle."""
    functions: dict[str, Callable[..., object]] = {
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch.Size": _size,
    }
    for name, dtype in _STORAGES.items():
        functions[f"torch.{name}"] = partial(_no_call, np.dtype(dtype))
    own = {name: Constructor(name, function) for name, function in functions.items()}
    return array_constructors(allowance) | own


def pickle_constructors(allowance: Allowance) -> dict[str, Constructor]:
    """What an ordinary pickle may ask for: arrays, and tensors each of which brings a whole legacy file."""
    inner = torch_constructors(allowance)

    def load_from_bytes(raw: object) -> object:
        # The inner file knows no load_from_bytes, so files do not nest further.
        if isinstance(raw, str):
            raw = raw.encode("latin-1")
        if not isinstance(raw, bytes):
            raise RefusedError("holds a tensor that is no bytes")
        allowance.spend(len(raw))
        return read_legacy(io.BytesIO(raw), len(raw), inner)

    name = "torch.storage._load_from_bytes"
    return inner | {name: Constructor(name, load_from_bytes)}


def storage_of(persistent_id: object, known: dict[str, Storage]) -> Storage:
    """The storage that ("storage", type, key, device, count) stands for; one and the same for one key."""
    match persistent_id:
        case ("storage", Constructor(name), str(key), str(), int(count), *view) if (
            name.removeprefix("torch.") in _STORAGES and count >= 0 and view in ([], [None])
        ):
            dtype = np.dtype(_STORAGES[name.removeprefix("torch.")])
            storage = known.setdefault(key, Storage(key, dtype, count))
            if (storage.dtype, storage.count) != (dtype, count):
                raise RefusedError(f"describes the storage {one_line(key)} in two ways")
            return storage
    raise RefusedError("refers to something outside the file that is no plain storage of numbers")


def read_legacy(stream: Stream, size: int, constructors: Mapping[str, Constructor]) -> object:
    """The content of a file as PyTorch wrote it up to 1.5: five pickles, then for each storage its count and
    its numbers.

    `size` is the stream's length in bytes. Tensors come as Tensor, to be read while the stream is open.
    """
    if run_pickle(stream, constructors) != _MAGIC:
        raise RefusedError("is no PyTorch file")
    known: dict[str, Storage] = {}
    for _ in ("protocol version", "system"):
        run_pickle(stream, constructors)
    content = run_pickle(stream, constructors, lambda identity: storage_of(identity, known))
    keys = run_pickle(stream, constructors)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise RefusedError("has no list of its storages")
    position = stream.tell()
    for key in keys:
        storage = known.get(key)
        if storage is None:
            raise RefusedError(f"lists the storage {one_line(key)}, which no tensor uses")
        stream.seek(position)
        count = int.from_bytes(stream.read(8), "little")
        start, length = position + 8, storage.count * storage.dtype.itemsize
        position = start + length
        if count != storage.count or position > size:
            raise RefusedError(f"holds less of the storage {one_line(key)} than it claims; it is cut short")
        storage.read = partial(_read_at, stream, start)
    return content


def _read_at(stream: Stream, start: int, storage: Storage) -> np.ndarray:
    stream.seek(start)
    return np.frombuffer(bytearray(stream.read(storage.count * storage.dtype.itemsize)), storage.dtype)


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> Tensor:
    if not isinstance(storage, Storage):
        raise RefusedError("makes a tensor without a storage")
    sizes, steps = _size(shape), _size(strides)
    if not isinstance(offset, int) or offset < 0 or len(sizes) != len(steps):
        raise RefusedError("makes a tensor whose shape and strides do not belong together")
    count = math.prod(sizes)
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise RefusedError(f"claims a tensor of shape {sizes} in a storage of {storage.count} numbers")
    return Tensor(storage, offset, sizes, steps)


def _size(sizes: object) -> tuple[int, ...]:
    if isinstance(sizes, tuple | list) and len(sizes) <= _MOST_AXES:
        found = tuple(size for size in sizes if isinstance(size, int) and size >= 0)
        if len(found) == len(sizes):
            return found
    raise RefusedError("makes a tensor of a shape that is none")


def _parameter(tensor: object, *_: object) -> object:
    return tensor


def _no_call(dtype: np.dtype, *_: object) -> object:
    raise RefusedError(f"makes an empty storage of {dtype}")
