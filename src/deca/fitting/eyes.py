"""Where the eyes look and which colour the irises have, from the dark disc in each eye's opening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.fitting.eye_texture import IRIS_OF_OPENING, WHITE_ALBEDO
from deca.fitting.observation import vertices_in_photo
from deca.head.model import Head, HeadModel
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.sampling import Photo, sample_smoothly

# The rims of the lids, once around each eye, among the 468 landmarks; left and right are the subject's.
LEFT_RIM = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_RIM = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_DENSE_RIMS = (LEFT_RIM, RIGHT_RIM)
_IBUG_RIMS = (tuple(range(42, 48)), tuple(range(36, 42)))

# The picture of one eye: this many pixels a side, over this many radii of the eyeball.
_SIZE, _REACH = 112, 4.0


_JOINTS = ("left_eye", "right_eye")
# A sphere goes through four points.
_LEAST_VERTICES = 4


@dataclass(frozen=True)
class EyesConfig:
    """When an iris counts as found, and how far eyes turn."""

    least_contrast: float = 0.10
    """How much brighter the white is than the iris, as a fraction of the white."""
    least_opening: float = 0.25
    """Height of the opening over the diameter of the iris; narrower eyes count as closed."""
    largest_turn: float = 0.5
    """Radians."""
    largest_difference: float = 0.12
    """How far the two eyes may look away from their common direction, radians."""


@dataclass(frozen=True)
class Iris:
    """An iris in the picture of an eye: its centre in radii of the eyeball, x right and y up from the middle
    of the lids, and the same in pixels of the picture, of which `opening` is what the lids leave free."""

    centre: Float[np.ndarray, " 2"]
    opening_width: float
    centre_picture: Float[np.ndarray, " 2"]
    radius_picture: float
    picture: Float[np.ndarray, "size size 3"]
    opening: Bool[np.ndarray, "size size"]


@dataclass(frozen=True)
class EyesFit:
    """The parameters with the eyes turned, and the irises that were found, of both eyes, one or none."""

    parameters: Parameters
    irises: Sequence[Iris]

    def iris_colour(self) -> Float[Tensor, "3"] | None:
        """The sRGB albedo of the irises; None where none was found."""
        if not self.irises:
            return None
        return torch.from_numpy(np.mean([_iris_colour(iris) for iris in self.irises], 0)).float()


def fit_eyes(
    photo: Photo,
    landmarks_photo: Float[Tensor, "landmark 2"],
    head: Head,
    parameters: Parameters,
    head_model: HeadModel,
    crop: Crop,
    config: EyesConfig | None = None,
) -> EyesFit:
    """Turn the eyes so that the irises lie between the head's lids as they lie between those of the photo.

    `head` is the head posed by `parameters`; landmarks are the 468 where the head model has
    them, else the 68, in pixels of the photo. Both eyes look nearly the same way; an eye that is closed,
    hidden or without a clear iris follows the other, and where neither is found both look straight ahead.
    A head without eyeballs that its eyes' joints carry is returned as it is.
    """
    config = config or EyesConfig()
    data = head_model.data
    if not all(eyeball_vertices(head_model, name).sum() >= _LEAST_VERTICES for name in _JOINTS):
        return EyesFit(parameters, ())
    if len(landmarks_photo) == 468:
        rims, triangles, barycentrics = (
            _DENSE_RIMS,
            data.dense_landmark_triangles,
            data.dense_landmark_barycentrics,
        )
    else:
        rims, triangles, barycentrics = (
            _IBUG_RIMS,
            data.full_landmark_triangles,
            data.full_landmark_barycentrics,
        )
    gazes: list[Float[np.ndarray, " 2"] | None] = []
    irises: list[Iris] = []
    for name, rim in zip(_JOINTS, rims, strict=True):
        centre, radius = eyeball(head.vertices, head_model, name)
        rim_photo = landmarks_photo[list(rim)].double().numpy()
        T_photo_eye = _eye_to_photo(rim_photo.mean(0), centre, radius, parameters, crop)
        iris = find_iris(photo, T_photo_eye, rim_photo, config)
        corners = head.vertices[0, torch.from_numpy(data.triangles[triangles[list(rim)]])]
        rim_head = (corners * torch.from_numpy(barycentrics[list(rim)])[..., None]).sum(1)[:, :2]
        # The head's opening lies elsewhere before its eyeball than the photo's, and may be wider.
        rim_head = (rim_head.double().numpy() - centre[:2].numpy()) / radius
        if iris is not None:
            width = float(np.ptp(rim_head[:, 0]))
            widening = np.clip(width / max(iris.opening_width, 1e-3), 0.8, 1.25)
            # How far the iris's plane lies before the eyeball's centre.
            depth = np.sqrt(max(0.25, 1 - (IRIS_OF_OPENING / 2 * width) ** 2))
            gazes.append((rim_head.mean(0) + iris.centre * [widening, 1]) / depth)
            irises.append(iris)
        else:
            gazes.append(None)
    if not irises:
        return EyesFit(parameters.replace(eyes=torch.zeros_like(parameters.eyes)), ())
    directions = _together(gazes, config)
    parent = data.joint_parents[data.joint_names.index("left_eye")]
    T_head_parent = head.joint_transforms[0, parent, :, :3]
    eyes = torch.stack([_turn(direction, T_head_parent, config) for direction in directions])
    return EyesFit(parameters.replace(eyes=eyes[None]), irises)


def eyeball(
    vertices: Float[Tensor, "1 vertex 3"], head_model: HeadModel, joint: str
) -> tuple[Float[Tensor, "3"], float]:
    """Centre (head frame) and radius, metres, of the eyeball that a joint carries: the sphere through it."""
    carried = eyeball_vertices(head_model, joint)
    points = vertices[0, carried].double()
    # |p|^2 = 2 c.p + (r^2 - |c|^2) is linear in the centre and the bracket.
    system = torch.cat([2 * points, torch.ones(len(points), 1).double()], 1)
    solution = torch.linalg.lstsq(system, points.square().sum(1, keepdim=True)).solution[:, 0]
    centre = solution[:3]
    return centre, float((solution[3] + centre.square().sum()).clamp_min(0).sqrt())


def eyeball_vertices(head_model: HeadModel, joint: str) -> Bool[Tensor, " vertex"]:
    """The vertices that an eye's joint alone moves; none on a head without the joint."""
    names = head_model.data.joint_names
    weights = head_model.skinning_weights
    return weights[:, names.index(joint)] > 0.99 if joint in names else torch.zeros(len(weights)).bool()


def find_iris(
    photo: Photo,
    T_photo_eye: Float[np.ndarray, "3 3"],
    rim_photo: Float[np.ndarray, "rim 2"],
    config: EyesConfig,
) -> Iris | None:
    """The disc in the opening that is darkest against its surroundings (after Daugman 1993), or None.

    `T_photo_eye` takes pixels of the eye's picture to the photo's.
    """
    picture = sample_smoothly(photo, T_photo_eye, _SIZE, _SIZE)
    rim = np.linalg.solve(T_photo_eye, np.c_[rim_photo, np.ones(len(rim_photo))].T)[:2].T
    opening = np.zeros((_SIZE, _SIZE), np.uint8)
    cv2.fillPoly(opening, [np.round((rim - 0.5) * 16).astype(np.int32)], 1, shift=4)
    unit = _SIZE / _REACH
    rows, columns = np.nonzero(opening)
    if len(rows) < 20 or np.ptp(rows) < config.least_opening * IRIS_OF_OPENING * np.ptp(columns):
        return None
    # Only there can the middle of an iris be; the sums around it reach no further than the opening.
    margin = int(IRIS_OF_OPENING / 2 * np.ptp(columns))
    top, left = max(0, rows.min() - margin), max(0, columns.min() - margin)
    part = np.s_[top : rows.max() + margin + 1, left : columns.max() + margin + 1]
    inside = opening[part].astype(np.float32)
    # Skin and the white are bright in red, and an iris of any colour is not.
    value = 0.6 * picture[part][..., 0] + 0.4 * picture[part][..., 1]
    white = float(np.quantile(value[inside > 0], 0.9))
    relative = (value / max(white, 1e-3)).astype(np.float32)
    # Across, irises are anywhere; up and down, lids move with the gaze and keep the iris in their middle.
    across = np.arange(left, left + inside.shape[1]) - columns.mean()
    up = np.arange(top, top + inside.shape[0])[:, None] - rows.mean()
    off_middle = (0.1 * across**2 + 0.6 * up**2) / unit**2
    found = []
    for radius in IRIS_OF_OPENING / 2 * np.ptp(columns) * np.array([0.85, 0.95, 1.05]):
        contrast, share = _contrast(relative, inside, radius)
        score = contrast * share - off_middle
        row, column = np.unravel_index(score.argmax(), score.shape)
        found.append((score[row, column], contrast[row, column], top + row, left + column, radius))
    _, contrast, row, column, radius = max(found)
    if contrast < config.least_contrast:
        return None
    return Iris(
        centre=np.array([column + 0.5 - _SIZE / 2, _SIZE / 2 - row - 0.5]) / unit,
        opening_width=float(np.ptp(columns) / unit),
        centre_picture=np.array([column, row], float),
        radius_picture=float(radius),
        picture=picture,
        opening=opening > 0,
    )


def _contrast(
    value: Float[np.ndarray, "height width"], inside: Float[np.ndarray, "height width"], radius: float
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """By how much the ring around a disc at each pixel is brighter than the disc, within the opening.

    The second is the root of n m / (n + m) for the numbers of pixels in both, against the most there could
    be: contrast times it is what a test of the two means would go by.
    """
    reach = int(np.ceil(1.5 * radius))
    steps = np.arange(-reach, reach + 1)
    distance = np.hypot(steps, steps[:, None])
    disc = (distance <= 0.95 * radius).astype(np.float32)
    ring = ((distance > 1.05 * radius) & (distance <= 1.5 * radius)).astype(np.float32)
    # Both sums at once: how many pixels there are, and what they are worth together.
    both = np.dstack([inside, value * inside])

    def totals(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Through Fourier transforms: sums of nothing come out a little below zero.
        summed = cv2.filter2D(both, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT).clip(0)
        return summed[..., 0], summed[..., 1]

    (disc_area, disc_sum), (ring_area, ring_sum) = totals(disc), totals(ring)
    contrast = ring_sum / np.maximum(ring_area, 1) - disc_sum / np.maximum(disc_area, 1)
    share = np.sqrt(disc_area * ring_area / np.maximum(disc_area + ring_area, 1))
    share /= np.sqrt(disc.sum() * ring.sum() / (disc.sum() + ring.sum()))
    enough = (disc_area > 0.2 * disc.sum()) & (ring_area > 0.1 * ring.sum())
    return np.where(enough, contrast, -1.0), share


def _iris_colour(iris: Iris) -> Float[np.ndarray, " 3"]:
    """Albedo of the iris: its median without pupil, highlights and the lid's shadow, against the white."""
    picture, opening, centre, radius = iris.picture, iris.opening, iris.centre_picture, iris.radius_picture
    y, x = np.mgrid[:_SIZE, :_SIZE]
    distance = np.hypot(x - centre[0], y - centre[1])
    ring = opening & (distance > 0.45 * radius) & (distance < 0.85 * radius) & (y > centre[1] - 0.3 * radius)
    white = opening & (distance > 1.15 * radius)
    value = picture.mean(2)
    colour = (
        np.median(picture[ring & (value <= np.quantile(value[ring], 0.8))], 0)
        if ring.any()
        else picture.mean((0, 1))
    )
    brightest = (
        picture[white & (value >= np.quantile(value[white], 0.6))] if white.any() else picture.reshape(-1, 3)
    )
    # Grey: the tint of the white is that of its vessels and of reflexes of the skin rather than the light's.
    light = np.clip(np.median(brightest, 0).mean() / WHITE_ALBEDO, 0.25, 1.2)
    return np.clip(colour / light, 0.02, 0.8)


def _eye_to_photo(
    middle_photo: Float[np.ndarray, " 2"],
    centre: Float[Tensor, "3"],
    radius: float,
    parameters: Parameters,
    crop: Crop,
) -> Float[np.ndarray, "3 3"]:
    """T_photo_eye from the pixels of the eye's picture, whose axes are the head frame's x and -y."""
    corners = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]) * radius + centre.float()
    origin, right, down = vertices_in_photo(corners[None], parameters.camera, crop)[:, :2].double().numpy()
    linear = np.stack([right - origin, down - origin], 1) * (_REACH / _SIZE)
    T = np.eye(3)
    T[:2, :2] = linear
    T[:2, 2] = middle_photo - linear @ np.full(2, _SIZE / 2)
    return T


def _together(
    gazes: list[Float[np.ndarray, " 2"] | None], config: EyesConfig
) -> list[Float[np.ndarray, " 3"]]:
    """Directions of both eyes in the head frame from their sines across and up: nearly the same."""
    angles = [None if gaze is None else np.arcsin(np.clip(gaze, -0.95, 0.95)) for gaze in gazes]
    common = np.mean([angle for angle in angles if angle is not None], 0)
    directions = []
    for angle in angles:
        own = (
            common
            if angle is None
            else common + np.clip(angle - common, -config.largest_difference, config.largest_difference)
        )
        x, y = np.sin(own)
        directions.append(np.array([x, y, np.sqrt(max(1e-6, 1 - x * x - y * y))]))
    return directions


def _turn(
    direction: Float[np.ndarray, " 3"], T_head_parent: Float[Tensor, "3 3"], config: EyesConfig
) -> Float[Tensor, "3"]:
    """Axis-angle that turns the eye's axis, +z in its parent's frame, into a direction of the head frame."""
    target = T_head_parent.double().T @ torch.from_numpy(direction)
    axis = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0]).double(), target)
    angle = torch.atan2(axis.norm(), target[2]).clamp_max(config.largest_turn)
    return (torch.nn.functional.normalize(axis, dim=0, eps=1e-12) * angle).float()
