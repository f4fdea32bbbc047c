"""World-to-UV, the released detail and its light, and landmark visibility against the reference's numbers."""

from __future__ import annotations

import numpy as np
import torch
from parity_head import agrees, parity_array, parity_head, parity_mask, released_albedo, stage
from torch import Tensor

from deca.geometry import interpolate
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.released_detail import (
    released_detail_normals,
    released_displacement,
    released_vertex_normals,
)
from deca.head.uv import UVLayout
from deca.render.lighting import shade
from deca.render.released import LANDMARK_LIMIT, image_normals, released_visible


def _triangles() -> Tensor:
    return torch.from_numpy(parity_head().triangles)


def _fixed() -> Tensor:
    return torch.from_numpy(parity_array("fixed_displacement_256", "displacement"))


def _mask() -> Tensor:
    return torch.from_numpy(parity_mask("uv_face_eye_mask"))


def _detail_normals(photo: int) -> Tensor:
    vertices = stage("07_render_lit")["verts"][photo : photo + 1]
    layout = UVLayout(parity_head(), 256)
    maps = [layout.to_uv(values) for values in (vertices, released_vertex_normals(vertices, _triangles()))]
    decoded = stage("10_detail")["uv_z"][photo : photo + 1]
    return released_detail_normals(maps[0], maps[1], decoded, _mask(), _fixed())


def test_world_to_uv_agrees() -> None:
    figures, layout = stage("09_uv"), UVLayout(parity_head(), 256)
    normals = released_vertex_normals(figures["verts"], _triangles())
    agrees("vertex_normals", normals, figures["vertex_normals"], 5e-7)
    agrees("uv_verts", layout.to_uv(figures["verts"]), figures["uv_verts"], 2e-5, 5e-6)
    agrees("uv_normals", layout.to_uv(normals), figures["uv_normals"], 1e-5, 2e-6)
    # Of the third photo, every second texel.
    image = layout.to_uv(stage("07_render_lit")["trans_verts"][2:])[:, :2, ::2, ::2]
    agrees("uv_trans_verts_xy", image, figures["uv_trans_verts_xy"], 5e-6)


def test_the_masks_are_those_of_the_set() -> None:
    for name in ("uv_face_mask", "uv_face_eye_mask"):
        assert np.array_equal(parity_mask(name), stage("09_uv")[name][0, 0].numpy())


def test_the_released_displacement_agrees() -> None:
    figures = stage("10_detail")
    moved = released_displacement(figures["uv_z"][:1], _fixed())
    agrees("displacement_map", moved, figures["displacement_map"], 5e-7)


def test_the_released_detail_normals_agree() -> None:
    for photo in range(2):
        expected = stage("10_detail")["uv_detail_normals"][photo : photo + 1]
        agrees(f"uv_detail_normals {photo}", _detail_normals(photo), expected, 1e-4, 2e-5)


def test_light_on_the_detail_agrees() -> None:
    figures, lit = stage("10_detail"), stage("07_render_lit")
    shading = shade(_detail_normals(0)[0].flatten(1).mT, figures["light"][0]).mT.view(1, 3, 256, 256)
    agrees("uv_shading", shading, figures["uv_shading"], 2e-5)
    texture = released_albedo()(lit["tex"][:1]) * shading
    agrees("uv_texture", texture, figures["uv_texture"], 2e-5)


def test_the_same_landmarks_are_called_visible() -> None:
    figures, landmarks = stage("10_detail"), HeadLandmarks(parity_head())
    normals = image_normals(stage("07_render_lit")["trans_verts"], _triangles())
    at_landmarks = interpolate(normals, landmarks.full_corners, landmarks.full_weights)
    agrees("landmark_normal_z", at_landmarks[..., 2], figures["landmark_normal_z"], 5e-7)
    visible = released_visible(at_landmarks, LANDMARK_LIMIT)
    assert torch.equal(visible[..., None].float(), figures["visibility68"])


def test_the_default_detail_leans_as_the_released_one_does() -> None:
    """The paper's M + D N on a smooth surface against a faceted grid of texels: the same tilt but for the
    facets, well inside the mask."""
    head, uv = parity_head(), stage("09_uv")
    layout, decoded = UVLayout(head, 256), stage("10_detail")["uv_z"][:1]
    vertices_uv, normals_uv = uv["uv_verts"], uv["uv_normals"]
    nothing, everywhere = torch.zeros(256, 256), torch.ones(256, 256)
    detailed = released_detail_normals(vertices_uv, normals_uv, decoded, everywhere, nothing)
    flat = released_detail_normals(vertices_uv, normals_uv, decoded * 0, everywhere, nothing)
    model = DetailModel(head, layout)
    tilt = (model(uv["verts"], decoded) - model(uv["verts"], decoded * 0))[0]
    expected = (detailed - flat)[0]
    skin = _inside(uv["uv_face_eye_mask"], layout)
    size = expected[:, skin].norm(dim=0).median()
    off = (tilt - expected)[:, skin].norm(dim=0).median()
    assert size > 0.05
    print("RATIO", off / size)
    assert off < 0.1 * size, f"{off / size:.3f} of the tilt"


def _inside(mask: Tensor, layout: UVLayout) -> Tensor:
    """Texels well inside the mask, above the eyeballs' islands."""
    whole = (mask[0, 0] == 1) & layout.mask
    whole[200:] = False
    return torch.nn.functional.avg_pool2d(whole[None, None].float(), 5, 1, 2)[0, 0] == 1
