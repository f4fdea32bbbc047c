"""Which triangle covers a pixel, and where on it, against both rasterisers of the reference."""

from __future__ import annotations

import pytest
import torch
from parity_head import agrees, parity_head, stage
from torch import Tensor

from deca.head.uv import UVLayout
from deca.raster.fragments import Fragments, fragments

# The reference moves heads back by this much before it draws them.
MOVED_BACK = 10.0


def _draw(vertices_image: Tensor, height: int, width: int) -> Fragments:
    return fragments(vertices_image, torch.from_numpy(parity_head().triangles), height, width)


def _same_triangles(ids: Tensor, expected: Tensor, stable: Tensor, unequal: int, unequal_stable: int) -> None:
    """At most so many pixels differ, of all that are covered; the covered pixels themselves are the same."""
    expected = expected.long()
    assert torch.equal(ids >= 0, expected >= 0)
    different = ids != expected
    assert different.sum() <= unequal <= 0.001 * (expected >= 0).sum()
    assert (different & stable.bool()).sum() <= unequal_stable


# The two pixels of the standard rasteriser: one centre lies 1.4e-7 of a pixel from an edge, which float32
# does not tell; the other 9e-6, and our corners are rounded to 2^-14 of a pixel. PyTorch3D adds 1e-8 to every
# area, so the barycentrics of a triangle of less than about a pixel sum to less than one, its depth (z + 10)
# comes out too small, and it is drawn over nearer ones: all its other pixels.
@pytest.mark.parametrize(("photo", "unequal", "unequal_stable"), [(0, 2, 1), (1, 0, 0), (2, 0, 0)])
def test_triangles_of_the_standard_rasteriser(photo: int, unequal: int, unequal_stable: int) -> None:
    figures = stage("06_raster_standard")
    ids = _draw(figures["trans_verts"][photo : photo + 1], 224, 224).triangle_ids[0]
    expected, stable = figures["pix_to_face"][photo], figures["stable"][photo]
    _same_triangles(ids, expected, stable, unequal, unequal_stable)


@pytest.mark.parametrize(("photo", "unequal", "unequal_stable"), [(0, 7, 1), (1, 2, 0), (2, 3, 0)])
def test_triangles_of_pytorch3d(photo: int, unequal: int, unequal_stable: int) -> None:
    standard, figures = stage("06_raster_standard"), stage("06_raster_pytorch3d")
    ids = _draw(standard["trans_verts"][photo : photo + 1], 224, 224).triangle_ids[0]
    expected, stable = figures["pix_to_face"][photo], standard["stable"][photo]
    _same_triangles(ids, expected, stable, unequal, unequal_stable)


@pytest.mark.parametrize(("kind", "unequal"), [("standard", 0), ("pytorch3d", 8)])
def test_triangles_in_the_photo(kind: str, unequal: int) -> None:
    figures = stage("06_raster_photo")
    height, width = figures["photo_hw"].tolist()
    ids = _draw(figures["trans_verts_photo"][None], height, width).triangle_ids[0]
    _same_triangles(ids, figures[f"pix_to_face_{kind}"], figures["stable"], unequal, 0)


def test_triangles_under_the_texels() -> None:
    figures = stage("09_uv")
    ids = UVLayout(parity_head(), 256).triangle_ids
    _same_triangles(ids, figures["pix_to_face"], figures["stable"], 1, 0)
    # PyTorch3D leaves three texels bare whose centres lie on the outline of an island.
    expected = figures["pix_to_face_pytorch3d"].long()
    assert (ids != expected).sum() <= 3
    assert torch.equal(ids[expected >= 0], expected[expected >= 0])


def test_barycentrics_and_depths_of_the_standard_rasteriser() -> None:
    figures = stage("06_raster_standard")
    vertices = figures["trans_verts"][:2]
    covered = _draw(vertices, 224, 224)
    same = _same_pixels(covered, figures["pix_to_face"][:2])
    found = covered.image(covered.barycentrics).permute(0, 2, 3, 1)
    agrees("06 bary", found[same], figures["bary"][same], 4e-3, 1e-4)
    # Inverse depths are interpolated there as if the camera were not weak perspective.
    nearness = covered.image(covered.interpolate(1 / (vertices[..., 2:] + MOVED_BACK)))[:, 0]
    agrees("06 depth", 112 / nearness[same], figures["depth"][same], 2e-5)


def test_barycentrics_and_depths_of_pytorch3d() -> None:
    figures, vertices = stage("06_raster_pytorch3d"), stage("06_raster_standard")["trans_verts"][:1]
    covered = _draw(vertices, 224, 224)
    same = _same_pixels(covered, figures["pix_to_face"][:1])
    found = covered.image(covered.barycentrics).permute(0, 2, 3, 1)[same]
    expected = figures["bary"][same]
    # What they sum to there is less than one for small triangles, as said above; so is the depth they give.
    total = expected.sum(-1)
    agrees("06 pytorch3d bary", found * total[:, None], expected, 4e-4, 1e-4)
    depth = covered.image(covered.interpolate(vertices[..., 2:]))[:, 0][same] + MOVED_BACK
    agrees("06 pytorch3d depth", depth * total, figures["depth"][same], 5e-6)


def test_barycentrics_and_depths_in_the_photo() -> None:
    figures = stage("06_raster_photo")
    height, width = figures["photo_hw"].tolist()
    vertices = figures["trans_verts_photo"][None]
    covered = _draw(vertices, height, width)
    same = _same_pixels(covered, figures["pix_to_face_standard"][None])[0]
    found = covered.image(covered.barycentrics)[0].permute(1, 2, 0)
    agrees("06 bary_standard", found[same], figures["bary_standard"][same], 1e-3, 1e-4)
    nearness = covered.image(covered.interpolate(1 / (vertices[..., 2:] + MOVED_BACK)))[0, 0]
    agrees("06 depth_standard", width / 2 / nearness[same], figures["depth_standard"][same], 2e-5)


def test_barycentrics_of_the_texels() -> None:
    figures = stage("09_uv")
    layout = UVLayout(parity_head(), 256)
    found = layout.image(layout.barycentrics[None])[0].permute(1, 2, 0)
    same = layout.mask & (layout.triangle_ids == figures["pix_to_face"].long())
    agrees("09 bary", found[same], figures["bary"][same], 5e-5, 1e-5)
    same = (layout.mask & (layout.triangle_ids == figures["pix_to_face_pytorch3d"].long()))[::2, ::2]
    expected = figures["bary_pytorch3d"][same]
    total = expected.sum(-1, keepdim=True)
    agrees("09 bary_pytorch3d", found[::2, ::2][same] * total, expected, 5e-7)


def _same_pixels(covered: Fragments, expected: Tensor) -> Tensor:
    ids = covered.triangle_ids
    return (ids >= 0) & (ids == expected.long())
