"""Tangents: the frame of the mesh and its texture in which engines read a normal map."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize


def texture_tangents(
    vertices: Float[Tensor, "batch vertex 3"],
    normals: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    texture_vertices: Float[Tensor, "texture_vertex 2"],
    texture_triangles: Int[Tensor, "triangle 3"],
) -> Float[Tensor, "batch texture_vertex 4"]:
    """Unit tangents along growing u at the texture vertices, and the handedness of the map there.

    The bitangent, along growing v, is handedness * cross(normal, tangent) (glTF 2.0, section 3.7.2.1). A
    tangent is the mean over the adjacent triangles, each weighted by its area in the map, made orthogonal
    to the normal.
    """
    # Vertex first: summing along the first axis is several times faster than along the second.
    points = vertices.transpose(0, 1).contiguous()
    first, second, third = (points.index_select(0, corner) for corner in triangles.unbind(1))
    edge1, edge2 = second - first, third - first
    texture_corners = texture_vertices[texture_triangles]
    u1, v1 = (texture_corners[:, 1] - texture_corners[:, 0]).unbind(-1)
    u2, v2 = (texture_corners[:, 2] - texture_corners[:, 0]).unbind(-1)
    sign = (u1 * v2 - u2 * v1).sign()
    # The direction is (edge1 v2 - edge2 v1) / det; leaving |det| in it is the weight by area.
    along_u = edge1 * (v2 * sign)[:, None, None] - edge2 * (v1 * sign)[:, None, None]
    tangents = vertices.new_zeros(len(texture_vertices), len(vertices), 3)
    handedness = vertices.new_zeros(len(texture_vertices))
    vertex_of_texture = torch.zeros(len(texture_vertices), dtype=torch.long, device=vertices.device)
    for corner in range(3):
        index = texture_triangles[:, corner]
        tangents = tangents.index_add(0, index, along_u)
        handedness = handedness.index_add(0, index, sign)
        vertex_of_texture[index] = triangles[:, corner]
    texture_normals = normals.index_select(1, vertex_of_texture)
    tangents = tangents.transpose(0, 1)
    tangents = tangents - (tangents * texture_normals).sum(-1, keepdim=True) * texture_normals
    # Where the map is degenerate any direction in the surface will do, but it must be a direction.
    lost = tangents.norm(dim=-1, keepdim=True) < 1e-12
    tangents = normalize(torch.where(lost, _any_perpendicular(texture_normals), tangents), dim=-1, eps=1e-20)
    handedness = torch.where(handedness < 0, -1.0, 1.0).to(tangents)
    return torch.cat([tangents, handedness.expand(len(tangents), -1)[..., None]], -1)


def _any_perpendicular(normals: Float[Tensor, "batch point 3"]) -> Float[Tensor, "batch point 3"]:
    """A direction perpendicular to each normal: away from the axis it is least along."""
    axis = torch.nn.functional.one_hot(normals.abs().argmin(-1), 3).to(normals)
    return axis - (axis * normals).sum(-1, keepdim=True) * normals
