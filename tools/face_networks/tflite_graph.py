"""A TensorFlow Lite file as plain operators and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

_OPERATOR_NAMES = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)
}
_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "ADD": tflite.AddOptions,
    "CONCATENATION": tflite.ConcatenationOptions,
    "RESIZE_BILINEAR": tflite.ResizeBilinearOptions,
}
_DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


@dataclass(frozen=True)
class Operator:
    """One step: its name in the schema, its tensors by number, and its options (None where it has none)."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class TfliteGraph:
    """One network: operators in order, the shape of each tensor, and the arrays of the constant ones."""

    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    constants: dict[int, np.ndarray]


def read_graph(content: bytes) -> TfliteGraph:
    """The only subgraph of a TensorFlow Lite file; weights stored in half precision stay so."""
    # Any, because the schema's generated classes declare every part optional.
    model: Any = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    constants = {}
    for index, tensor in enumerate(tensors):
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(data, np.ndarray):
            constants[index] = data.view(_DTYPES[tensor.Type()]).reshape(_shape(tensor))
    operators = []
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = _OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = tuple(int(index) for index in operator.InputsAsNumpy())
        outputs = tuple(int(index) for index in operator.OutputsAsNumpy())
        if name == "DEQUANTIZE" and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]]
        else:
            operators.append(Operator(name, inputs, outputs, _options(name, operator)))
    return TfliteGraph(
        tuple(operators),
        tuple(int(index) for index in graph.InputsAsNumpy()),
        tuple(int(index) for index in graph.OutputsAsNumpy()),
        tuple(_shape(tensor) for tensor in tensors),
        constants,
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(length) for length in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()


def _options(name: str, operator: Any) -> Any:
    if name not in _OPTIONS:
        return None
    options, table = _OPTIONS[name](), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options
