"""A motion as a glTF animation: curves on the weights of morph targets and on joints."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.animation.joints import jaw_as_action
from deca.animation.motion import Motion
from deca.geometry import axis_angle_to_matrix
from deca.head.model import HeadModel
from deca.io.glb import GlbBuffer
from deca.parameters import Parameters

# What moves less than this (radians, metres) over a whole motion stands still and needs no curve.
_STILL = 1e-6


def joint_rotations(head_model: HeadModel, parameters: Parameters) -> Float[Tensor, "batch joint 3"]:
    """The joints' own turning, axis-angle: without what the expressions add, which the morph targets hold."""
    return head_model.joint_rotations(parameters.replace(expression=torch.zeros_like(parameters.expression)))


def joint_translations(
    head_model: HeadModel, parameters: Parameters, bind: Float[Tensor, "joint 3"]
) -> Float[Tensor, "batch joint 3"]:
    """Where the joints stand from their parents, metres; `bind` is where they are in the person at rest.

    A joint turns about where the expression has moved it, while the bind pose stays at rest.
    """
    matrices = axis_angle_to_matrix(joint_rotations(head_model, parameters))
    joints = head_model.rest_joints(parameters)
    translations = joints + (matrices @ (bind - joints)[..., None])[..., 0]
    parents = head_model.data.joint_parents
    moved = torch.from_numpy(parents >= 0)
    from_parent = torch.where(moved[:, None], bind[np.maximum(parents, 0)], torch.zeros_like(bind))
    return translations - from_parent


def quaternions(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """x, y, z, w of rotations."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    vector = axis_angle * torch.sinc(angle / (2 * torch.pi)) / 2
    return torch.cat([vector, torch.cos(angle / 2)], -1)


def animation(
    buffer: GlbBuffer,
    head_model: HeadModel,
    motion: Motion,
    bind: Float[Tensor, "joint 3"],
    *,
    mesh_node: int,
    first_joint_node: int,
) -> dict:
    """The animation of a motion whose person's joints rest at `bind`, in the JSON of glTF.

    Morph weights are those of the expressions, an open jaw said by jawOpen (`jaw_as_action`).
    """
    parameters = jaw_as_action(motion.parameters, head_model.data)
    times = buffer.bounded_array(np.asarray(motion.times - motion.times[0], np.float32)[:, None])
    samplers: list[dict] = []
    channels: list[dict] = []

    def curve(node: int, path: str, values: Tensor) -> None:
        samplers.append({"input": times, "output": buffer.array(_array(values)), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    curve(mesh_node, "weights", parameters.expression.reshape(-1, 1))
    rotations = joint_rotations(head_model, parameters)
    translations = joint_translations(head_model, parameters, bind)
    for joint in range(rotations.shape[1]):
        node = first_joint_node + joint
        if _moves(rotations[:, joint]) or rotations[:, joint].abs().max() > _STILL:
            curve(node, "rotation", quaternions(rotations[:, joint]))
        if _moves(translations[:, joint]):
            curve(node, "translation", translations[:, joint])
    return {"name": "motion", "samplers": samplers, "channels": channels}


def _moves(values: Float[Tensor, "frame channel"]) -> bool:
    return bool((values - values[:1]).abs().max() > _STILL)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.cpu().numpy(), np.float32)
