"""The weights of the shipped landmark network as those of the small backbone's first part: where training begins.

    python tools/default_networks/face_mesh_weights.py --out WEIGHTS.safetensors

MediaPipe's face mesh (Apache-2.0) has the same layers. The names are those that SmallNetworks gives its coarse encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import nn

from deca.io.files import data_file
from deca.model.small_backbone import SeparableBlock, SmallBackbone

_PREFIX = "coarse_encoder.encoder.backbone."


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description="The face mesh's weights for the small backbone.")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    backbone = face_mesh_backbone(onnx.load(data_file("face_landmarks_468.onnx")))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    state = {
        _PREFIX + name: tensor.contiguous()
        for name, tensor in backbone.state_dict().items()
        if not name.startswith("wide.")
    }
    save_file(state, arguments.out)


def face_mesh_backbone(model: onnx.ModelProto) -> SmallBackbone:
    """A backbone whose first part computes what the network computes down to 6 x 6 places."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]

    def layers(kind: str) -> list[list[torch.Tensor]]:
        return [
            [torch.from_numpy(constants[name].astype(np.float32)) for name in node.input[1:]]
            for node in model.graph.node
            if node.op_type == kind
        ]

    backbone = SmallBackbone()
    blocks = [block for block in backbone.face_mesh if isinstance(block, SeparableBlock)]
    convolutions = [backbone.first, *(part for block in blocks for part in (block.depthwise, block.pointwise))]
    activations = [backbone.first_activation, *(block.activation for block in blocks)]
    with torch.no_grad():
        for convolution, (weight, bias) in zip(convolutions, layers("Conv"), strict=False):
            _copy(convolution, weight, bias)
        for activation, (slopes,) in zip(activations, layers("PRelu"), strict=False):
            activation.weight.copy_(slopes.flatten())
    return backbone


def _copy(convolution: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor) -> None:
    assert convolution.bias is not None
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)


if __name__ == "__main__":
    main()
