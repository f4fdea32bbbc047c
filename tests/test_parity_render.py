"""Rasterising, interpolation, light and UV against the reference's numbers."""

from __future__ import annotations

import torch
from parity_head import most_within, parity_head, stage
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.detail import DetailModel, displaced_positions
from deca.head.uv import UVLayout
from deca.raster.fragments import fragments
from deca.raster.rasterise import rasterise
from deca.render.renderer import render_lit
from deca.render.surface import SurfaceModel


def test_the_same_triangle_covers_every_stable_pixel() -> None:
    figures = stage("06_raster_standard")
    triangles = torch.from_numpy(parity_head().triangles)
    ids = rasterise(figures["trans_verts"], triangles, 224, 224)
    stable = figures["stable"].bool()
    assert stable.float().mean() > 0.9
    # One of 150,000: its centre lies nearer to an edge than the corners are rounded, 2^-14 of a pixel.
    assert (ids != figures["pix_to_face"].long())[stable].sum() <= 1


def test_the_same_triangle_in_the_frame_of_a_photo() -> None:
    figures = stage("06_raster_photo")
    triangles = torch.from_numpy(parity_head().triangles)
    height, width = figures["photo_hw"].long().tolist()
    ids = rasterise(figures["trans_verts_photo"][None], triangles, height, width)[0]
    stable = figures["stable"].bool()
    assert torch.equal(ids[stable], figures["pix_to_face_standard"].long()[stable])


def test_barycentrics_agree() -> None:
    figures = stage("06_raster_standard")
    triangles = torch.from_numpy(parity_head().triangles)
    covered = fragments(figures["trans_verts"][:2], triangles, 224, 224)
    image = covered.image(covered.barycentrics).permute(0, 2, 3, 1)
    use = figures["stable"][:2].bool() & (covered.triangle_ids == figures["pix_to_face"][:2].long())
    use &= covered.triangle_ids >= 0
    most_within(image[use], figures["bary"][use], 1e-4, 1e-2)


def test_the_lit_image_agrees() -> None:
    lit, raster = stage("07_render_lit"), stage("06_raster_standard")
    surface = SurfaceModel(parity_head())(lit["verts"][:1], lit["trans_verts"][:1], 224, 224)
    normals = vertex_normals(lit["verts"], torch.from_numpy(parity_head().triangles))
    # The reference leaves the normals of specks of skin below a square millimetre short.
    whole = lit["vertex_normals_world"].norm(dim=-1) > 0.999
    assert whole.float().mean() > 0.999
    torch.testing.assert_close(normals[whole], lit["vertex_normals_world"][whole], atol=1e-4, rtol=0)
    use = raster["stable"][:1].bool() & (raster["pix_to_face"][:1] >= 0)
    use &= surface.fragments.triangle_ids == raster["pix_to_face"][:1].long()
    grid = surface.fragments.image(surface.uv).permute(0, 2, 3, 1)[use]
    most_within(torch.stack([2 * grid[:, 0] - 1, 1 - 2 * grid[:, 1]], -1), lit["grid"][:1][use], 1e-4, 2e-3)
    normals = surface.fragments.image(surface.normals).permute(0, 2, 3, 1)
    most_within(normals[use], lit["normal_images"].permute(0, 2, 3, 1)[use], 1e-4, 2e-3)
    # A map of ones leaves the shading alone.
    ones = torch.ones(1, 3, 4, 4)
    shading = render_lit(surface, ones, lit["light"][:1]).image.permute(0, 2, 3, 1)
    most_within(shading[use], lit["shading_images"].permute(0, 2, 3, 1)[use], 1e-4, 2e-3)


def test_world_to_uv_agrees() -> None:
    figures = stage("09_uv")
    layout = UVLayout(parity_head(), 256)
    stable = figures["stable"].bool()
    assert torch.equal(layout.triangle_ids[stable], figures["pix_to_face"].long()[stable])
    use = stable & layout.mask
    for values, expected in (("verts", "uv_verts"), ("vertex_normals", "uv_normals")):
        found = layout.to_uv(figures[values])
        scale = figures[values].abs().max()
        most_within(found[..., use] / scale, figures[expected][..., use] / scale, 1e-5, 1e-3)


def test_the_displaced_surface_agrees() -> None:
    figures, uv, head = stage("10_detail"), stage("09_uv"), parity_head()
    layout = UVLayout(head, 256)
    surface = displaced_positions(layout, uv["verts"], uv["vertex_normals"], figures["displacement_map"])
    normals = _grid_normals(surface)
    _share_within(normals, figures["uv_detail_normals"][0], _skin(uv, layout), 0.01, 0.9)


def test_detail_normals_lean_as_the_displaced_surface_does() -> None:
    """Ours are of a smooth surface, the reference's of a faceted grid: the same tilt but for the facets."""
    figures, uv, head = stage("10_detail"), stage("09_uv"), parity_head()
    layout = UVLayout(head, 256)
    vertices, displacement = uv["verts"], figures["displacement_map"]
    smooth = torch.nn.functional.normalize(uv["uv_normals"], dim=1)[0]
    flat = displaced_positions(layout, vertices, uv["vertex_normals"], torch.zeros_like(displacement))
    tilt = DetailModel(head, layout)(vertices, displacement)[0] - smooth
    expected = figures["uv_detail_normals"][0] - _grid_normals(flat)
    skin = _skin(uv, layout)
    size = expected[:, skin].norm(dim=0).median()
    assert size > 0.1
    assert (tilt - expected)[:, skin].norm(dim=0).median() < 0.25 * size


def _share_within(actual: Tensor, expected: Tensor, use: Tensor, tolerance: float, share: float) -> None:
    off = (actual - expected)[:, use].abs().amax(0)
    assert (off <= tolerance).float().mean() >= share


def _skin(uv: dict[str, Tensor], layout: UVLayout) -> Tensor:
    """Texels well inside the face mask, above the eyeballs' islands."""
    mask = (uv["uv_face_eye_mask"][0, 0] == 1) & layout.mask
    mask[200:] = False
    return torch.nn.functional.avg_pool2d(mask[None, None].float(), 5, 1, 2)[0, 0] == 1


def _grid_normals(surface: Tensor) -> Tensor:
    """Vertex normals of the texel grid, each square cut as the reference cuts it."""
    index = torch.arange(256 * 256).view(256, 256)
    here, right, down, across = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    cut = [torch.stack([here, down, right], -1), torch.stack([right, down, across], -1)]
    triangles = torch.cat([part.flatten(0, 1) for part in cut])
    # In millimetres, so that the smallest cross products are not mistaken for nothing.
    normals = vertex_normals(1000 * surface.flatten(2).mT.contiguous(), triangles)
    return normals[0].mT.view(3, 256, 256)
