"""Rotations, barycentric interpolation and vertex normals: pure functions of tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def axis_angle_to_matrix(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of axis-angle vectors in radians (Rodrigues), with exact derivatives at zero."""
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = squared < 1e-8
    # The branch that is not taken must still be finite, or its gradient is NaN.
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    versine = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / safe)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine * cross + versine * (cross @ cross)


def matrix_to_axis_angle(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis-angle vectors in radians, of length at most pi, of rotation matrices.

    Goes through the quaternion with the largest component as pivot, so half turns are exact too.
    """
    m = matrix.flatten(-2)
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    trace = m00 + m11 + m22
    candidates = torch.stack(
        [
            torch.stack([1 + trace, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20], -1),
            torch.stack([m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21], -1),
            torch.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )
    pivot = torch.stack([trace, m00, m11, m22], -1).argmax(-1)
    quaternion = torch.take_along_dim(candidates, pivot[..., None, None].expand(*pivot.shape, 1, 4), -2)[
        ..., 0, :
    ]
    quaternion = torch.nn.functional.normalize(quaternion, dim=-1)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    vector = quaternion[..., 1:]
    length = vector.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(length, quaternion[..., :1])
    factor = torch.where(length < 1e-7, torch.full_like(length, 2.0), angle / length.clamp_min(1e-12))
    return vector * factor


def euler_to_axis_angle(euler: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis-angle vectors, no longer than pi, of R = R_x R_y R_z by the angles (x, y, z) in radians."""
    about_x, about_y, about_z = axis_angle_to_matrix(torch.diag_embed(euler)).unbind(-3)
    return matrix_to_axis_angle(about_x @ about_y @ about_z)


def interpolate(
    values: Float[Tensor, "batch vertex channel"],
    triangles: Int[Tensor, "point 3"],
    barycentrics: Float[Tensor, "point 3"],
) -> Float[Tensor, "batch point channel"]:
    """Vertex values at points given by the corners of their triangle and barycentric weights."""
    return (values[:, triangles] * barycentrics[..., None]).sum(-2)


def vertex_normals(
    vertices: Float[Tensor, "batch vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "batch vertex 3"]:
    """Unit normals at the vertices: the sum of the adjacent triangles' cross products, normalised.

    Triangles wind counter-clockwise seen from outside. A vertex without area gets a zero normal.
    """
    return torch.nn.functional.normalize(area_normals(vertices, triangles), dim=-1, eps=1e-12)


def area_normals(
    vertices: Float[Tensor, "batch vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "batch vertex 3"]:
    """The sum of the adjacent triangles' cross products at each vertex, as long as twice their joint area."""
    # Vertex first and index_select for each corner: several times faster than indexing with three columns.
    points = vertices.transpose(0, 1).contiguous()
    first, second, third = (points.index_select(0, corner) for corner in triangles.unbind(1))
    cross = torch.linalg.cross(second - first, third - first)
    normals = torch.zeros_like(points)
    for corner in triangles.unbind(1):
        normals = normals.index_add_(0, corner, cross)
    return normals.transpose(0, 1)
