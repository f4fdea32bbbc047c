"""HeadModel: from shape, expression and pose to a posed mesh, for any topology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import axis_angle_to_matrix
from deca.head.data import HeadData
from deca.head.skinning import joint_transforms, pose_features, skin
from deca.parameters import Parameters


@dataclass(frozen=True)
class Head:
    """Posed heads of a batch: metres in the head frame, before the camera.

    `joint_transforms` take a point of the rest head to where its joint carries it.
    """

    vertices: Float[Tensor, "batch vertex 3"]
    joint_transforms: Float[Tensor, "batch joint 3 4"]


class HeadModel(nn.Module):
    """A linear, skinned head (FLAME: Li et al. 2017, equations 1 to 5) on the arrays of a HeadData.

    Rest vertices are template + shape basis + expression basis; joints are regressed from them; pose
    correctives are added; linear blend skinning poses the sum.
    """

    template_vertices: Tensor
    triangles: Tensor
    texture_vertices: Tensor
    texture_triangles: Tensor
    shape_basis: Tensor
    expression_basis: Tensor
    expression_joint_rotations: Tensor
    joint_regressor: Tensor
    skinning_weights: Tensor
    pose_basis: Tensor
    joint_shape_basis: Tensor
    joint_expression_basis: Tensor
    joint_template: Tensor

    def __init__(self, data: HeadData) -> None:
        super().__init__()
        self.data = data
        for name in (
            "template_vertices",
            "triangles",
            "texture_vertices",
            "texture_triangles",
            "shape_basis",
            "expression_basis",
            "expression_joint_rotations",
            "joint_regressor",
            "skinning_weights",
            "pose_basis",
        ):
            self.register_buffer(name, torch.from_numpy(getattr(data, name)), persistent=False)
        # Joints are linear in the coefficients: regress the bases once, not every vertex of every head.
        regressor = self.joint_regressor
        self.register_buffer("joint_template", regressor @ self.template_vertices, persistent=False)
        self.register_buffer("joint_shape_basis", regressor @ self.shape_basis, persistent=False)
        self.register_buffer("joint_expression_basis", regressor @ self.expression_basis, persistent=False)
        self._pose_features = np.flatnonzero(
            data.pose_basis.reshape(len(data.pose_basis), -1).any(1)
        ).tolist()

    def neutral(self, batch: int = 1) -> Parameters:
        """The mean head's parameters, of this model's sizes, on its device."""
        return Parameters.neutral(
            shape=len(self.shape_basis),
            expression=len(self.expression_basis),
            albedo=len(self.data.albedo_basis),
            batch=batch,
            device=self.template_vertices.device,
        )

    def joint_rotations(self, parameters: Parameters) -> Float[Tensor, "batch joint 3"]:
        """Axis-angle of every joint relative to its parent: the pose, plus what the expressions turn."""
        turned = torch.einsum("be,ejc->bjc", parameters.expression, self.expression_joint_rotations)
        named = {
            "root": parameters.pose,
            "neck": parameters.neck,
            "jaw": parameters.jaw,
            "left_eye": parameters.eyes[:, 0],
            "right_eye": parameters.eyes[:, 1],
        }
        still = torch.zeros_like(parameters.pose)
        return turned + torch.stack([named.get(name, still) for name in self.data.joint_names], 1)

    def forward(self, parameters: Parameters) -> Head:
        """Pose the heads of a batch."""
        shape, expression = parameters.shape, parameters.expression
        batch = len(shape)
        rest = self.template_vertices + (
            shape @ self.shape_basis.flatten(1) + expression @ self.expression_basis.flatten(1)
        ).view(batch, *self.template_vertices.shape)
        joints = self.rest_joints(parameters)
        rotations = axis_angle_to_matrix(self.joint_rotations(parameters))
        if self._pose_features:
            features = pose_features(rotations)[:, self._pose_features]
            rest = rest + (features @ self.pose_basis[self._pose_features].flatten(1)).view_as(rest)
        transforms = joint_transforms(rotations, joints, self.data.joint_parents.tolist())
        return Head(skin(rest, transforms, self.skinning_weights), transforms)

    def rest_joints(self, parameters: Parameters) -> Float[Tensor, "batch joint 3"]:
        """Joint positions of the unposed heads, metres."""
        offsets = parameters.shape @ self.joint_shape_basis.flatten(1)
        offsets = offsets + parameters.expression @ self.joint_expression_basis.flatten(1)
        return self.joint_template + offsets.view(parameters.batch, *self.joint_template.shape)
