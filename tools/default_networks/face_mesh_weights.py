"""A coarse encoder whose backbone begins with the weights of the shipped landmark network: where training
begins.

    python tools/default_networks/face_mesh_weights.py --out WEIGHTS.safetensors

MediaPipe's face mesh (Apache-2.0) has the layers of the small backbone's first part; the others are drawn at
random.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import torch
from jaxtyping import Float
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import nn

from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.model.networks import NetworkSizes
from deca.model.small_backbone import SeparableBlock, SmallBackbone
from deca.model.small_networks import PointEncoder, SmallNetworks
from deca.parameters import Parameters
from deca.render.camera import project
from deca.training.synthetic.generator import STORED_MARGIN, stored_camera
from deca.training.synthetic.population import Population

# Outputs of the layers between the picture of 6 x 6 places and the points, in the landmark network's graph.
_CONVOLUTIONS = ("t144", "t147", "t154", "t157", "t166", "t172", "t195", "t201")
_ACTIVATIONS = ("t151", "t160", "t179", "t207")
_FACES = 12000
# How far points are found from where they are, in the image frame.
_POINT_ERROR = 0.01


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
    torch.nn.init.zeros_(encoder.outputs.weight)
    torch.nn.init.zeros_(encoder.outputs.bias)
    take_random_faces(encoder, data, sizes)
    take_face_mesh(encoder.backbone, onnx.load(data_file("face_landmarks_468.onnx")))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {f"coarse_encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}, arguments.out
    )


def take_face_mesh(backbone: nn.Module, model: onnx.ModelProto) -> None:
    """Let a SmallBackbone find 468 points as the landmark network finds them."""
    assert isinstance(backbone, SmallBackbone)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    inputs = {
        node.output[0]: [constants[name] for name in node.input[1:] if name in constants]
        for node in model.graph.node
    }
    in_order = {
        kind: [node.output[0] for node in model.graph.node if node.op_type == kind]
        for kind in ("Conv", "PRelu")
    }
    points = backbone.face_points
    blocks = [block for block in backbone.face_mesh.modules() if isinstance(block, SeparableBlock)]
    shared = [backbone.first, *(part for block in blocks for part in (block.depthwise, block.pointwise))]
    last = [block for block in (*points.blocks, points.last_block) if isinstance(block, SeparableBlock)]
    with torch.no_grad():
        for convolution, output in [
            *zip(shared, in_order["Conv"], strict=False),
            *zip(
                [part for block in last for part in (block.depthwise, block.pointwise)],
                _CONVOLUTIONS,
                strict=True,
            ),
            (points.reduce, "t185"),
            (points.points, "t213"),
        ]:
            _copy(convolution, *inputs[output])
        for activation, output in [
            *zip(
                [backbone.first_activation, *(block.activation for block in blocks)],
                in_order["PRelu"],
                strict=False,
            ),
            *zip([block.activation for block in last], _ACTIVATIONS, strict=True),
            (points.reduce_activation, "t189"),
        ]:
            (slopes,) = inputs[output]
            activation.weight.copy_(torch.from_numpy(slopes.astype(np.float32)).flatten())


def take_random_faces(encoder: PointEncoder, data: HeadData, sizes: NetworkSizes) -> None:
    """Let places be the principal components of random faces' points, and the direct estimate a ridge
    regression.

    Components have about unit size; those in which points move less than they err are left smaller, and say
    as much less of the parameters.
    """
    random = np.random.default_rng(0)
    parameters, points = random_faces(data, random)
    mean = points.mean(0)
    place, direct = encoder.backbone.place, encoder.direct
    with torch.no_grad():
        _, deviations, directions = torch.linalg.svd(points - mean, full_matrices=False)
        deviations = deviations[: place.out_features] / len(points) ** 0.5
        # An error of each coordinate is one of the same size along each direction.
        size = (deviations.square() + _POINT_ERROR**2).sqrt()
        weight = directions[: place.out_features] / size[:, None]
        place.weight.copy_(weight)
        place.bias.copy_(-weight @ mean)
        true = (raw_outputs(parameters, sizes) - encoder.mean) / encoder.deviation
        places = torch.nn.functional.pad(place(points), (0, 1), value=1.0).double()
        errors = torch.nn.functional.pad((_POINT_ERROR / size).square(), (0, 1)).double()
        system = places.T @ places + len(places) * errors.diag()
        solution = torch.linalg.solve(system, places.T @ true.double()).float()
        direct.weight.copy_(solution[:-1].T)
        direct.bias.copy_(solution[-1])


def random_faces(
    data: HeadData, random: np.random.Generator
) -> tuple[Parameters, Float[torch.Tensor, "face 936"]]:
    """Random parameters, their cameras those of crops as training varies them, and the 468 points in the
    image frame."""
    population = Population(data)
    drawn = [population.parameters(random) for _ in range(_FACES)]
    names = [field.name for field in fields(Parameters)]
    parameters = Parameters(**{name: torch.cat([getattr(one, name) for one in drawn]) for name in names})
    model, landmarks = HeadModel(data), HeadLandmarks(data)
    cameras, points = [], []
    with torch.no_grad():
        for start in range(0, _FACES, 500):
            head = model(parameters.map(lambda values, start=start: values[start : start + 500]))
            crops = torch.cat([stored_camera(one) for one in landmarks(head)])
            scale = (
                torch.from_numpy(STORED_MARGIN / random.uniform(1.4, 1.75, (len(crops), 1))).float()
                * crops[:, :1]
            )
            shift = torch.from_numpy(random.uniform(-0.1, 0.1, (len(crops), 2))).float() / crops[:, :1]
            cameras.append(torch.cat([scale, crops[:, 1:] + shift], 1))
            points.append(project(landmarks.dense(head), cameras[-1])[..., :2].flatten(1))
    return parameters.replace(camera=torch.cat(cameras)), torch.cat(points)


def raw_outputs(parameters: Parameters, sizes: NetworkSizes) -> Float[torch.Tensor, "face output"]:
    """Parameters as the coarse encoder puts them out."""
    order = [parameters.shape, parameters.albedo, parameters.expression, parameters.pose, parameters.jaw]
    order += [parameters.camera, parameters.lighting.flatten(1), parameters.eyes[..., :2].flatten(1)]
    outputs = torch.cat(order, 1)
    assert outputs.shape[1] == sum(sizes.coarse)
    return outputs


def _copy(convolution: nn.Conv2d, weight: np.ndarray, bias: np.ndarray) -> None:
    assert convolution.bias is not None
    convolution.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
    convolution.bias.copy_(torch.from_numpy(bias.astype(np.float32)))


if __name__ == "__main__":
    main()
