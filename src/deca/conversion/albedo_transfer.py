"""The default head's albedo, laid out in another head's UV map."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from deca.conversion.registration import Registration, full_landmarks, outer_skin
from deca.conversion.surface_points import ClosestPoints, vertex_normals
from deca.conversion.target import TargetSurface
from deca.head.data import HeadData
from deca.head.uv import sample_map
from deca.raster.fragments import fragments

# Sides of the maps of mean and components, texels.
MEAN_SIZE, BASIS_SIZE = 512, 256
# iBUG: the outer and inner corner of each eye.
_LEFT_CORNERS, _RIGHT_CORNERS = (45, 42), (36, 39)


def carried_albedo(
    target: TargetSurface, registration: Registration, default: HeadData
) -> tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "albedo basis_height basis_width 3"]]:
    """Mean and components in the target's map, row 0 at v = 1; skin and eyeballs, all else from its nearest.

    Eyes are carried over by direction, their irises in proportion to the opening of the lids.
    """
    mean = _carried(target, registration, default, default.albedo_mean[None], MEAN_SIZE)[0]
    return mean, _carried(target, registration, default, default.albedo_basis, BASIS_SIZE)


def texels_of(
    target: TargetSurface, size: int
) -> tuple[Int[np.ndarray, " texel"], Int[np.ndarray, " texel"], Float[np.ndarray, "texel 3"]]:
    """The covered texels of a square map, row by row, with the triangle and barycentrics under each."""
    uv = torch.from_numpy(target.texture_vertices).float()
    flat = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.zeros(len(uv))], -1)
    covered = fragments(flat[None], torch.from_numpy(target.texture_triangles), size, size)
    return covered.pixel.numpy(), covered.triangle.numpy(), covered.barycentrics.numpy()


def _carried(
    target: TargetSurface,
    registration: Registration,
    default: HeadData,
    maps: Float[np.ndarray, "map height width 3"],
    size: int,
) -> Float[np.ndarray, "map {size} {size} 3"]:
    texel, triangle, barycentrics = texels_of(target, size)
    points = (target.vertices[target.triangles[triangle]] * barycentrics[..., None]).sum(1)
    uv = np.zeros((len(texel), 2))
    known = target.skin[triangle]
    normals = vertex_normals(target.vertices, target.triangles[target.skin])
    toward = (normals[target.triangles[triangle[known]]] * barycentrics[known][..., None]).sum(1)
    surface = ClosestPoints(registration.vertices, default.triangles, outer_skin(default))
    uv[known] = _texture_places(default, surface, points[known], toward)
    for ball, joint, centre, corners in (
        (target.left_eyeball, "left_eye", target.eye_centres[0], _LEFT_CORNERS),
        (target.right_eyeball, "right_eye", target.eye_centres[1], _RIGHT_CORNERS),
    ):
        on_ball = ball[triangle]
        if on_ball.any() and joint in default.joint_names:
            uv[on_ball] = _eye_places(default, registration, joint, corners, points[on_ball] - centre)
            known |= on_ball
    colours = np.zeros((len(maps), size * size, 3), np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(maps.transpose(0, 3, 1, 2), np.float32))
    places = torch.from_numpy(uv[known]).float()[None]
    for index, single in enumerate(tensor):
        colours[index, texel[known]] = sample_map(single[None], places)[0].numpy()
    inside = np.zeros(size * size, bool)
    inside[texel[known]] = True
    return _filled(colours.reshape(-1, size, size, 3), inside.reshape(size, size))


def _texture_places(
    default: HeadData,
    surface: ClosestPoints,
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"] | None,
) -> Float[np.ndarray, "point 2"]:
    """(u, v) of the default head's map at the points of its surface closest to given ones."""
    found = surface.find(points, normals)
    corners = default.texture_vertices[default.texture_triangles[found.triangle]]
    return (corners * found.barycentrics[..., None]).sum(1)


def _eye_places(
    default: HeadData,
    registration: Registration,
    joint: str,
    eye_corners: tuple[int, int],
    offsets: Float[np.ndarray, "point 3"],
) -> Float[np.ndarray, "point 2"]:
    """(u, v) on the default head's eyeball for points about a target's centre, both looking along +z."""
    template = default.template_vertices.astype(np.float64)
    carried = default.skinning_weights[:, default.joint_names.index(joint)] > 0.99
    ball = np.all(carried[default.triangles], axis=1)
    vertices = template[carried]
    centre = (vertices.min(0) + vertices.max(0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).mean()
    own, other = (
        np.linalg.norm(np.subtract(*full_landmarks(default, points)[list(eye_corners)]))
        for points in (template, registration.vertices)
    )
    # Across in proportion to the lids' opening; whole turns to the back stay whole turns.
    length = np.linalg.norm(offsets, axis=1, keepdims=True)
    across = np.linalg.norm(offsets[:, :2], axis=1, keepdims=True)
    bent = np.arcsin(np.minimum(across * own / other / radius, 1))
    angle = np.where(offsets[:, 2:] > 0, bent, np.pi - np.arcsin(np.minimum(across / length, 1)))
    direction = offsets[:, :2] / np.maximum(across, 1e-12)
    places = centre + radius * np.concatenate([direction * np.sin(angle), np.cos(angle)], 1)
    return _texture_places(
        default, ClosestPoints(template, default.triangles, np.asarray(ball)), places, None
    )


def _filled(
    maps: Float[np.ndarray, "map size size 3"], inside: Bool[np.ndarray, "size size"]
) -> Float[np.ndarray, "map size size 3"]:
    """Maps whose texels outside have the values of their nearest inside."""
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    return maps[:, rows, columns]
