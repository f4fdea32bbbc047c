"""The released code's training steps put together from our losses, renderer and head.

Each term is one value a row of the doubled batch: first the photos with their own codes, then with those that
were exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from parity_head import parity_array, parity_head, parity_mask, released_albedo, stage
from parity_raster import pytorch3d_fragments, pytorch3d_triangles
from parity_weights import network_weights
from torch import Tensor
from torch.nn.functional import grid_sample

from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.released_detail import released_detail_normals, released_vertex_normals
from deca.head.uv import UVLayout
from deca.model.networks import NetworkSizes, read_outputs
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.released import TEXEL_LIMIT, image_normals, released_visible
from deca.render.renderer import shading
from deca.render.surface import Surface, SurfaceModel
from deca.training.detail_losses import (
    released_displacement_size,
    released_patch,
    released_shading_roughness,
    released_symmetry_loss,
    with_details_of,
)
from deca.training.identity import identity_loss, released_vggface2_input, vggface2
from deca.training.losses import (
    photometric_loss,
    released_code_size,
    released_eye_closure_loss,
    released_landmark_loss,
    released_light_greyness,
    released_lip_distance_loss,
    with_shapes_of,
)
from deca.training.mrf import mrf_loss, released_contextual_mrf
from deca.training.perceptual import LAYER_WEIGHTS, RELEASED_LAYERS, vgg19_features

PHOTOS = 4
MOVED_BACK = torch.tensor([0.0, 0.0, 10.0])


@dataclass(frozen=True)
class Photos:
    """The batch of a step, not doubled; `order` is the row whose codes stand in for a photo's own."""

    image: Tensor
    mask: Tensor
    landmarks: Tensor
    order: Tensor


@dataclass(frozen=True)
class CoarseStep:
    """Terms of a coarse step, and what was drawn."""

    terms: dict[str, Tensor]
    landmarks: Tensor
    predicted: Tensor
    overlay: Tensor


@dataclass(frozen=True)
class DetailStep:
    """Terms of a detail step but ID-MRF, and what was drawn; the patches are masked."""

    terms: dict[str, Tensor]
    displacement: Tensor
    patch: Tensor
    target: Tensor
    mask: Tensor
    predicted: Tensor


@cache
def photos(name: str) -> Photos:
    """Crops, some of them mirrored, as a file of whole bytes gives them back."""
    figures, crops = stage(name), stage("01_crop")
    image = torch.stack([crops[f"crop{index}"] for index in figures["batch_crop_index"].tolist()])
    mirrored = figures["batch_flipped"].bool()[:, None, None, None]
    image = (torch.where(mirrored, image.flip(3), image) * 255).round() / 255
    mask = figures["batch_mask"][:, None].float()
    return Photos(image, mask, figures["batch_landmark"], figures["new_order"].long())


def coarse_step(name: str, outputs: Tensor, lit: bool) -> CoarseStep:
    """The coarse losses of what the coarse encoder gave; the renderer gets the light where `lit`."""
    batch, head_model = photos(name), _head_model()
    own = read_outputs(outputs, outputs.new_zeros(PHOTOS, 0), NetworkSizes())
    both = _joined(own, with_shapes_of(own, batch.order))
    image, mask, target = (torch.cat([x, x]) for x in (batch.image, batch.mask, batch.landmarks))
    head = head_model(both)
    landmarks = project(HeadLandmarks(parity_head())(head), both.camera)[..., :2]
    surface = _surface(head.vertices, project(head.vertices, both.camera))
    albedo = released_albedo()(both.albedo)
    with torch.no_grad():
        face = _drawn(surface, _face_mask().expand(len(albedo), 1, -1, -1))
    colours = surface.sample(albedo)
    if lit:
        colours = colours * shading(surface, surface.normals, both.lighting)
    predicted = surface.fragments.image(colours) * face
    overlay = _overlay(surface, albedo.detach(), both.lighting.detach(), image)
    recognition = _recognition()
    with torch.no_grad():
        recognised = recognition(batch.image, landmarks[:PHOTOS])
    terms = {
        "landmark": released_landmark_loss(landmarks, target),
        "eye_distance": released_eye_closure_loss(landmarks, target),
        "lip_distance": released_lip_distance_loss(landmarks, target),
        "photometric_texture": photometric_loss(image, predicted, mask),
        "identity": identity_loss(recognition(overlay, landmarks), recognised.repeat(2, 1)),
        "shape_reg": released_code_size(both.shape),
        "expression_reg": released_code_size(both.expression),
        "tex_reg": released_code_size(both.albedo),
        "light_reg": released_light_greyness(both.lighting),
    }
    return CoarseStep(terms, landmarks, predicted, overlay)


def detail_step(name: str, coarse: Tensor, details: Tensor, decoder: torch.nn.Module) -> DetailStep:
    """The detail losses of the detail encoder's codes; `coarse` are the coarse encoder's outputs."""
    batch = photos(name)
    own = read_outputs(coarse, details, NetworkSizes())
    both = _joined(own, with_details_of(own, batch.order))
    image, photo_mask = torch.cat([batch.image, batch.image]), torch.cat([batch.mask, batch.mask])
    displacement = decoder(torch.cat([both.jaw, both.expression, both.detail], 1))
    with torch.no_grad():
        vertices = _head_model()(both).vertices
        vertices_image = project(vertices, both.camera)
        triangles = _head_model().triangles
        normals_image = image_normals(vertices_image + MOVED_BACK, triangles)
        channels = [vertices, released_vertex_normals(vertices, triangles), vertices_image, normals_image]
        maps = _layout().to_uv(torch.cat(channels, -1)).split(3, 1)
        vertices_uv, coarse_normals_uv, places_uv, normals_image_uv = maps
        grid = places_uv[:, :2].permute(0, 2, 3, 1)
        texture, photo_mask_uv = grid_sample(
            torch.cat([image, photo_mask], 1), grid, align_corners=False
        ).split([3, 1], 1)
        facing = released_visible(normals_image_uv.permute(0, 2, 3, 1), TEXEL_LIMIT)[:, None]
        mask = facing * photo_mask_uv * _face_mask()
    fixed = torch.from_numpy(parity_array("fixed_displacement_256", "displacement"))
    normals_uv = released_detail_normals(vertices_uv, coarse_normals_uv, displacement, _face_mask(), fixed)
    faces = zip(normals_uv.flatten(2).mT, both.lighting, strict=True)
    light = torch.stack([shade(normals, light).mT for normals, light in faces]).view_as(normals_uv)
    shaded = released_albedo()(both.albedo) * light
    patch, target, patch_mask = released_patch(shaded), released_patch(texture), released_patch(mask)
    terms = {
        "photo_detail": photometric_loss(target, patch, patch_mask),
        "z_reg": released_displacement_size(displacement),
        "z_diff": released_shading_roughness(light),
        "z_sym": released_symmetry_loss(displacement, mask),
    }
    with torch.no_grad():
        drawn = _drawn(_surface(vertices, vertices_image), shaded, _middle(shaded))
    return DetailStep(terms, displacement, patch * patch_mask, target * patch_mask, mask, drawn)


def detail_mrf(step: DetailStep) -> Tensor:
    """ID-MRF of a detail step's patches, one value a row."""
    features = _vgg19()
    with torch.no_grad():
        target = features(step.target)
    return mrf_loss(features(step.patch), target, LAYER_WEIGHTS, released_contextual_mrf)


def _joined(own: Parameters, exchanged: Parameters) -> Parameters:
    def both(name: str) -> Tensor:
        return torch.cat([getattr(own, name), getattr(exchanged, name)])

    return Parameters(**{name: both(name) for name in Parameters.__dataclass_fields__})


def _overlay(surface: Surface, albedo: Tensor, lighting: Tensor, image: Tensor) -> Tensor:
    """The lit face laid over the photo, whose background is what lies in the middle of the maps."""
    mask = _face_mask().expand(len(albedo), 1, -1, -1)
    with torch.no_grad():
        face = _drawn(surface, mask, _middle(mask))
        none = torch.stack([shade(torch.zeros(1, 3), light)[0] for light in lighting])[:, :, None, None]
    colours = surface.sample(albedo) * shading(surface, surface.normals, lighting)
    uncovered = (surface.fragments.triangle_ids < 0)[:, None]
    lit = torch.where(uncovered, _middle(albedo) * none, surface.fragments.image(colours))
    return lit * face + image * (1 - face)


def _drawn(surface: Surface, maps: Tensor, background: Tensor | None = None) -> Tensor:
    """Maps as pictures; the background has one colour a picture."""
    picture = surface.fragments.image(surface.sample(maps))
    if background is None:
        return picture
    return torch.where((surface.fragments.triangle_ids < 0)[:, None], background, picture)


def _middle(maps: Tensor) -> Tensor:
    """What the reference finds where no head is: it looks in the middle of a map."""
    return grid_sample(maps, torch.zeros(len(maps), 1, 1, 2), align_corners=False)


def _surface(vertices: Tensor, vertices_image: Tensor) -> Surface:
    """As PyTorch3D draws it, whose barycentrics of specks add up to less than one."""
    with _in_pytorch3d():
        surface = SurfaceModel(parity_head())(vertices, vertices_image, 224, 224)
    covered = surface.fragments
    missing = 1 - covered.barycentrics.sum(1, keepdim=True)
    normals = released_vertex_normals(vertices, _head_model().triangles)
    # Places in a map are counted from its middle there.
    return replace(surface, uv=surface.uv + missing / 2, normals=covered.interpolate(normals))


@contextmanager
def _in_pytorch3d() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deca.raster.fragments.rasterise", pytorch3d_triangles)
        patch.setattr("deca.render.surface.fragments", pytorch3d_fragments)
        patch.setattr("deca.head.uv.fragments", pytorch3d_fragments)
        yield


@cache
def _head_model() -> HeadModel:
    return HeadModel(parity_head())


@cache
def _layout() -> UVLayout:
    with _in_pytorch3d():
        return UVLayout(parity_head(), 256)


@cache
def _face_mask() -> Tensor:
    return torch.from_numpy(parity_mask("uv_face_eye_mask"))


@cache
def _recognition() -> torch.nn.Module:
    arrays = {name: tensor.numpy() for name, tensor in network_weights("vggface2").items()}
    return vggface2(arrays, released_vggface2_input)


@cache
def _vgg19() -> torch.nn.Module:
    arrays = {name: tensor.numpy() for name, tensor in network_weights("vgg19").items()}
    return vgg19_features(arrays, RELEASED_LAYERS)
