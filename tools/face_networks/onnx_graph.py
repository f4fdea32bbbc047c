"""A TensorFlow Lite graph written as ONNX: channels first, any batch, weights kept in half precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import tflite
from face_networks.tflite_graph import Operator, TfliteGraph
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
CHANNELS_FIRST = (0, 3, 1, 2)
CHANNELS_LAST = (0, 2, 3, 1)


def to_onnx(graph: TfliteGraph, output_names: tuple[str, ...]) -> onnx.ModelProto:
    """The same function of `pictures` (batch, 3, height, width); outputs of rank 4 are channels first too."""
    writer = _Writer(graph)
    for operator in graph.operators:
        writer.write(operator)
    (source,) = graph.inputs
    for name, index in zip(output_names, graph.outputs, strict=True):
        writer.add("Identity", [writer.name(index)], name)
    return helper.make_model(
        helper.make_graph(
            writer.nodes,
            "face",
            [_description("pictures", writer.shape(source))],
            [
                _description(name, writer.shape(index))
                for name, index in zip(output_names, graph.outputs, strict=True)
            ],
            writer.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="deca tools/build_face_networks.py",
    )


class _Writer:
    """The nodes and constants written so far; the tensor of index i is called t<i>."""

    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def name(self, index: int) -> str:
        return "pictures" if index in self.graph.inputs else f"t{index}"

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape in ONNX order."""
        shape = self.graph.shapes[index]
        return tuple(shape[axis] for axis in CHANNELS_FIRST) if len(shape) == 4 else shape

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        """A constant under the given name; half precision is stored as such and widened on opening."""
        half = value.dtype == np.float16
        stored = f"{name}_half" if half else name
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), stored))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT) if half else name

    def write(self, operator: Operator) -> None:
        """Write one operator; an unknown one is a NotImplementedError."""
        method = getattr(self, f"_{operator.name.lower()}", None)
        if method is None:
            raise NotImplementedError(f"no ONNX form for the TensorFlow Lite operator {operator.name}")
        method(operator, self.name(operator.inputs[0]), self.name(operator.outputs[0]))

    def _activated(
        self, operator: Operator, kind: str, inputs: list[str], output: str, **attributes: Any
    ) -> None:
        activation = operator.options.FusedActivationFunction()
        if activation == tflite.ActivationFunctionType.NONE:
            self.add(kind, inputs, output, **attributes)
        elif activation == tflite.ActivationFunctionType.RELU:
            self.add("Relu", [self.add(kind, inputs, f"{output}_linear", **attributes)], output)
        else:
            raise NotImplementedError(
                f"no ONNX form for the fused activation {activation} of {operator.name}"
            )

    def _conv_2d(self, operator: Operator, source: str, output: str) -> None:
        # From (out, height, width, in) to (out, in, height, width).
        weights = self.graph.constants[operator.inputs[1]].transpose(0, 3, 1, 2)
        self._convolution(operator, source, output, weights, 1)

    def _depthwise_conv_2d(self, operator: Operator, source: str, output: str) -> None:
        # From (1, height, width, out) to (out, 1, height, width).
        weights = self.graph.constants[operator.inputs[1]].transpose(3, 0, 1, 2)
        self._convolution(operator, source, output, weights, self.shape(operator.inputs[0])[1])

    def _convolution(
        self, operator: Operator, source: str, output: str, weights: np.ndarray, groups: int
    ) -> None:
        window = weights.shape[2:]
        inputs = [source, self.constant(f"{output}_weights", weights)]
        if len(operator.inputs) > 2:
            inputs.append(self.constant(f"{output}_bias", self.graph.constants[operator.inputs[2]]))
        self._activated(operator, "Conv", inputs, output, group=groups, **self._window(operator, window))

    def _max_pool_2d(self, operator: Operator, source: str, output: str) -> None:
        window = (operator.options.FilterHeight(), operator.options.FilterWidth())
        attributes = self._window(operator, window)
        self._activated(operator, "MaxPool", [source], output, kernel_shape=window, **attributes)

    def _window(self, operator: Operator, window: tuple[int, ...]) -> dict[str, list[int]]:
        """Strides and padding; "same" padding puts the odd row and column at the end."""
        strides = [operator.options.StrideH(), operator.options.StrideW()]
        pads = [0, 0, 0, 0]
        if operator.options.Padding() == tflite.Padding.SAME:
            sides = zip(self.shape(operator.inputs[0])[2:], window, strides, strict=True)
            for axis, (length, extent, stride) in enumerate(sides):
                total = max((-(-length // stride) - 1) * stride + extent - length, 0)
                pads[axis], pads[axis + 2] = total // 2, total - total // 2
        return {"strides": strides, "pads": pads}

    def _add(self, operator: Operator, source: str, output: str) -> None:
        self._activated(operator, "Add", [source, self.name(operator.inputs[1])], output)

    def _relu(self, operator: Operator, source: str, output: str) -> None:
        self.add("Relu", [source], output)

    def _prelu(self, operator: Operator, source: str, output: str) -> None:
        slopes = self.graph.constants[operator.inputs[1]].reshape(-1, 1, 1)
        self.add("PRelu", [source, self.constant(f"{output}_slopes", slopes)], output)

    def _pad(self, operator: Operator, source: str, output: str) -> None:
        pads = self.graph.constants[operator.inputs[1]][list(CHANNELS_FIRST)].T.reshape(-1)
        self.add("Pad", [source, self.constant(f"{output}_pads", pads.astype(np.int64))], output)

    def _resize_bilinear(self, operator: Operator, source: str, output: str) -> None:
        if operator.options.AlignCorners():
            mode = "align_corners"
        else:
            mode = "half_pixel" if operator.options.HalfPixelCenters() else "asymmetric"
        before, after = self.shape(operator.inputs[0]), self.shape(operator.outputs[0])
        scales = np.array(after, np.float32) / np.array(before, np.float32)
        inputs = [source, "", self.constant(f"{output}_scales", scales)]
        self.add("Resize", inputs, output, mode="linear", coordinate_transformation_mode=mode)

    def _reshape(self, operator: Operator, source: str, output: str) -> None:
        # The numbers' order is that of channels last.
        source = self.add("Transpose", [source], f"{output}_channels_last", perm=CHANNELS_LAST)
        target = np.array([-1, *self.graph.shapes[operator.outputs[0]][1:]], np.int64)
        self.add("Reshape", [source, self.constant(f"{output}_shape", target)], output)

    def _concatenation(self, operator: Operator, source: str, output: str) -> None:
        names = [self.name(index) for index in operator.inputs]
        self._activated(operator, "Concat", names, output, axis=operator.options.Axis())


def _description(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape[1:]])
