"""Landmarks on posed heads: iBUG 68 with a sliding contour, the fixed 68, and the dense 468."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deca.geometry import interpolate
from deca.head.data import HeadData
from deca.head.model import Head

_LARGEST_YAW = 39


class HeadLandmarks(nn.Module):
    """Where the landmarks of one head model lie: (triangle, barycentric) turned to vertices and weights."""

    corners: Tensor
    weights: Tensor
    contour_corners: Tensor
    contour_weights: Tensor
    full_corners: Tensor
    full_weights: Tensor
    dense_corners: Tensor
    dense_weights: Tensor

    def __init__(self, data: HeadData) -> None:
        super().__init__()
        self._neck = data.joint_names.index("neck")
        for name, prefix in (
            ("", "landmark"),
            ("contour_", "contour"),
            ("full_", "full_landmark"),
            ("dense_", "dense_landmark"),
        ):
            corners = data.triangles[getattr(data, f"{prefix}_triangles")]
            self.register_buffer(f"{name}corners", torch.from_numpy(corners), persistent=False)
            weights = torch.from_numpy(getattr(data, f"{prefix}_barycentrics"))
            self.register_buffer(f"{name}weights", weights, persistent=False)

    def forward(self, head: Head) -> Float[Tensor, "batch 68 3"]:
        """The 68 iBUG points, metres: 17 of the contour as seen at each head's yaw, then 51 inner ones."""
        rows = contour_rows(self.yaw_degrees(head))
        corners, weights = self.contour_corners[rows], self.contour_weights[rows]
        picked = torch.take_along_dim(head.vertices[:, :, None], corners.flatten(1)[:, :, None, None], 1)
        contour = (picked.unflatten(1, (17, 3))[..., 0, :] * weights[..., None]).sum(2)
        return torch.cat([contour, interpolate(head.vertices, self.corners, self.weights)], 1)

    def full(self, head: Head) -> Float[Tensor, "batch 68 3"]:
        """The 68 iBUG points fixed to the surface, the contour as on a frontal face."""
        return interpolate(head.vertices, self.full_corners, self.full_weights)

    def dense(self, head: Head) -> Float[Tensor, "batch dense 3"]:
        """The 468 points of the dense landmark network; none where the head model has none."""
        return interpolate(head.vertices, self.dense_corners, self.dense_weights)

    def yaw_degrees(self, head: Head) -> Float[Tensor, " batch"]:
        """Yaw of the head with its neck, positive when the face turns to the subject's left."""
        rotation = head.joint_transforms[:, self._neck, :3, :3]
        return torch.rad2deg(
            torch.atan2(-rotation[:, 2, 0], torch.hypot(rotation[:, 0, 0], rotation[:, 1, 0]))
        )


def contour_rows(yaw_degrees: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Rows of the contour table: 0..39 for 0..39 degrees, 40..78 for -1..-39, half to even, clipped."""
    yaw = yaw_degrees.detach().clamp(-_LARGEST_YAW, _LARGEST_YAW).round().long()
    return torch.where(yaw >= 0, yaw, _LARGEST_YAW - yaw)
