"""The small detail decoder as an ONNX file, for programs outside Python.

Written byte by byte: the package onnx, which the program needs nowhere else but in training, is not asked
for. An ONNX file is one message in protocol buffers' encoding; the numbers of its fields are those of
onnx.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deca.io.files import whole_file
from deca.model.detail_decoder import DEEPEST, MAP_SIZE
from deca.model.small_detail import RISE, SmallDetailDecoder

_IR_VERSION, _OPSET = 8, 17
_JAW = 3
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float16): 10}
_FLOAT, _INT_ATTRIBUTE = 1, 2


def write_decoder_onnx(path: str | Path, decoder: SmallDetailDecoder) -> None:
    """Write the decoder for everybody: codes and expressions in, displacement out.

    Inputs `jaw` (batch, 3), `expression` (batch, expression) and `detail` (batch, detail), as
    `deca.model.networks.decoder_input` has them; output `displacement` (batch, 1, 256, 256), metres. The
    reliefs are kept in half precision, as they ship, and computed with in single.
    """
    weights = {name: values.detach().numpy() for name, values in decoder.state_dict().items()}
    constants = {
        "gates": weights["gates.weight"].T,
        "open": weights["open.weight"].T,
        "open_bias": weights["open.bias"],
        "person": weights["person.weight"].T,
        "person_bias": weights["person.bias"],
        "reliefs_half": weights["reliefs.weight"].T.astype(np.float16),
        "rise": np.float32(RISE),
        "one": np.float32(1),
        "metres": np.float32(1 / 1000),
        "lowest": np.float32(-DEEPEST),
        "highest": np.float32(DEEPEST),
        "map": np.array([-1, 1, MAP_SIZE, MAP_SIZE]),
    }
    nodes = [
        _node("Concat", "jaw expression", "moves", axis=1),
        _node("MatMul", "moves gates", "effort"),
        _node("Relu", "effort", "effort_up"),
        _node("Pow", "effort_up rise", "risen"),
        _node("Neg", "risen", "fallen"),
        _node("Exp", "fallen", "shut"),
        _node("Sub", "one shut", "opened"),
        _node("MatMul", "opened open", "openness_moved"),
        _node("Add", "openness_moved open_bias", "openness"),
        _node("MatMul", "detail person", "person_coded"),
        _node("Add", "person_coded person_bias", "of_person"),
        _node("Mul", "openness of_person", "strengths"),
        _node("Cast", "reliefs_half", "reliefs", to=_FLOAT),
        _node("MatMul", "strengths reliefs", "millimetres"),
        _node("Mul", "millimetres metres", "unbounded"),
        _node("Clip", "unbounded lowest highest", "flat"),
        _node("Reshape", "flat map", "displacement"),
    ]
    sizes = {"jaw": _JAW, "expression": decoder.moves - _JAW, "detail": weights["person.weight"].shape[1]}
    graph = [
        *(_bytes(1, node) for node in nodes),
        _bytes(2, b"detail_decoder"),
        *(_bytes(5, _tensor(name, np.asarray(values))) for name, values in constants.items()),
        *(_bytes(11, _value(name, ["batch", size])) for name, size in sizes.items()),
        _bytes(12, _value("displacement", ["batch", 1, MAP_SIZE, MAP_SIZE])),
    ]
    model = [
        _number(1, _IR_VERSION),
        _bytes(2, b"deca"),
        _bytes(7, b"".join(graph)),
        _bytes(8, _bytes(1, b"") + _number(2, _OPSET)),
    ]
    with whole_file(path) as temporary:
        temporary.write_bytes(b"".join(model))


def _node(operator: str, inputs: str, output: str, **attributes: int) -> bytes:
    return b"".join(
        [
            *(_bytes(1, name.encode()) for name in inputs.split()),
            _bytes(2, output.encode()),
            _bytes(4, operator.encode()),
            *(
                _bytes(5, _bytes(1, name.encode()) + _number(3, value) + _number(20, _INT_ATTRIBUTE))
                for name, value in attributes.items()
            ),
        ]
    )


def _tensor(name: str, values: np.ndarray) -> bytes:
    dimensions = b"".join(_number(1, size) for size in values.shape)
    # Little-endian whatever the machine.
    raw = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return dimensions + _number(2, _TYPES[values.dtype]) + _bytes(8, name.encode()) + _bytes(9, raw)


def _value(name: str, shape: Sequence[str | int]) -> bytes:
    """Of single precision."""
    sides = [_bytes(2, side.encode()) if isinstance(side, str) else _number(1, side) for side in shape]
    dimensions = b"".join(_bytes(1, side) for side in sides)
    kind = _bytes(1, _number(1, _FLOAT) + _bytes(2, dimensions))
    return _bytes(1, name.encode()) + _bytes(2, kind)


def _number(field: int, value: int) -> bytes:
    """A field that holds an integer that is not negative."""
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    """A field that holds a string, raw bytes or a message."""
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
