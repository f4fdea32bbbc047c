"""SyntheticFaces: an endless stream of pictures of faces of which everything is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.shard_members import StoredFace
from deca.parameters import Parameters
from deca.photo.crop import LANDMARK_MARGIN
from deca.photo.landmarks import Landmarker
from deca.raster.rasterise import rasterise
from deca.render.camera import image_to_pixels, project
from deca.render.openness import openness
from deca.training.synthetic.camera_noise import through_camera
from deca.training.synthetic.found_points import points_found
from deca.training.synthetic.light import Light, lamp_reach, random_light
from deca.training.synthetic.painting import Paint, paint_head
from deca.training.synthetic.population import Population
from deca.training.synthetic.scene import SceneModel, compose
from deca.training.synthetic.wrinkles import WrinkleModel

# The square that is stored, in boxes of the landmarks: crops of 1.25 to 1.8 boxes with a shift fit in.
STORED_MARGIN = 2.0
_MAP_SIZE = 256


@dataclass(frozen=True)
class SyntheticConfig:
    """What the stream is made of."""

    size: int = 256
    """Pixels along a side of the stored squares."""
    photographed: float = 0.5
    """Share of faces that wear the texture of a photo, where there are any."""
    wrinkled: float = 0.5
    """Share of faces with wrinkles and pores; they take longer."""
    perspective: float = 0.5
    """Share of faces seen from near by, in true perspective."""
    nearest: float = 0.35
    """Least distance of the camera, metres."""
    clear: bool = False
    """Whether faces are bare, and pictures as they were drawn: neither hair nor things hide a part, and no
    camera blurs it (`through_camera`)."""


@dataclass(frozen=True)
class TexturedHead:
    """A head as it was fitted to a photo: its texture (sRGB, row 0 at v = 1), its person, its parameters."""

    name: str
    identity: str
    licence: str
    source: str
    texture: UInt8[np.ndarray, "size size 3"]
    parameters: Parameters


@dataclass(frozen=True)
class Subject:
    """One synthetic person: what stays when expression, pose, light and picture change."""

    name: str
    shape: Float[Tensor, "1 shape"]
    albedo: Float[Tensor, "1 albedo"]
    texture: Float[np.ndarray, "size size 3"]
    head: TexturedHead | None
    wrinkles: Any | None


class SyntheticFaces:
    """Makes synthetic faces of one head model; everything is drawn from the `random` that a call is given.

    `heads` are textures from photos (semi-synthetic faces), `backgrounds` pictures to stand before. With a
    `landmarker` faces also carry the points that it finds. One instance serves several threads.
    """

    def __init__(
        self,
        data: HeadData,
        population: Population,
        heads: Sequence[TexturedHead] = (),
        backgrounds: Sequence[UInt8[np.ndarray, "height width 3"]] = (),
        config: SyntheticConfig | None = None,
        landmarker: Landmarker | None = None,
    ) -> None:
        self.data, self.population, self.heads, self.backgrounds = data, population, heads, backgrounds
        self.config = config or SyntheticConfig()
        self.landmarker = landmarker
        self.head_model = HeadModel(data)
        self.landmarks = HeadLandmarks(data)
        self.layout = UVLayout(data, _MAP_SIZE)
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, _MAP_SIZE)
        self.detail_model = DetailModel(data, self.layout)
        self.wrinkle_model = WrinkleModel(data, self.layout)
        self.scene_model = SceneModel(data)
        # How open the sky is hardly differs between people.
        self.openness = openness(self.head_model.template_vertices[None], self.head_model.triangles)[
            0, :, 0
        ].numpy()
        self._skin = skin_triangles(data)

    def subject(self, random: np.random.Generator, name: str) -> Subject:
        """One random person."""
        config = self.config
        shape = torch.from_numpy(self.population.shape(random))[None]
        albedo = torch.from_numpy(self.population.albedo(random))[None]
        head = None
        if len(self.heads) and random.random() < config.photographed:
            head = self.heads[int(random.integers(len(self.heads)))]
            texture = head.texture.astype(np.float32) / 255
            albedo = head.parameters.albedo
            if random.random() < 0.5:
                # The person's own shape, or one between it and another.
                shape = torch.lerp(head.parameters.shape, shape, float(random.choice([0.0, 0.3, 0.6])))
        else:
            texture = self.albedo_model(albedo)[0].permute(1, 2, 0).contiguous().numpy()
        wrinkles = self.wrinkle_model.person(random) if random.random() < config.wrinkled else None
        return Subject(name, shape, albedo, texture, head, wrinkles)

    @torch.no_grad()
    def face(self, subject: Subject, random: np.random.Generator, key: str) -> StoredFace:
        """One picture of a person, with all its truth."""
        parameters = self.population.parameters(random).replace(shape=subject.shape, albedo=subject.albedo)
        light = random_light(random)
        parameters = parameters.replace(lighting=light.lighting)
        head = self.head_model(parameters)
        distance = self._distance(random)
        seen = perspective(head.vertices, distance)
        points = perspective(self.landmarks(head), distance)[0]
        parameters = parameters.replace(camera=stored_camera(points))
        vertices_image = project(seen, parameters.camera)
        displacement = None
        if subject.wrinkles is not None:
            displacement = self.wrinkle_model.displacement(
                subject.wrinkles, parameters.expression, parameters.jaw
            )
        picture, skin, alpha = self._picture(
            subject, head.vertices, vertices_image, displacement, light, random
        )
        landmarks = self._pixels(points[None], parameters.camera)
        dense = self._pixels(perspective(self.landmarks.dense(head), distance), parameters.camera)
        picture, shows = compose(
            self.scene_model, picture, alpha, landmarks, random, self.backgrounds, bare=self.config.clear
        )
        skin = skin * shows
        image = (picture.clip(0, 1) * 255).round().astype(np.uint8)
        if not self.config.clear:
            image = through_camera(image, random)
        about = {
            "identity": subject.name,
            "photo": key,
            "source": "synthetic"
            if subject.head is None
            else f"rendered from {subject.head.name}: {subject.head.source}",
            "licence": self.data.licence if subject.head is None else subject.head.licence,
            "quality": {},
            "T_photo_crop": np.eye(3).tolist(),
            "head": self.data.name,
        }
        found = None
        if self.landmarker is not None:
            found = points_found(image, dense, self.landmarker, random).astype(np.float32)
        truth = {field.name: getattr(parameters, field.name)[0].numpy() for field in fields(Parameters)}
        return StoredFace(
            key=key,
            image=image,
            skin=(skin * 255).round().astype(np.uint8),
            landmarks=landmarks.astype(np.float32),
            dense_landmarks=dense.astype(np.float32),
            about=about,
            truth=truth,
            displacement=None if displacement is None else displacement[0, 0].numpy(),
            found_points=found,
        )

    def _distance(self, random: np.random.Generator) -> float | None:
        """How far the camera is from the root joint's frame, metres; None for parallel rays."""
        if random.random() >= self.config.perspective:
            return None
        return float(self.config.nearest / random.uniform(0.08, 1.0))

    def _pixels(
        self, points: Float[Tensor, "1 point 3"], camera: Float[Tensor, "1 3"]
    ) -> Float[np.ndarray, "point 2"]:
        return image_to_pixels(project(points, camera)[0, :, :2], self.config.size, self.config.size).numpy()

    def _picture(
        self,
        subject: Subject,
        vertices: Float[Tensor, "1 vertex 3"],
        vertices_image: Float[Tensor, "1 vertex 3"],
        displacement: Float[Tensor, "1 1 map map"] | None,
        light: Light,
        random: np.random.Generator,
    ) -> tuple[
        Float[np.ndarray, "size size 3"], Float[np.ndarray, "size size"], Float[np.ndarray, "size size"]
    ]:
        """The lit head on black, where it shows skin, and where it is."""
        triangles = self.head_model.triangles
        triangle_ids = rasterise(vertices_image, triangles, self.config.size, self.config.size)[0].numpy()
        normals_uv = None
        if displacement is not None:
            normals_uv = self.detail_model(vertices, displacement)[0].permute(1, 2, 0).contiguous().numpy()
        # Cast shadows, for half of them: the others have the light that the model has.
        shadowed = len(light.lamps) and random.random() < 0.5
        reach = (
            lamp_reach(light, vertices[0], triangles)
            if shadowed
            else torch.ones(vertices.shape[1], len(light.lamps))
        )
        paint = Paint(subject.texture, normals_uv, self.openness, reach.numpy())
        normals = vertex_normals(vertices, triangles)[0].numpy()
        picture = paint_head(triangle_ids, vertices_image[0].numpy(), normals, self.data, paint, light)
        covered = triangle_ids >= 0
        skin = np.where(covered, self._skin[triangle_ids.clip(0)], 0).astype(np.float32)
        return picture, skin, covered.astype(np.float32)


def perspective(points: Float[Tensor, "1 point 3"], distance: float | None) -> Float[Tensor, "1 point 3"]:
    """Points (metres, head frame) moved so that parallel rays show what a camera `distance` metres in front
    sees.

    What lies at z = 0 stays where it is.
    """
    if distance is None:
        return points
    shrink = distance / (distance - points[..., 2:]).clamp_min(0.05)
    return torch.cat([points[..., :2] * shrink, points[..., 2:]], -1)


def stored_camera(points: Float[Tensor, "68 3"]) -> Float[Tensor, "1 3"]:
    """The camera whose picture is the stored square around posed landmarks (metres, head frame)."""
    low, high = points[:, :2].amin(0), points[:, :2].amax(0)
    side = (high - low).mean() * LANDMARK_MARGIN * STORED_MARGIN
    return torch.cat([2 / side[None], -(low + high) / 2])[None]


def skin_triangles(data: HeadData) -> Float[np.ndarray, " triangle"]:
    """One where a triangle is skin of the face, zero on eyes, lips, mouth, scalp and neck."""
    skin = data.region("face") | data.region("forehead") | data.region("nose")
    for name in ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "scalp", "lips"):
        if name in data.region_names:
            skin = skin & ~data.region(name)
    return skin.astype(np.float32)
