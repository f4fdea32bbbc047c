"""What a pickle may ask for by name: the makers of numpy, scipy and chumpy arrays, as inert functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from deca.io.damage import RefusedError
from deca.io.pickle_machine import DROPPED, Constructor, Unfinished, one_line

_PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU][1-9][0-9]{0,3}")
_MOST_AXES = 8
_SPARE_BYTES = 2**26


class Allowance:
    """How many bytes may be made beyond what a file holds, so that a small file cannot fill the memory."""

    def __init__(self, file_size: int) -> None:
        self._left = 4 * file_size + _SPARE_BYTES

    def spend(self, count: int) -> None:
        """Take `count` bytes; RefusedError where they are not left."""
        if count > self._left:
            raise RefusedError(f"would take {count} bytes of memory, far more than the file holds")
        self._left -= count


def array_constructors(allowance: Allowance) -> dict[str, Constructor]:
    """By "module.name", as Python 2 and 3, numpy 1 and 2 and old and new scipy write them."""
    functions: dict[str, Callable[..., object]] = {
        "_codecs.encode": partial(_bytes_of_text, allowance),
        "chumpy.ch.Ch": _Chumpy,
        "chumpy.Ch": _Chumpy,
        "collections.OrderedDict": partial(_ordered_dict, allowance),
        "numpy.dtype": _Dtype,
        "numpy.ndarray": _bare,
    }
    for core in ("numpy.core", "numpy._core"):
        functions[f"{core}.multiarray._reconstruct"] = partial(_Array, allowance)
        functions[f"{core}.multiarray.scalar"] = partial(_scalar, allowance)
        functions[f"{core}.numeric._frombuffer"] = partial(_from_buffer, allowance)
    for kind in ("csc", "csr"):
        for module in ("", f".{kind}", f"._{kind}"):
            functions[f"scipy.sparse{module}.{kind}_matrix"] = partial(_Sparse, allowance, kind)
            functions[f"scipy.sparse{module}.{kind}_array"] = partial(_Sparse, allowance, kind)
    for builtins in ("__builtin__", "builtins"):
        functions[f"{builtins}.object"] = _bare
        functions[f"{builtins}.bytes"] = _no_bytes
        functions[f"{builtins}.set"] = functions[f"{builtins}.frozenset"] = lambda *_: DROPPED
    for module in ("copy_reg", "copyreg"):
        functions[f"{module}._reconstructor"] = _new_instance
    return {name: Constructor(name, function) for name, function in functions.items()}


class _Dtype(Unfinished):
    """numpy.dtype("f8", False, True), then the state (version, byte order, ...)."""

    def __init__(self, code: object, *_: object) -> None:
        self._code = code

    def build(self, state: object) -> np.dtype:
        """The dtype in the byte order of the state."""
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise RefusedError("describes an array of records; only arrays of numbers are read")
        code, order = self._code, state[1]
        if code in ("O", "O8"):
            return np.dtype(object)
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code) or order not in ("<", ">", "|", "="):
            raise RefusedError(f"describes an array of {one_line(code)}; only arrays of numbers are read")
        return np.dtype(code).newbyteorder(order)


class _Array(Unfinished):
    """numpy's _reconstruct(ndarray, (0,), b"b"), then the state (version, shape, dtype, order, bytes)."""

    def __init__(self, allowance: Allowance, *_: object) -> None:
        self._allowance = allowance

    def build(self, state: object) -> object:
        """The array, or the only object of an array without axes, in which numpy.save wraps a dict."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("gives an array no shape, dtype and bytes")
        _, shape, dtype, fortran, raw = state
        if shape == () and isinstance(raw, list) and len(raw) == 1:
            return raw[0]
        return _array(self._allowance, shape, dtype, raw, fortran is True)


class _Chumpy(Unfinished):
    """A chumpy.Ch of numbers, which keeps them as `x`; the rest of it concerns derivatives."""

    def __init__(self, *_: object) -> None:
        pass

    def build(self, state: object) -> np.ndarray:
        """The numbers."""
        values = state.get("x") if isinstance(state, dict) else None
        if not isinstance(values, np.ndarray):
            raise RefusedError("holds a chumpy object without its array x; save it again as a numpy array")
        return values


class _Sparse(Unfinished):
    """A compressed sparse matrix of scipy, by column ("csc") or by row ("csr"), which becomes a dense one."""

    def __init__(self, allowance: Allowance, kind: str, *_: object) -> None:
        self._allowance, self._kind = allowance, kind

    def build(self, state: object) -> np.ndarray:
        """The dense matrix; duplicate entries add up, as they do in scipy."""
        if not isinstance(state, dict):
            raise RefusedError("gives a sparse matrix no shape, indices and data")
        rows, columns = _shape(state.get("_shape", state.get("shape")), axes=2)
        data, indices, starts = (_vector(state, name) for name in ("data", "indices", "indptr"))
        lines, line_length = (columns, rows) if self._kind == "csc" else (rows, columns)
        steps = np.diff(starts)
        fits = len(starts) == lines + 1 and starts[0] == 0 and starts[-1] == len(data) == len(indices)
        if not fits or (steps < 0).any() or (indices < 0).any() or (indices >= line_length).any():
            raise RefusedError(f"holds a sparse matrix whose indices do not fit its shape {rows} x {columns}")
        self._allowance.spend(8 * (rows * columns + len(starts) + 3 * len(data)))
        dense = np.zeros((lines, line_length))
        np.add.at(dense, (np.repeat(np.arange(lines), steps), indices), data)
        return dense.T.copy() if self._kind == "csc" else dense


def _array(
    allowance: Allowance, shape: object, dtype: object, raw: object, fortran: bool = False
) -> np.ndarray:
    """The array of these bytes, without copying them where they are bytes already."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise RefusedError("holds an array of objects; only arrays of numbers are read")
    sizes = _shape(shape)
    if isinstance(raw, str):  # bytes, as Python 2 writes them
        raw = _bytes_of_text(allowance, raw, "latin1")
    if not isinstance(raw, bytes | bytearray):
        raise RefusedError(f"gives an array a {type(raw).__name__} in place of bytes")
    claimed = math.prod(sizes) * dtype.itemsize
    if claimed != len(raw):
        raise RefusedError(f"claims {claimed} bytes for an array of shape {sizes}, {len(raw)} are there")
    return np.frombuffer(raw, dtype).reshape(sizes, order="F" if fortran else "C")


def _shape(value: object, axes: int | None = None) -> tuple[int, ...]:
    if isinstance(value, tuple) and len(value) == (axes or min(len(value), _MOST_AXES)):
        sizes = [int(size) for size in value if isinstance(size, int | np.integer) and size >= 0]
        if len(sizes) == len(value):
            return tuple(sizes)
    raise RefusedError("gives an array a shape that is none")


def _vector(state: Mapping[object, object], name: str) -> np.ndarray:
    values = state.get(name)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iuf":
        raise RefusedError(f"holds a sparse matrix without a list of numbers as its {name}")
    return values


def _scalar(allowance: Allowance, dtype: object, raw: object = b"") -> object:
    return _array(allowance, (), dtype, raw)[()]


def _from_buffer(
    allowance: Allowance, raw: object, dtype: object, shape: object, order: object
) -> np.ndarray:
    """How protocol 5 makes arrays."""
    return _array(allowance, shape, dtype, raw, fortran=order == "F")


def _bytes_of_text(allowance: Allowance, text: object, encoding: object = "utf-8") -> bytes:
    """Bytes as protocol 2 has them: the encoding of a text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"encodes a {type(text).__name__} as {one_line(encoding)}; only text as latin1 is")
    allowance.spend(len(text))
    return text.encode("latin-1")


def _no_bytes(*arguments: object) -> bytes:
    """How protocol 2 writes b""; bytes(1000000) would be another matter."""
    if arguments:
        raise RefusedError(f"makes bytes of a {type(arguments[0]).__name__}; refused, nothing was run")
    return b""


def _ordered_dict(allowance: Allowance, pairs: object = ()) -> dict[str, object]:
    if not isinstance(pairs, list | tuple):
        raise RefusedError("makes an OrderedDict of what are no names and values")
    allowance.spend(100 * len(pairs))
    found: dict[str, object] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise RefusedError("makes an OrderedDict of what are no names and values")
        found[pair[0]] = pair[1]
    return found


def _new_instance(kind: object, *_: object) -> object:
    """copy_reg._reconstructor(class, object, None), by which protocols 0 and 1 make an instance."""
    if not isinstance(kind, Constructor):
        raise RefusedError("makes an instance of what is no class; refused, nothing was run")
    return kind.make()


def _bare(*_: object) -> object:
    raise RefusedError("makes a bare object, which holds no array; refused, nothing was run")
