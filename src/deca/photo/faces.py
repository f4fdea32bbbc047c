"""All the faces of a photo with their landmarks: the one call that the rest of the system makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deca.photo.detect import Detection, Network, detect, overlap
from deca.photo.ibug import ibug68
from deca.photo.landmarks import FaceLandmarks, landmarks
from deca.photo.sampling import Photo

PRESENCE_THRESHOLD = 0.5
SAME_FACE_OVERLAP = 0.3


@dataclass(frozen=True)
class FoundFace:
    """One face of a photo: where the detector saw it and where its points are, in photo pixels."""

    detection: Detection
    landmarks: FaceLandmarks

    @property
    def dense468(self) -> Float[np.ndarray, "468 3"]:
        """The 468 points (x, y, z); smaller z is nearer."""
        return self.landmarks.points

    @property
    def ibug68(self) -> Float[np.ndarray, "68 3"]:
        """The 68 iBUG points (x, y, z), derived from the 468."""
        return ibug68(self.landmarks.points)

    @property
    def box(self) -> Float[np.ndarray, " 4"]:
        """Left, top, right, bottom of the 468 points."""
        points = self.landmarks.points[:, :2]
        return np.concatenate([points.min(0), points.max(0)])

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        return float((self.box[2:] - self.box[:2]).prod())


def find_faces(photo: Photo, detector: Network, landmarker: Network) -> list[FoundFace]:
    """Every face of a photo, from the viewer's left to right; an empty list when there is none.

    Where the upright photo shows no face, it is looked at lying on its sides and upside down.
    """
    for quarter_turns in (0, 1, 3, 2):
        found = [
            FoundFace(detection, landmarks(photo, detection, landmarker))
            for detection in detect(photo, detector, quarter_turns=quarter_turns)
        ]
        faces = _distinct([face for face in found if face.landmarks.presence >= PRESENCE_THRESHOLD])
        if faces:
            return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))
    return []


def largest_face(faces: list[FoundFace]) -> FoundFace:
    """The face that covers the largest part of the photo; `faces` holds at least one."""
    return max(faces, key=lambda face: face.area)


def _distinct(faces: list[FoundFace]) -> list[FoundFace]:
    """Of faces whose points cover each other, the one that the landmark network is surest of."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda face: -face.landmarks.presence):
        boxes = np.array([other.box for other in kept]).reshape(-1, 4)
        if not (overlap(face.box, boxes) > SAME_FACE_OVERLAP).any():
            kept.append(face)
    return kept
