"""ONNX files of recognition networks as PyTorch modules, because onnxruntime gives no gradients.

The operators that residual recognition networks are made of; anything else is refused by name. A file is
data: no code comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from deca.conversion.asset import AssetError
from deca.io.damage import RefusedError, naming_file

if TYPE_CHECKING:
    import onnx

_REMEDY = "export a plain convolutional network for inference, of one input and one output"
_CONSTANT = "Constant"
_OPEN_SIDE = 112  # pixels, where a file leaves the size of its pictures open
Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Tensor], Attributes], Tensor]


class OnnxModule(nn.Module):
    """The graph of an ONNX file: one picture batch in, its first output out; frozen, in evaluation mode.

    `input_shape` is what the file says of its input, None where it leaves a side open.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__()
        from onnx import numpy_helper

        constants = {constant.name: constant for constant in graph.initializer}
        constants |= {node.output[0]: _constant(node) for node in graph.node if node.op_type == _CONSTANT}
        self._nodes = [
            (node.op_type, tuple(node.input), node.output[0], _attributes(node))
            for node in graph.node
            if node.op_type != _CONSTANT
        ]
        if unknown := sorted(set(self.operators) - set(_OPERATORS)):
            raise RefusedError(f"the operator {', '.join(unknown)} is not known here; {_REMEDY}")
        self._buffer_of: dict[str, str] = {}
        for index, (name, constant) in enumerate(constants.items()):
            self._buffer_of[name] = f"constant_{index}"
            array = np.array(numpy_helper.to_array(constant))
            self.register_buffer(f"constant_{index}", torch.from_numpy(array))
        inputs = [value for value in graph.input if value.name not in self._buffer_of]
        if len(inputs) != 1 or not graph.output:
            raise RefusedError(f"{len(inputs)} inputs and {len(graph.output)} outputs; {_REMEDY}")
        self._input, self._output = inputs[0].name, graph.output[0].name
        self.input_shape = tuple(side.dim_value or None for side in inputs[0].type.tensor_type.shape.dim)
        self.eval()

    @property
    def operators(self) -> list[str]:
        """The operators in their order."""
        return [operator for operator, *_ in self._nodes]

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> Tensor:
        """The output for a batch, whatever batch the file was exported with."""
        values = {name: self.get_buffer(buffer) for name, buffer in self._buffer_of.items()}
        values[self._input] = image
        for operator, inputs, output, attributes in self._nodes:
            values[output] = _OPERATORS[operator]([values[name] for name in inputs if name], attributes)
        return values[self._output]


def read_onnx_module(path: str | Path) -> OnnxModule:
    """The network of an ONNX file, with gradients to its input.

    AssetError where the file is damaged, has an operator that is unknown here, or more than one input; and
    where the package onnx is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError:
        raise AssetError(f"{path}: reading ONNX for training needs: pip install 'deca[train]'") from None
    with naming_file(path):
        try:
            model = onnx.load(str(path), load_external_data=False)
        except DecodeError:
            raise RefusedError("no ONNX file, or cut short; get it again") from None
        if any(constant.external_data for constant in model.graph.initializer):
            raise RefusedError("its weights lie in another file; save it as one file")
        module = OnnxModule(model.graph)
        # Once through, so that what cannot be worked out is found here, not in a training's first step.
        with torch.no_grad():
            module(torch.zeros([1, *(side or _OPEN_SIDE for side in module.input_shape[1:])]))
    return module


def _constant(node: onnx.NodeProto) -> onnx.TensorProto:
    """The tensor of a Constant."""
    tensors = [attribute.t for attribute in node.attribute if attribute.name == "value"]
    if not tensors:
        raise RefusedError(f"a constant that is no tensor is not known here; {_REMEDY}")
    return tensors[0]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def _padded(x: Tensor, attributes: Attributes, value: float) -> Tensor:
    """The picture with the file's borders around it."""
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise RefusedError(f"automatic padding is not known here; {_REMEDY}")
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    borders = [left, right, top, bottom]
    return functional.pad(x, borders, value=value) if any(borders) else x


def _convolution(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, weight, *bias = inputs
    return functional.conv2d(
        _padded(x, attributes, 0.0),
        weight,
        bias[0] if bias else None,
        attributes.get("strides", 1),
        0,
        attributes.get("dilations", 1),
        attributes.get("group", 1),
    )


def _batch_norm(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, weight, bias, mean, variance = inputs
    return functional.batch_norm(x, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))


def _prelu(inputs: Sequence[Tensor], _: Attributes) -> Tensor:
    x, slope = inputs
    return torch.where(x >= 0, x, x * slope)


def _gemm(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    a, b, *c = inputs
    a = a.mT if attributes.get("transA", 0) else a
    b = b.mT if attributes.get("transB", 0) else b
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product + attributes.get("beta", 1.0) * c[0] if c else product


def _max_pool(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x = _padded(inputs[0], attributes, -torch.inf)
    return functional.max_pool2d(
        x,
        attributes["kernel_shape"],
        attributes.get("strides", 1),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    pads = attributes.get("pads", [0, 0, 0, 0])
    if any(pads) and not attributes.get("count_include_pad", 0):
        raise RefusedError(f"an average without its border is not known here; {_REMEDY}")
    return functional.avg_pool2d(
        _padded(inputs[0], attributes, 0.0),
        attributes["kernel_shape"],
        attributes.get("strides", 1),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _reshape(inputs: Sequence[Tensor], _: Attributes) -> Tensor:
    x, sides = inputs
    shape = [x.shape[place] if side == 0 else side for place, side in enumerate(sides.tolist())]
    # Exporters write down the batch that they saw.
    return x.reshape(x.shape[0], *shape[1:])


def _axes(inputs: Sequence[Tensor], attributes: Attributes) -> list[int]:
    """Axes, which later versions of ONNX give as an input."""
    return inputs[1].tolist() if len(inputs) > 1 else list(attributes["axes"])


def _clip(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, *limits = inputs
    low = limits[0] if limits else attributes.get("min")
    high = limits[1] if len(limits) > 1 else attributes.get("max")
    return torch.clamp(x, low, high)


_OPERATORS: Mapping[str, Operator] = {
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Conv": _convolution,
    "Div": lambda inputs, _: inputs[0] / inputs[1],
    "Dropout": lambda inputs, _: inputs[0],
    "Flatten": lambda inputs, attributes: inputs[0].flatten(attributes.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, _: inputs[0].mean((2, 3), keepdim=True),
    "Identity": lambda inputs, _: inputs[0],
    "LeakyRelu": lambda inputs, attributes: functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "MatMul": lambda inputs, _: inputs[0] @ inputs[1],
    "MaxPool": _max_pool,
    "Mul": lambda inputs, _: inputs[0] * inputs[1],
    "PRelu": _prelu,
    "ReduceL2": lambda inputs, attributes: inputs[0].norm(
        dim=_axes(inputs, attributes), keepdim=bool(attributes.get("keepdims", 1))
    ),
    "ReduceMean": lambda inputs, attributes: inputs[0].mean(
        _axes(inputs, attributes), keepdim=bool(attributes.get("keepdims", 1))
    ),
    "Relu": lambda inputs, _: inputs[0].relu(),
    "Reshape": _reshape,
    "Sigmoid": lambda inputs, _: inputs[0].sigmoid(),
    "Squeeze": lambda inputs, attributes: inputs[0].squeeze(_axes(inputs, attributes)),
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Transpose": lambda inputs, attributes: inputs[0].permute(attributes["perm"]),
    "Unsqueeze": lambda inputs, attributes: _unsqueezed(inputs[0], _axes(inputs, attributes)),
}


def _unsqueezed(x: Tensor, axes: Sequence[int]) -> Tensor:
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x
