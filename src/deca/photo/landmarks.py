"""The 468 points of a face: a network on an upright square around it, run again where its own points say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from deca.photo.depth import FaceDepths
from deca.photo.detect import Detection, Network
from deca.photo.sampling import Affine, Photo, sample_smoothly, scaling, transform_points, translation

INPUT_SIZE = 192
REGION_SCALE = 1.5
MAX_REFINEMENTS = 4
SETTLED_TURN = np.deg2rad(10)
# Outer corners of the subject's right and left eye among the 468 points.
RIGHT_EYE, LEFT_EYE = 33, 263


@dataclass(frozen=True)
class FaceRegion:
    """A square around a face in a photo: centre and side in pixels, and its clockwise turn in radians."""

    centre: Float[np.ndarray, " 2"]
    side: float
    angle: float

    def T_photo_region(self, size: int) -> Affine:
        """The map from the square drawn with `size` pixels a side to the photo."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        centred = scaling(self.side / size) @ turn @ translation(-size / 2, -size / 2)
        return translation(*self.centre) @ centred


@dataclass(frozen=True)
class FaceLandmarks:
    """The 468 points of MediaPipe's face mesh in one photo.

    `points` are (x, y, z) in photo pixels (centres at half-integers); z is relative to the middle of the
    head, in the same unit, and smaller is nearer to the camera. `presence` in [0, 1] is the network's
    confidence that a face is there, `region` the square that it saw.
    """

    points: Float[np.ndarray, "468 3"]
    presence: float
    region: FaceRegion


@dataclass(frozen=True)
class Landmarker:
    """MediaPipe's face mesh (Kartynnik et al., Real-time Facial Surface Geometry, 2019).

    `network` gives points in input pixels and a presence logit; `mirror` is each point's mirror image;
    `depths` say how deep it takes faces to be.
    """

    network: Network
    mirror: Int[np.ndarray, " 468"]
    depths: FaceDepths


def mirror_indices(vertices: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, " vertex"]:
    """For each vertex of a face symmetric about x = 0, the vertex nearest to its mirror image."""
    mirrored = vertices * np.array([-1.0, 1.0, 1.0])
    return np.linalg.norm(mirrored[:, None] - vertices, axis=2).argmin(1)


def landmarks(photo: Photo, detection: Detection, landmarker: Landmarker) -> FaceLandmarks:
    """The face's points, from the detection first, then once more from the region that these points span.

    Where that turns the region a lot, as with faces lying on their side, it is done again, a few times.
    """
    found = landmarks_in_region(photo, region_of_detection(detection), landmarker)
    for _ in range(MAX_REFINEMENTS):
        region = region_of_points(found.points)
        turn = np.angle(np.exp(1j * (region.angle - found.region.angle)))
        found = landmarks_in_region(photo, region, landmarker)
        if abs(turn) < SETTLED_TURN:
            break
    return found


def region_of_detection(detection: Detection) -> FaceRegion:
    """The upright square around a detected box, enlarged as the network was trained."""
    box = detection.box
    side = REGION_SCALE * float(max(box[2] - box[0], box[3] - box[1]))
    return FaceRegion((box[:2] + box[2:]) / 2, side, _eye_angle(*detection.key_points[:2]))


def region_of_points(points: Float[np.ndarray, "468 axes"]) -> FaceRegion:
    """The upright square around a face's points, enlarged as the network was trained."""
    angle = _eye_angle(points[RIGHT_EYE, :2], points[LEFT_EYE, :2])
    cosine, sine = np.cos(angle), np.sin(angle)
    T_photo_upright = np.array([[cosine, -sine], [sine, cosine]])
    upright = points[:, :2] @ T_photo_upright
    low, high = upright.min(0), upright.max(0)
    return FaceRegion(T_photo_upright @ ((low + high) / 2), REGION_SCALE * float((high - low).max()), angle)


def landmarks_in_region(photo: Photo, region: FaceRegion, landmarker: Landmarker) -> FaceLandmarks:
    """The face's points as the network sees them in one region and in its mirror image, averaged.

    The network leans a little to one side; the mean cannot. benchmarks/landmarks_london.py measures the gain.
    """
    T_photo_region = region.T_photo_region(INPUT_SIZE)
    picture = sample_smoothly(photo, T_photo_region, INPUT_SIZE, INPUT_SIZE).transpose(2, 0, 1)
    points, logits = landmarker.network(np.stack([picture, picture[:, :, ::-1]]))
    seen, mirrored = points.reshape(2, 468, 3).astype(np.float64)
    mirrored = mirrored[landmarker.mirror]
    mirrored[:, 0] = INPUT_SIZE - mirrored[:, 0]
    presence = float(1 / (1 + np.exp(-logits.astype(np.float64).mean())))
    return FaceLandmarks(transform_points(T_photo_region, (seen + mirrored) / 2), presence, region)


def _eye_angle(right: Float[np.ndarray, " 2"], left: Float[np.ndarray, " 2"]) -> float:
    x, y = left - right
    return float(np.arctan2(y, x))
