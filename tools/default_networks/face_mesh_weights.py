"""A coarse encoder whose backbone begins with the weights of the shipped landmark network: where training
begins.

    python tools/default_networks/face_mesh_weights.py --out WEIGHTS.safetensors

MediaPipe's face mesh (Apache-2.0) has the layers of the small backbone's first part; the others are drawn at
random.
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
from deca.io.heads import default_head
from deca.model.networks import NetworkSizes
from deca.model.small_backbone import SeparableBlock, SmallBackbone
from deca.model.small_networks import SmallNetworks


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description="The face mesh's weights for the small backbone.")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    data = default_head()
    sizes = NetworkSizes(
        shape=len(data.shape_basis),
        albedo=len(data.albedo_basis),
        expression=len(data.expression_basis),
        eyes=4,
    )
    encoder = SmallNetworks(sizes).coarse_encoder
    # Untrained layers after trained ones: faces begin near the mean.
    torch.nn.init.zeros_(encoder.encoder.outputs.weight)
    torch.nn.init.zeros_(encoder.encoder.outputs.bias)
    take_face_mesh(encoder.encoder.backbone, onnx.load(data_file("face_landmarks_468.onnx")))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {f"coarse_encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}, arguments.out
    )


def take_face_mesh(backbone: nn.Module, model: onnx.ModelProto) -> None:
    """Let a SmallBackbone's first part compute what the network computes down to 6 x 6 places."""
    assert isinstance(backbone, SmallBackbone)
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

    blocks = [block for block in backbone.face_mesh if isinstance(block, SeparableBlock)]
    convolutions = [
        backbone.first,
        *(part for block in blocks for part in (block.depthwise, block.pointwise)),
    ]
    activations = [backbone.first_activation, *(block.activation for block in blocks)]
    with torch.no_grad():
        for convolution, (weight, bias) in zip(convolutions, layers("Conv"), strict=False):
            _copy(convolution, weight, bias)
        for activation, (slopes,) in zip(activations, layers("PRelu"), strict=False):
            activation.weight.copy_(slopes.flatten())


def _copy(convolution: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor) -> None:
    assert convolution.bias is not None
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)


if __name__ == "__main__":
    main()
