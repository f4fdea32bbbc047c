"""The released decoding, whole, and the dense mesh against the reference's numbers."""

from __future__ import annotations

from functools import cache

import igl
import numpy as np
import torch
from parity_head import (
    agrees,
    agrees_but_for,
    crop_record,
    encoded_parameters,
    parity_array,
    parity_head,
    parity_mask,
    parity_picture,
    released_albedo,
    stage,
)
from parity_weights import published_weights
from torch import Tensor

from deca.head.dense import DenseModel
from deca.head.released_detail import released_displacement, released_vertex_normals
from deca.head.texel_mesh import (
    TexelTemplate,
    published_texel_template,
    texel_colours,
    texel_mesh,
    texel_template,
)
from deca.head.uv import UVLayout
from deca.model.networks import DecaNetworks
from deca.model.published_names import own_state_dict
from deca.model.released import ReleasedDecoder, ReleasedDecoding, transferred
from deca.model.weights import build_networks
from deca.photo.released_crop import released_landmark_crop
from deca.render.released import UNTEXTURED, released_photo_frame, released_texture

# On the machine that the table of docs/parity.md was measured on, no pixel needs it.
UNSURE = 3


@cache
def _decoder() -> ReleasedDecoder:
    fixed = parity_array("fixed_displacement_256", "displacement")
    return ReleasedDecoder(parity_head(), released_albedo(), parity_mask("uv_face_eye_mask"), fixed)


@cache
def _networks() -> DecaNetworks:
    return build_networks(own_state_dict(published_weights()))


@cache
def _decoding(photo: int) -> ReleasedDecoding:
    parameters = encoded_parameters(_decoder().head_model, photo)
    with torch.no_grad():
        displacement = _networks().displacement(parameters)
        return _decoder().decode(parameters, displacement, stage("01_crop")[f"crop{photo}"][None])


def test_landmarks_agree() -> None:
    figures, decoding = stage("11_decode"), _decoding(0)
    agrees("landmarks2d", decoding.landmarks2d, figures["landmarks2d"], 1e-6)
    agrees("landmarks3d", decoding.landmarks3d, figures["landmarks3d"], 1e-6)
    agrees("landmarks3d_world", decoding.landmarks3d_head, figures["landmarks3d_world"], 1e-6)


def test_pictures_agree() -> None:
    figures, pictures = stage("11_decode"), _decoder().pictures(_decoding(0), 224)
    expected = figures["rendered_images_unlit"]
    agrees_but_for(UNSURE, "rendered_images_unlit", pictures.unlit, expected, 1e-4, 1e-5)
    expected = figures["shape_detail_images"]
    agrees_but_for(UNSURE, "shape_detail_images", pictures.shape_detail, expected, 2e-4, 3e-5)
    # The other pictures of the same pass.
    lit, shape = stage("07_render_lit"), stage("08_shape")
    agrees_but_for(UNSURE, "lit", pictures.lit, lit["images"][:1], 2e-4, 1e-5)
    agrees_but_for(UNSURE, "shape", pictures.shape, shape["shape_images"], 1e-4, 2e-5)
    agrees_but_for(UNSURE, "depth", pictures.depth, shape["depth_images"], 1e-4, 2e-5)
    agrees_but_for(UNSURE, "alpha", pictures.alpha, lit["alpha_images"][:1], 0)
    agrees_but_for(UNSURE, "shape alpha", pictures.shape_alpha, shape["alpha_images"], 0)


def test_textures_agree() -> None:
    figures, decoding, decoder = stage("11_decode"), _decoding(0), _decoder()
    agrees("uv_texture_gt", decoding.texture_uv, figures["uv_texture_gt"], 5e-5)
    # Without an albedo model.
    crop, grey = stage("01_crop")["crop0"][None], torch.full((1, 3, 256, 256), UNTEXTURED)
    vertices_image_uv = decoder.layout.to_uv(decoding.vertices_image)
    texture = released_texture(crop, vertices_image_uv, grey, decoder.face_eye_mask)
    agrees("uv_texture_gt_notex_mean", texture.mean((2, 3)), figures["uv_texture_gt_notex_mean"], 1e-6)


def test_detail_under_another_expression_agrees() -> None:
    figures, own = stage("11_decode"), _decoding(0).parameters
    driver = own.replace(
        pose=figures["transfer_pose"][:, :3],
        jaw=figures["transfer_pose"][:, 3:],
        expression=figures["transfer_exp"],
    )
    with torch.no_grad():
        decoded = _networks().displacement(transferred(own, driver))
    moved = released_displacement(decoded, _decoder().fixed_displacement)[..., ::2, ::2]
    agrees("transfer_displacement_map", moved, figures["transfer_displacement_map"], 1e-5)


def test_pictures_in_the_photo_agree() -> None:
    figures = stage("11_decode")
    photo = int(figures["orig_photo_index"])
    record = crop_record(f"crop{photo}")
    picture = parity_picture(f"photos/{record['photo']}").astype(np.float32) / 255
    image = torch.from_numpy(picture).permute(2, 0, 1)[None]
    # The reference counts from the first pixel's centre.
    crop = released_landmark_crop(np.array(record["box"]) + 0.5)
    pictures = _decoder().pictures_in_photo(_decoding(photo), crop, image)
    unlit, expected = pictures.unlit, figures["orig_rendered_images_unlit"]
    agrees_but_for(UNSURE, "orig_rendered_images_unlit", unlit, expected, 1e-4, 1e-5)
    shape, expected = pictures.shape_detail[..., ::2, ::2], figures["orig_shape_detail_images"]
    agrees_but_for(UNSURE, "orig_shape_detail_images", shape, expected, 1e-4, 3e-5)
    agrees_but_for(UNSURE, "orig_alpha_images", pictures.alpha, figures["orig_alpha_images"], 0)


def test_the_head_lies_in_the_photo_alike() -> None:
    figures, raster = stage("11_decode"), stage("06_raster_photo")
    record = crop_record("crop2")
    crop = released_landmark_crop(np.array(record["box"]) + 0.5)
    moved = released_photo_frame(raster["trans_verts_crop"][None], crop, *raster["photo_hw"].tolist())[0]
    agrees("trans_verts_photo", moved, raster["trans_verts_photo"], 1e-6)
    inverse = torch.linalg.inv(figures["orig_tform"].double()).mT[None].float()
    agrees("orig_tform_used", inverse, figures["orig_tform_used"], 1e-6)
    ours = _decoding(2).vertices_image[0]
    agrees("trans_verts_crop", ours, raster["trans_verts_crop"], 5e-6)


def _published_template() -> TexelTemplate:
    """The template of the set, with the names and types that a converted file has."""
    triangles = parity_array("dense_template_256", "valid_pixel_triangle")
    weights = parity_array("dense_template_256", "valid_pixel_b_coords")
    step = float(parity_array("dense_template_256", "b_step"))
    return published_texel_template(
        {
            "size": parity_array("dense_template_256", "img_size"),
            "triangles": parity_array("dense_template_256", "f").astype(np.int64),
            "texel": parity_array("dense_template_256", "valid_pixel_ids").astype(np.int64),
            "corners": parity_head().triangles[triangles],
            "barycentrics": (weights * step).astype(np.float32),
        }
    )


def _dense(template: TexelTemplate) -> Tensor:
    figures = stage("12_dense_mesh")
    vertices, displacement = figures["verts"][None], figures["displacement_map"][None, None]
    normals = released_vertex_normals(vertices, torch.from_numpy(parity_head().triangles))
    agrees("vertex_normals", normals[0], figures["vertex_normals"], 5e-7)
    return texel_mesh(template, vertices, normals, displacement)[0]


def test_the_dense_mesh_agrees() -> None:
    figures = stage("12_dense_mesh")
    agrees("dense_vertices", _dense(_published_template()), figures["dense_vertices"], 2e-7)
    texture = figures["texture_rgb_u8"].permute(2, 0, 1)[None].float()
    colours = texel_colours(_published_template(), texture)[0]
    assert torch.equal(colours.to(torch.uint8), figures["dense_colors"])


def test_the_template_is_rebuilt_from_the_layout() -> None:
    published, rebuilt = _published_template(), texel_template(UVLayout(parity_head(), 256))
    assert torch.equal(rebuilt.texel, published.texel)
    assert torch.equal(rebuilt.triangles, published.triangles)
    same = (rebuilt.corners == published.corners).all(1)
    # One texel's centre lies on the edge between two triangles.
    assert (~same).sum() <= 1
    # The set stores barycentrics in steps of 6.1e-5.
    torch.testing.assert_close(rebuilt.barycentrics[same], published.barycentrics[same], atol=6.2e-5, rtol=0)
    figures = stage("12_dense_mesh")
    agrees("dense_vertices, rebuilt", _dense(rebuilt), figures["dense_vertices"], 1e-4)


def test_the_default_dense_mesh_is_the_same_surface() -> None:
    """Both are the displaced head, one cut along the texels, the other subdivided and smooth."""
    figures = stage("12_dense_mesh")
    model = DenseModel(parity_head(), UVLayout(parity_head(), 256))
    dense = model(figures["verts"][None], figures["displacement_map"][None, None])
    squared, _, _ = igl.point_mesh_squared_distance(
        figures["dense_vertices"].double().numpy(),
        dense.vertices[0].double().numpy(),
        dense.triangles.numpy(),
    )
    usual, most = np.percentile(np.sqrt(squared), [50, 99])
    assert usual < 0.0003
    assert most < 0.002
