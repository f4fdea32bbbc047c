"""The detail losses beside the photometric one: one value a face, lengths in metres.

Sums over texels stand as the paper writes them where its weights fit a sum: those of the displacement.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.parameters import Parameters

# The part of the UV map that the released code compares with the photo, of 256 texels a side.
_PATCH = slice(50, 206)
_PATCH_MAP = 256
# How near to something hidden a visible texel counts as hidden, in the released code: a square's side.
_EROSION = 5


def soft_symmetry_loss(
    displacement: Float[Tensor, "face 1 size size"], weights: Float[Tensor, "#face 1 size size"]
) -> Float[Tensor, " face"]:
    """Sum over texels of |V_uv (D - flip D)|, so that what is hidden takes the other side's detail (DECA,
    section 4.2).

    `weights` V_uv are 1 on the face's skin where the mirrored column of the map holds the mirror image of the
    place, and 0 elsewhere.
    """
    return (weights * (displacement - displacement.flip(3))).abs().sum((1, 2, 3))


def released_symmetry_loss(
    displacement: Float[Tensor, "face 1 size size"], visible: Float[Tensor, "#face 1 size size"]
) -> Float[Tensor, " face"]:
    """Sum over texels that are hidden, or near hidden ones, of |D - flip D|; only the hidden side learns from
    the other.

    `visible` is 0 where a texel is hidden in the photo or lies off the face.
    """
    hidden = 1 - released_eroded(visible)
    return (hidden * (displacement - displacement.flip(3).detach())).abs().sum((1, 2, 3))


def released_eroded(visible: Float[Tensor, "face 1 size size"]) -> Float[Tensor, "face 1 size size"]:
    """1 where all of the 5 x 5 texels around show something, else 0; beyond the map nothing does."""
    shown = torch.nn.functional.pad((visible != 0).to(visible.dtype), [_EROSION // 2] * 4)
    return -torch.nn.functional.max_pool2d(-shown, _EROSION, 1)


def displacement_size(displacement: Float[Tensor, "face 1 size size"]) -> Float[Tensor, " face"]:
    """The regulariser |D|_1: the sum over texels, metres (DECA, section 4.2)."""
    return displacement.abs().sum((1, 2, 3))


def released_displacement_size(displacement: Float[Tensor, "face 1 size size"]) -> Float[Tensor, " face"]:
    """The mean over texels of |D|, metres: at the published weight next to nothing."""
    return displacement.abs().mean((1, 2, 3))


def released_shading_roughness(shading: Float[Tensor, "face 3 height width"]) -> Float[Tensor, " face"]:
    """Mean square difference of neighbouring texels along rows plus that along columns, in the light on the
    detail; not in the paper.

    Neighbours along rows are not counted in the first and last row, nor along columns in the outer columns.
    """
    along = (shading[..., 1:-1, 1:] - shading[..., 1:-1, :-1]).square().mean((1, 2, 3))
    across = (shading[..., 1:, 1:-1] - shading[..., :-1, 1:-1]).square().mean((1, 2, 3))
    return along + across


def released_patch(image_uv: Float[Tensor, "face channel 256 256"]) -> Float[Tensor, "face channel 256 256"]:
    """The middle of a UV map, which the released code compares with the photo's texture, enlarged to the
    map's size.

    The paper compares images (`deca.render.renderer.render_detailed`).
    """
    middle = image_uv[..., _PATCH, _PATCH]
    return torch.nn.functional.interpolate(
        middle, [_PATCH_MAP, _PATCH_MAP], mode="bilinear", align_corners=False
    )


def with_details_of(parameters: Parameters, rows: Int[Tensor, " face"]) -> Parameters:
    """Detail consistency: the faces with the detail codes that other photos of the same people gave.

    The detail consistency loss is the whole detail loss of these, under their own expression and jaw, against
    the photos as they are: L_detail(I_i, F_d(delta_j, psi_i, jaw_i)) (DECA, section 4.3), a value a face.
    `deca.training.losses.other_photos` gives the rows.
    """
    return parameters.replace(detail=parameters.detail[rows])
