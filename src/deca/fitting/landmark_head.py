"""The head model at its landmarks alone, with exact derivatives: what the landmark fit evaluates."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.geometry import axis_angle_to_matrix
from deca.head.model import HeadModel
from deca.head.skinning import joint_transforms, pose_features, skin

_EYES = ("left_eye", "right_eye")
_MOST_OF_AN_EYEBALL = 0.001
"""How far an expression of one may deform an eyeball, metres, before it counts as gaze."""


class LandmarkHead:
    """The head model at the corners of the landmarks' triangles alone, in double precision."""

    def __init__(self, head_model: HeadModel) -> None:
        data = head_model.data
        self.dense = len(data.dense_landmark_triangles) > 0
        if self.dense:
            triangles, barycentrics = data.dense_landmark_triangles, data.dense_landmark_barycentrics
        else:
            triangles, barycentrics = data.full_landmark_triangles, data.full_landmark_barycentrics
        corners = torch.from_numpy(data.triangles[triangles])
        used, inverse = corners.unique(return_inverse=True)
        self.corners = inverse
        self.barycentrics = torch.from_numpy(barycentrics).double()
        self.template = head_model.template_vertices[used].double()
        self.shape_basis = head_model.shape_basis[:, used].double()
        self.expression_basis = head_model.expression_basis[:, used].double()
        self.pose_basis = head_model.pose_basis[:, used].double()
        self.weights = head_model.skinning_weights[used].double()
        self.joint_template = head_model.joint_template.double()
        self.joint_basis = torch.cat(
            [head_model.joint_shape_basis, head_model.joint_expression_basis]
        ).double()
        self.parents = data.joint_parents.tolist()
        self.names = data.joint_names
        self.actions = data.has_actions
        self.expression_names = data.expression_names
        # Actions that turn a joint repeat what the joint itself says; the joint is fitted instead.
        turning = head_model.expression_joint_rotations.abs().sum((1, 2)) > 0
        # So is gaze: no landmark of the lids tells it from a lid.
        self.free = ~turning & ~_turns_eyeballs(head_model)
        self.basis = torch.cat([self.shape_basis, self.expression_basis])
        self.shape_count = len(self.shape_basis)

    def points(self, vertices: Float[Tensor, "batch used 3"]) -> Float[Tensor, "batch point 3"]:
        """The landmarks on given vertices."""
        return (vertices[:, self.corners] * self.barycentrics[..., None]).sum(-2)

    def rotations(self, pose: Float[Tensor, "3 3"], jaw: Float[Tensor, " 3"]) -> Float[Tensor, "1 joint 3 3"]:
        """The joints' rotation matrices: root and jaw turn, the others rest."""
        matrices = [torch.eye(3, dtype=pose.dtype)] * len(self.names)
        matrices[self.names.index("root")] = pose
        if "jaw" in self.names:
            matrices[self.names.index("jaw")] = axis_angle_to_matrix(jaw)
        return torch.stack(matrices)[None]

    def posed(
        self,
        coefficients: Float[Tensor, " coefficient"],
        pose: Float[Tensor, "3 3"],
        jaw: Float[Tensor, " 3"],
    ) -> Float[Tensor, "point 3"]:
        """The landmarks in the head frame, metres; coefficients are shape, then expression."""
        rest = self.template + torch.einsum("k,kvc->vc", coefficients, self.basis)
        joints = self.joint_template + torch.einsum("k,kjc->jc", coefficients, self.joint_basis)
        rotations = self.rotations(pose, jaw)
        corrective = torch.einsum("bf,fvc->bvc", pose_features(rotations), self.pose_basis)
        transforms = joint_transforms(rotations, joints[None], self.parents)
        return self.points(skin(rest[None] + corrective, transforms, self.weights))[0]

    def linear(
        self, pose: Float[Tensor, "3 3"], jaw: Float[Tensor, " 3"]
    ) -> Float[Tensor, "coefficient point 3"]:
        """Derivatives of the posed points by the coefficients: skinning is linear in vertices and joints."""
        count = len(self.basis)
        rotations = self.rotations(pose, jaw).expand(count, -1, -1, -1)
        return self.points(
            skin(self.basis, joint_transforms(rotations, self.joint_basis, self.parents), self.weights)
        )


def _turns_eyeballs(head_model: HeadModel) -> Bool[Tensor, " expression"]:
    """Expressions that turn an eyeball: a vertex of it moves by a millimetre against the others."""
    joints = [index for index, name in enumerate(head_model.data.joint_names) if name in _EYES]
    turning = torch.zeros(len(head_model.expression_basis), dtype=torch.bool)
    for joint in joints:
        moves = head_model.expression_basis[:, head_model.skinning_weights[:, joint] > 0.5]
        if moves.shape[1]:
            relative = moves - moves.mean(1, keepdim=True)
            turning |= relative.norm(dim=-1).amax(1) > _MOST_OF_AN_EYEBALL
    return turning
