"""Pictures of heads like photos, made without the generator that training uses: lamps, shadows, gloss, a
backdrop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.photo.sampling import Photo
from deca.render.camera import image_to_pixels, project
from deca.render.openness import openness
from deca.render.surface import SurfaceModel
from deca.render.visibility import visible_points

SIZE = 512
DISPLACEMENT_SIZE = 256
_SAMPLES = 2
_SHADOW_SIZE = 384
# A shadow begins this far behind what casts it, metres.
_SHADOW_DEPTH = 0.004
_LAMP_POINTS = 5
# Share of the sky's light that reaches where no sky is open.
_DEEPEST = 0.2


class Sitter:
    """One head model with what pictures of it need."""

    def __init__(self, data: HeadData) -> None:
        self.data = data
        self.head_model = HeadModel(data)
        self.landmarks = HeadLandmarks(data)
        self.surface_model = SurfaceModel(data)
        self.detail_model = DetailModel(data, UVLayout(data, DISPLACEMENT_SIZE))


@dataclass(frozen=True)
class Lamp:
    """A lamp far away: where it stands (head frame, unit), linear RGB strength, and how far it shines
    round."""

    direction: Float[np.ndarray, "3"]
    colour: Float[np.ndarray, "3"]
    softness: float


@dataclass(frozen=True)
class Scene:
    """Everything about a portrait but the person; `distance` is from the camera to the face, metres.

    Colours are linear RGB; `backdrop` is sRGB in [0, 1]; `blur` in pixels; `noise` in sRGB.
    """

    lamps: tuple[Lamp, ...]
    sky: Float[np.ndarray, "3"]
    ground: Float[np.ndarray, "3"]
    gloss: float
    distance: float
    backdrop: Float[np.ndarray, "size size 3"]
    blur: float
    noise: float
    jpeg_quality: int


@dataclass(frozen=True)
class Portrait:
    """A picture as a JPEG file, and where its head's landmarks are in it, pixels, centres at half-
    integers."""

    jpeg: UInt8[np.ndarray, " byte"]
    landmarks: Float[np.ndarray, "68 2"]
    dense_landmarks: Float[np.ndarray, "dense 2"]


@torch.no_grad()
def portrait(
    sitter: Sitter,
    parameters: Parameters,
    texture: Float[Tensor, "1 3 texture texture"],
    scene: Scene,
    random: np.random.Generator,
    displacement: Float[Tensor, "1 1 256 256"] | None = None,
) -> Portrait:
    """Photograph one head: `camera` places it in the square picture; the scene's lamps are the light."""
    head = sitter.head_model(parameters)
    triangles = sitter.head_model.triangles
    middle = sitter.landmarks(head).mean(1, keepdim=True)

    def seen(points: Float[Tensor, "1 point 3"]) -> Float[Tensor, "1 point 3"]:
        """As a camera sees them that stands before the face: what is nearer is larger."""
        offset = points - middle
        nearness = scene.distance / (scene.distance - offset[..., 2:])
        return project(middle + offset * nearness, parameters.camera)

    side = SIZE * _SAMPLES
    surface = sitter.surface_model(head.vertices, seen(head.vertices), side, side)
    normals = surface.normals
    if displacement is not None:
        normals = surface.sample(sitter.detail_model(head.vertices, displacement))
    vertex_directions = vertex_normals(head.vertices, triangles)
    shares = [openness(head.vertices, triangles)]
    shares += [_lit(sitter, head.vertices, vertex_directions, lamp) for lamp in scene.lamps]
    colours = _shaded(
        surface.sample(texture).numpy(),
        torch.nn.functional.normalize(normals, dim=-1).numpy(),
        surface.fragments.interpolate(torch.cat(shares, -1)).numpy(),
        scene,
    )
    layers = torch.from_numpy(np.pad(colours, ((0, 0), (0, 1)), constant_values=1).astype(np.float32))
    image = surface.fragments.image(layers)[0].permute(1, 2, 0).numpy()
    image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    picture = image[..., :3] + (1 - image[..., 3:]) * scene.backdrop
    places = [
        image_to_pixels(seen(points)[0, :, :2].double(), SIZE, SIZE).numpy()
        for points in (sitter.landmarks(head), sitter.landmarks.dense(head))
    ]
    return Portrait(_photographed(picture, scene, random), *places)


def random_scene(random: np.random.Generator, backdrop: Float[np.ndarray, "size size 3"]) -> Scene:
    """Light from a sky and one to three lamps, most often from before and above, in front of a backdrop."""

    def tinted(strength: float, spread: float) -> np.ndarray:
        warmth = random.normal(0, spread)
        return strength * np.exp([warmth, 0, -warmth])

    lamps = []
    for number in range(random.integers(1, 4)):
        around, up = random.normal(0, 50), random.normal(25, 22)
        around, up = np.deg2rad([np.clip(around, -110, 110), np.clip(up, -25, 75)])
        direction = np.array([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)])
        strength = random.uniform(0.3, 1.0) / (1 + number)
        lamps.append(Lamp(direction, tinted(strength, 0.06), random.uniform(0.05, 0.6)))
    sky = random.uniform(0.25, 0.8)
    return Scene(
        lamps=tuple(lamps),
        sky=tinted(sky, 0.05),
        ground=tinted(sky * random.uniform(0.3, 0.8), 0.05),
        gloss=random.uniform(0, 0.05),
        distance=float(np.exp(random.uniform(np.log(0.8), np.log(3.0)))),
        backdrop=backdrop,
        blur=random.uniform(0, 0.9),
        noise=random.uniform(0, 0.015),
        jpeg_quality=int(random.integers(70, 97)),
    )


def _lit(
    sitter: Sitter,
    vertices: Float[Tensor, "1 vertex 3"],
    normals: Float[Tensor, "1 vertex 3"],
    lamp: Lamp,
) -> Float[Tensor, "1 vertex 1"]:
    """How much of a lamp each vertex sees past the head itself, 0 to 1: the mean over points of the lamp."""
    angles = np.arange(_LAMP_POINTS) * (2 * np.pi / _LAMP_POINTS)
    across = np.linalg.svd(lamp.direction[None])[2][1:]
    points = (
        lamp.direction + (0.06 + 0.2 * lamp.softness) * np.stack([np.cos(angles), np.sin(angles)], 1) @ across
    )
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return torch.stack([_reached(sitter, vertices, normals, point) for point in points]).mean(0)


def _reached(
    sitter: Sitter,
    vertices: Float[Tensor, "1 vertex 3"],
    normals: Float[Tensor, "1 vertex 3"],
    direction: Float[np.ndarray, "3"],
) -> Float[Tensor, "1 vertex 1"]:
    """1 at the vertices that light from one direction reaches or that turn away from it, 0 in a shadow."""
    away = torch.from_numpy(direction).to(vertices)
    right = torch.nn.functional.normalize(torch.linalg.cross(away.new_tensor([0.0, 1.0, 0.0]), away), dim=0)
    axes = torch.stack([right, torch.linalg.cross(away, right), away], 1)
    centred = (vertices - vertices.mean(1, keepdim=True)) @ axes
    scale = 0.99 / centred.norm(dim=-1).amax()
    from_lamp = project(centred, torch.cat([scale[None], scale.new_zeros(2)])[None])
    surface = sitter.surface_model(vertices, from_lamp, _SHADOW_SIZE, _SHADOW_SIZE)
    turned = normals @ axes
    reached = visible_points(from_lamp, turned, surface, float(_SHADOW_DEPTH * scale))
    return (reached | (turned[..., 2] <= 0)).to(vertices)[..., None]


def _shaded(
    texture: Float[np.ndarray, "pixel 3"],
    normals: Float[np.ndarray, "pixel 3"],
    shares: Float[np.ndarray, "pixel share"],
    scene: Scene,
) -> Float[np.ndarray, "pixel 3"]:
    """sRGB of skin under the scene's light; exposed so that a face turned to the camera is as bright as
    its texture."""
    height = (1 + normals[:, 1:2]) / 2
    sky = (scene.ground + (scene.sky - scene.ground) * height) * (_DEEPEST + (1 - _DEEPEST) * shares[:, :1])
    light, gloss = sky, np.zeros_like(sky)
    exposure = (scene.ground + scene.sky) / 2
    for lamp, reached in zip(scene.lamps, shares[:, 1:].T, strict=True):
        cosine = (normals @ lamp.direction + lamp.softness) / (1 + lamp.softness)
        light = light + (cosine.clip(0) * reached)[:, None] * lamp.colour
        halfway = lamp.direction + np.array([0, 0, 1])
        shine = (normals @ halfway / np.linalg.norm(halfway)).clip(0) ** 20
        gloss = gloss + scene.gloss * (shine * reached)[:, None] * lamp.colour
        exposure = exposure + lamp.colour * max(
            0.0, (lamp.direction[2] + lamp.softness) / (1 + lamp.softness)
        )
    linear = texture.clip(0, 1) ** 2.2 * light / exposure.mean() + gloss
    return linear.clip(0, 1) ** (1 / 2.2)


def _photographed(
    picture: Float[np.ndarray, "size size 3"], scene: Scene, random: np.random.Generator
) -> UInt8[np.ndarray, " byte"]:
    if scene.blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), scene.blur)
    picture = picture + scene.noise * random.standard_normal(picture.shape)
    encoded = np.ascontiguousarray((picture.clip(0, 1) * 255).round().astype(np.uint8)[..., ::-1])
    return cv2.imencode(".jpg", encoded, [cv2.IMWRITE_JPEG_QUALITY, scene.jpeg_quality])[1]


@torch.no_grad()
def texels_seen(sitter: Sitter, parameters: Parameters, layout: UVLayout) -> Bool[np.ndarray, "size size"]:
    """The texels that face the camera, at 75 degrees at most, with nothing in front of them."""
    head = sitter.head_model(parameters)
    vertices_image = project(head.vertices, parameters.camera)
    surface = sitter.surface_model(head.vertices, vertices_image, SIZE, SIZE)
    normals = vertex_normals(head.vertices, sitter.head_model.triangles)
    maps = layout.to_uv(torch.cat([vertices_image, normals], -1))
    points, normals_uv = maps.flatten(2).mT.split(3, -1)
    scale = float(parameters.camera[0, 0])
    seen = visible_points(points, normals_uv, surface, 0.002 * scale) & (normals_uv[..., 2] > 0.25)
    return seen.view(layout.size, layout.size).numpy()


def picture_of(jpeg: UInt8[np.ndarray, " byte"]) -> Photo:
    """The pixels of a portrait's JPEG file."""
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1])
