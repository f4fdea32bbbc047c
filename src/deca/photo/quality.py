"""How good a picture of a face is: its size, blur, exposure and turn, and how steady its points are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from deca.photo.face_area import FaceArea, face_size
from deca.photo.ibug import ibug68
from deca.photo.landmarks import FaceLandmarks, FaceRegion, Landmarker, landmarks_in_region
from deca.photo.sampling import LUMA, Photo
from deca.photo.turn import turned

# How the square of the second look differs from the first: moved along both axes, and larger, by its side.
_SHIFT, _ENLARGEMENT = 0.05, 1.06
_BLUR_LENGTH = 9
_BLACK, _WHITE = 4, 251  # of 255: darker and brighter is clipped
_LUMA = np.array(LUMA, np.float32)


@dataclass(frozen=True)
class Quality:
    """Measures of one picture of a face.

    `size` is that of the face in pixels of the photo (the root of its points' box). `blur` is 0 for a sharp
    and 1 for a wholly blurred picture, `exposure` the median luma of the face in [0, 1], `clipped` the
    share of its pixels that are black or white. `yaw` and `pitch` are the head's turn in degrees: yaw to
    the subject's left, pitch down. `occlusion` is the share of the face's skin that is covered,
    `disagreement` how far its points are from those of a second look (mean), in sizes of the face; `rival`
    is the area of the next larger face in the photo, over this one's.
    """

    size: float
    blur: float
    exposure: float
    clipped: float
    yaw: float
    pitch: float
    occlusion: float
    disagreement: float
    rival: float


def disagreement(photo: Photo, found: FaceLandmarks, landmarker: Landmarker) -> float:
    """How far the 68 points move when the network sees the face in a square that is shifted and larger.

    Mean distance, in sizes of the face. Where the network sees what it knows it hardly moves; where it
    guesses (profiles, hands, no face) it does.
    """
    region = found.region
    turn = np.array(
        [[np.cos(region.angle), -np.sin(region.angle)], [np.sin(region.angle), np.cos(region.angle)]]
    )
    shifted = region.centre + turn @ np.full(2, _SHIFT * region.side)
    again = landmarks_in_region(
        photo, FaceRegion(shifted, _ENLARGEMENT * region.side, region.angle), landmarker
    )
    first, second = ibug68(found.points)[:, :2], ibug68(again.points)[:, :2]
    return float(np.linalg.norm(second - first, axis=1).mean()) / face_size(found.points)


def blur(picture: UInt8[np.ndarray, "height width 3"]) -> float:
    """How blurred a picture is, from 0 (sharp) to 1, without a sharp one to compare with.

    The blur effect (Crete et al., The blur effect: perception and estimation with a new no-reference
    perceptual blur metric, 2007): how much of the neighbours' differences outlives a further blur, along
    the worse axis.
    """
    luma = picture.astype(np.float32) @ _LUMA
    worst = 0.0
    for axis in (0, 1):
        kernel = (1, _BLUR_LENGTH) if axis == 0 else (_BLUR_LENGTH, 1)
        blurred = cv2.blur(luma, kernel, borderType=cv2.BORDER_REFLECT)
        sharp = np.abs(np.diff(luma, axis=axis))
        lost = np.maximum(0, sharp - np.abs(np.diff(blurred, axis=axis)))
        total = float(sharp.sum())
        worst = max(worst, (total - float(lost.sum())) / total if total > 0 else 1.0)
    return worst


def exposure(picture: UInt8[np.ndarray, "height width 3"], area: FaceArea) -> tuple[float, float]:
    """Median luma of the face in [0, 1], and the share of it that is clipped, in a picture of its area."""
    face = picture[area.face].astype(np.float32) @ _LUMA
    if not len(face):
        return 0.0, 1.0
    return float(np.median(face)) / 255, float(((face < _BLACK) | (face > _WHITE)).mean())


def yaw_and_pitch(
    points: Float[np.ndarray, "468 3"], canonical: Float[np.ndarray, "468 3"]
) -> tuple[float, float]:
    """The turn of a head in degrees, by its points (x right, y down, small z near) and a face looking ahead.

    Positive yaw is to the subject's left, positive pitch down: R = R_y(yaw) R_x(pitch) R_z(roll), from the
    head frame, is the rotation that lays the canonical face over the points.
    """
    R, _ = turned(points, canonical)
    return float(np.degrees(np.arctan2(R[0, 2], R[2, 2]))), float(
        np.degrees(np.arcsin(np.clip(-R[1, 2], -1, 1)))
    )
