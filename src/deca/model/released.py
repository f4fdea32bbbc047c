"""DECA's released decoding: from Parameters and a displacement map to all that the released code returns.

Composition only; the parts are `deca.head.released_detail`, `deca.render.released` and the project's own
head, surface and landmarks. `deca.model.deca` composes the default, which follows the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import interpolate
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.released_detail import (
    DETAIL_SIZE,
    released_detail_normals,
    released_displacement,
    released_vertex_normals,
)
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.released import (
    LANDMARK_LIMIT,
    image_normals,
    over,
    released_depth_image,
    released_photo_frame,
    released_shape_alpha,
    released_shape_image,
    released_texture,
    released_visible,
)
from deca.render.renderer import shading
from deca.render.surface import SurfaceModel


@dataclass(frozen=True)
class ReleasedPictures:
    """Pictures of a batch of heads, zero where no head is.

    `unlit` is the albedo alone, which the released code renders and compares with photos; `lit` is the
    paper's. The two shape pictures leave out what is turned away: where `shape_alpha`, not `alpha`, is zero.
    `depth` is nearness, 0 to 1.
    """

    unlit: Float[Tensor, "batch 3 height width"]
    lit: Float[Tensor, "batch 3 height width"]
    alpha: Float[Tensor, "batch 1 height width"]
    shape: Float[Tensor, "batch 3 height width"]
    shape_detail: Float[Tensor, "batch 3 height width"]
    shape_alpha: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]

    def over(self, background: Float[Tensor, "#batch 3 height width"]) -> ReleasedPictures:
        """The coloured pictures laid over others, such as the photos."""
        return ReleasedPictures(
            unlit=over(self.unlit, self.alpha, background),
            lit=over(self.lit, self.alpha, background),
            alpha=self.alpha,
            shape=over(self.shape, self.shape_alpha, background),
            shape_detail=over(self.shape_detail, self.shape_alpha, background),
            shape_alpha=self.shape_alpha,
            depth=self.depth,
        )


@dataclass(frozen=True)
class ReleasedDecoding:
    """What a batch of faces decodes to.

    `vertices`, `landmarks3d_head` and `displacement` (D plus the fixed map) are metres in the head frame;
    `vertices_image` and `landmarks2d` (sliding contour) lie in the crop's image frame, and so do the first
    three numbers of `landmarks3d` (the fixed 68), the fourth being 1 where the landmark is called visible.
    The maps in UV have 256 texels a side: detail normals in the head frame, the albedo, the albedo lit on
    those normals, and the photo's texture.
    """

    parameters: Parameters
    vertices: Float[Tensor, "batch vertex 3"]
    vertices_image: Float[Tensor, "batch vertex 3"]
    landmarks2d: Float[Tensor, "batch 68 2"]
    landmarks3d: Float[Tensor, "batch 68 4"]
    landmarks3d_head: Float[Tensor, "batch 68 3"]
    displacement: Float[Tensor, "batch 1 256 256"]
    normals_uv: Float[Tensor, "batch 3 256 256"]
    albedo_uv: Float[Tensor, "batch 3 256 256"]
    shaded_uv: Float[Tensor, "batch 3 256 256"]
    texture_uv: Float[Tensor, "batch 3 256 256"]


class ReleasedDecoder(nn.Module):
    """Decodes faces on one head as the released code does; what depends on the head alone is made once.

    `face_eye_mask` (256 x 256, 1 on face and eyes) limits the displacement, `fixed_displacement` (256 x 256,
    metres) is added to it everywhere. The albedo model has 256 texels: `AlbedoModel.released` for the
    released code's.
    """

    face_eye_mask: Tensor
    fixed_displacement: Tensor

    def __init__(
        self,
        data: HeadData,
        albedo_model: AlbedoModel,
        face_eye_mask: Float[np.ndarray, "256 256"],
        fixed_displacement: Float[np.ndarray, "256 256"],
    ) -> None:
        super().__init__()
        if albedo_model.size != DETAIL_SIZE:
            raise ValueError(f"albedo of {albedo_model.size} texels; the released maps have {DETAIL_SIZE}")
        self.head_model = HeadModel(data)
        self.landmarks = HeadLandmarks(data)
        self.layout = UVLayout(data, DETAIL_SIZE)
        self.albedo_model = albedo_model
        self.surface_model = SurfaceModel(data)
        for name, array in (("face_eye_mask", face_eye_mask), ("fixed_displacement", fixed_displacement)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)), persistent=False)

    def shaping_displacement(
        self, displacement: Float[Tensor, "batch 1 256 256"]
    ) -> Float[Tensor, "batch 1 256 256"]:
        """The displacement that the detail normals are taken of: D within the mask, and the fixed map."""
        return displacement * self.face_eye_mask + self.fixed_displacement

    def decode(
        self,
        parameters: Parameters,
        displacement: Float[Tensor, "batch 1 256 256"],
        image: Float[Tensor, "batch 3 height width"],
    ) -> ReleasedDecoding:
        """Everything but pictures; `displacement` is the detail decoder's map, `image` the crops."""
        head = self.head_model(parameters)
        full = self.landmarks.full(head)
        vertices_image = project(head.vertices, parameters.camera)
        triangles = self.head_model.triangles
        normals = released_vertex_normals(head.vertices, triangles)
        channels = torch.cat([head.vertices, normals, vertices_image], -1)
        vertices_uv, coarse_uv, vertices_image_uv = self.layout.to_uv(channels).split(3, 1)
        mask, fixed = self.face_eye_mask, self.fixed_displacement
        normals_uv = released_detail_normals(vertices_uv, coarse_uv, displacement, mask, fixed)
        albedo_uv = self.albedo_model(parameters.albedo)
        shaded_uv = albedo_uv * _shading_uv(normals_uv, parameters.lighting)
        normals_image = image_normals(vertices_image, triangles)
        at_landmarks = interpolate(normals_image, self.landmarks.full_corners, self.landmarks.full_weights)
        visible = released_visible(at_landmarks, LANDMARK_LIMIT)
        full_image = project(full, parameters.camera)
        return ReleasedDecoding(
            parameters=parameters,
            vertices=head.vertices,
            vertices_image=vertices_image,
            landmarks2d=project(self.landmarks(head), parameters.camera)[..., :2],
            landmarks3d=torch.cat([full_image, visible[..., None].to(full_image.dtype)], -1),
            landmarks3d_head=full,
            displacement=released_displacement(displacement, fixed),
            normals_uv=normals_uv,
            albedo_uv=albedo_uv,
            shaded_uv=shaded_uv,
            texture_uv=released_texture(image, vertices_image_uv, shaded_uv, mask),
        )

    def pictures(self, decoding: ReleasedDecoding, size: int) -> ReleasedPictures:
        """The heads alone, as the crop of `size` pixels a side sees them."""
        return self._pictures(decoding, decoding.vertices_image, size, size)

    def pictures_in_photo(
        self, decoding: ReleasedDecoding, crop: Crop, photo: Float[Tensor, "1 3 height width"]
    ) -> ReleasedPictures:
        """The head of one face laid over the photo that its crop was taken from."""
        height, width = photo.shape[2:]
        vertices_photo = released_photo_frame(decoding.vertices_image, crop, height, width)
        return self._pictures(decoding, vertices_photo, height, width).over(photo)

    def _pictures(
        self,
        decoding: ReleasedDecoding,
        vertices_image: Float[Tensor, "batch vertex 3"],
        height: int,
        width: int,
    ) -> ReleasedPictures:
        surface = self.surface_model(decoding.vertices, vertices_image, height, width)
        sampled = surface.sample(torch.cat([decoding.albedo_uv, decoding.normals_uv], 1))
        albedo, detail_normals = sampled.split(3, 1)
        lit = albedo * shading(surface, surface.normals, decoding.parameters.lighting)
        alpha = (surface.fragments.triangle_ids >= 0)[:, None].to(albedo.dtype)
        normals_image = image_normals(vertices_image, self.surface_model.triangles)
        shape_alpha = released_shape_alpha(surface, normals_image)
        return ReleasedPictures(
            unlit=surface.fragments.image(albedo),
            lit=surface.fragments.image(lit),
            alpha=alpha,
            shape=released_shape_image(surface, surface.normals, shape_alpha),
            shape_detail=released_shape_image(surface, detail_normals, shape_alpha),
            shape_alpha=shape_alpha,
            depth=released_depth_image(surface, vertices_image),
        )


def _shading_uv(
    normals_uv: Float[Tensor, "batch 3 size size"], lighting: Float[Tensor, "batch 9 3"]
) -> Float[Tensor, "batch 3 size size"]:
    """Each face's light on its map of normals."""
    faces = zip(normals_uv.flatten(2).mT, lighting, strict=True)
    return torch.stack([shade(normals, light).mT for normals, light in faces]).view_as(normals_uv)


def transferred(parameters: Parameters, driver: Parameters) -> Parameters:
    """The faces of `parameters` with the pose, jaw and expression of `driver`; detail codes stay."""
    return parameters.replace(pose=driver.pose, jaw=driver.jaw, expression=driver.expression)
