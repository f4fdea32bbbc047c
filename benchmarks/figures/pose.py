"""Pose: errors of yaw, pitch and roll on pictures of the default head, to 60 and to 90 degrees of yaw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from deca.head.albedo import AlbedoModel
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.io.networks import face_landmarker
from deca.parameters import Parameters
from deca.photo.faces import FoundFace
from deca.photo.landmarks import REGION_SCALE, FaceRegion, landmarks_in_region, region_of_points
from deca.photo.sampling import Photo
from figures.methods import Method
from figures.people import KEPT, found_again, kept_arrays
from figures.portraits import Sitter, picture_of, portrait, random_scene
from figures.sitters import backdrop, framed, random_sitter, texture_of, textured_people, with_expression

# Name of a set of pictures -> (whether in a photo's texture, least and largest yaw in degrees).
SETS: Mapping[str, tuple[bool, float, float]] = {
    "semi-synthetic to 60": (True, 0.0, 60.0),
    "synthetic to 60": (False, 0.0, 60.0),
    "semi-synthetic 60-90": (True, 60.0, 90.0),
    "synthetic 60-90": (False, 60.0, 90.0),
}
COUNT = 40
_ALBEDO_SIZE = 512


@dataclass(frozen=True)
class Posed:
    """A picture of a head whose pose is known."""

    key: str
    photo: Photo
    found: FoundFace
    pose: Float[np.ndarray, "3"]


def turned(parameters: Parameters, yaw: float, random: np.random.Generator) -> Parameters:
    """Turned by a yaw in degrees, after a random pitch and roll."""
    pitch, roll = random.normal(0, [11, 8]).clip(-30, 30)
    rotation = Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True)
    return parameters.replace(pose=torch.from_numpy(rotation.as_rotvec()).float()[None])


def angles(pose: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Yaw, pitch and roll in degrees of an axis-angle: R = R_y R_x R_z, which has no singular yaw."""
    return Rotation.from_rotvec(pose).as_euler("YXZ", degrees=True)


def angle_errors(predicted: Float[np.ndarray, "3"], true: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4"]:
    """Absolute differences of yaw, pitch and roll, and the angle between the two rotations, degrees."""
    between = Rotation.from_rotvec(predicted).inv() * Rotation.from_rotvec(true)
    apart = (angles(predicted) - angles(true) + 180) % 360 - 180
    return np.append(np.abs(apart), np.rad2deg(between.magnitude()))


def prepare() -> dict[str, list[Posed]]:
    """The pictures of every set, rendered where they are not kept."""
    renderer = _Renderer()
    return {
        name: [renderer.picture(index, number, *rest) for number in range(COUNT)]
        for index, (name, rest) in enumerate(SETS.items())
    }


def measure(method: Method, sets: Mapping[str, list[Posed]]) -> dict[str, Float[np.ndarray, "picture 4"]]:
    """Errors of yaw, pitch, roll and of the whole rotation, degrees, for every picture of every set."""
    errors = {}
    for name, pictures in sets.items():
        rows = []
        for picture in pictures:
            parameters = method.encode(picture.key, picture.photo, picture.found)[1]
            rows.append(angle_errors(parameters.pose[0].double().numpy(), picture.pose))
        errors[name] = np.array(rows)
    return errors


class _Renderer:
    """Renders what is not kept; the head is made on first use."""

    @cached_property
    def sitter(self) -> Sitter:
        return Sitter(default_head())

    @cached_property
    def albedo(self) -> tuple[UVLayout, AlbedoModel]:
        data = self.sitter.data
        model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, _ALBEDO_SIZE)
        return UVLayout(data, _ALBEDO_SIZE), model

    def picture(self, index: int, number: int, in_photo: bool, least: float, largest: float) -> Posed:
        key = f"pose_{index}_{number:03}"
        arrays = kept_arrays(
            KEPT / "pose" / f"{key}.npz", lambda: self._rendered(index, number, in_photo, least, largest)
        )
        photo = picture_of(arrays["jpeg"])
        return Posed(key, photo, found_again(photo, arrays["found"]), arrays["pose"])

    def _rendered(
        self, index: int, number: int, in_photo: bool, least: float, largest: float
    ) -> dict[str, np.ndarray]:
        random = np.random.default_rng([index, number])
        parameters = with_expression(self.sitter, random_sitter(self.sitter, random, 1.0), random)
        yaw = random.uniform(least, largest) * random.choice([-1, 1])
        parameters = framed(self.sitter, turned(parameters, yaw, random), random)
        people = textured_people()
        texture = texture_of(people[(7 * number + index) % len(people)]) if in_photo else self.skin(random)
        taken = portrait(self.sitter, parameters, texture, random_scene(random, backdrop(random)), random)
        return {
            "jpeg": taken.jpeg,
            "found": landmarks_near(picture_of(taken.jpeg), taken.dense_landmarks, random),
            "pose": parameters.pose[0].double().numpy(),
        }

    def skin(self, random: np.random.Generator) -> Float[Tensor, "1 3 size size"]:
        """A random albedo of the default head."""
        layout, model = self.albedo
        coefficients = torch.from_numpy(random.standard_normal((1, len(model.basis)))).float()
        return layout.fill(model(coefficients)).clamp(0, 1)


def landmarks_near(
    photo: Photo, true: Float[np.ndarray, "468 2"], random: np.random.Generator
) -> Float[np.ndarray, "468 3"]:
    """The landmarks as the network sees them about where the face is, be it found by a detector or not.

    The first region is off by a detector's error in place and size, the second that of the first's points.
    """
    low, high = true.min(0), true.max(0)
    size = float((high - low).max())
    centre = (low + high) / 2 + 0.04 * size * random.standard_normal(2)
    region = FaceRegion(centre, REGION_SCALE * size * float(np.exp(0.06 * random.standard_normal())), 0.0)
    points = landmarks_in_region(photo, region, face_landmarker()).points
    return landmarks_in_region(photo, region_of_points(points), face_landmarker()).points
