"""The small detail decoder as an ONNX network, for programs outside Python: browsers, game engines."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from deca.model.detail_decoder import DEEPEST, MAP_SIZE
from deca.model.small_detail import RISE, SmallDetailDecoder

_OPSET = 17
_JAW = 3


def detail_decoder_onnx(decoder: SmallDetailDecoder) -> bytes:
    """The decoder as the bytes of an ONNX file (opset 17).

    Inputs `jaw` (batch, 3), `expression` (batch, expression), `detail` (batch, detail); output `displacement`
    (batch, 1, 256, 256) in metres, as `decoder_input` and `SmallDetailDecoder.forward` have them. The reliefs
    are kept in half precision, half a micrometre off at most, and computed with in single.
    """
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in decoder.state_dict().items()}
    moves = weights["gates.weight"].shape[1]
    detail = weights["person.weight"].shape[1]
    constants = {
        "gates_weight": weights["gates.weight"].T,
        "open_weight": weights["open.weight"].T,
        "open_bias": weights["open.bias"],
        "person_weight": weights["person.weight"].T,
        "person_bias": weights["person.bias"],
        "reliefs_half": weights["reliefs.weight"].T.astype(np.float16),
        "rise": np.float32(RISE),
        "one": np.float32(1),
        "millimetre": np.float32(0.001),
        "deepest": np.float32(DEEPEST),
        "highest": np.float32(-DEEPEST),
        "map_shape": np.array([-1, 1, MAP_SIZE, MAP_SIZE]),
    }
    nodes = [
        ("Concat", "jaw expression", "moves", {"axis": 1}),
        ("MatMul", "moves gates_weight", "gates", {}),
        ("Relu", "gates", "movement", {}),
        ("Pow", "movement rise", "risen", {}),
        ("Neg", "risen", "fallen", {}),
        ("Exp", "fallen", "shut", {}),
        ("Sub", "one shut", "opened", {}),
        ("MatMul", "opened open_weight", "reliefs_opened", {}),
        ("Add", "reliefs_opened open_bias", "openness", {}),
        ("MatMul", "detail person_weight", "person_weighted", {}),
        ("Add", "person_weighted person_bias", "person", {}),
        ("Mul", "openness person", "strengths", {}),
        ("Cast", "reliefs_half", "reliefs", {"to": TensorProto.FLOAT}),
        ("MatMul", "strengths reliefs", "millimetres", {}),
        ("Mul", "millimetres millimetre", "unbounded", {}),
        ("Clip", "unbounded highest deepest", "flat", {}),
        ("Reshape", "flat map_shape", "displacement", {}),
    ]
    inputs = {"jaw": _JAW, "expression": moves - _JAW, "detail": detail}
    graph = helper.make_graph(
        [helper.make_node(kind, ins.split(), [out], **options) for kind, ins, out, options in nodes],
        "detail_decoder",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
            for name, size in inputs.items()
        ],
        [helper.make_tensor_value_info("displacement", TensorProto.FLOAT, ["batch", 1, MAP_SIZE, MAP_SIZE])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="deca")
    # The oldest file format that holds this, so that older programs read it too.
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()
