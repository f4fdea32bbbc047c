"""All the faces of a photo with their landmarks: the one call that the rest of the system makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from deca.photo.depth import FaceDepths
from deca.photo.detect import Detection, Network, detect, distant_view, near_views, overlap, whole_view
from deca.photo.ibug import ibug68
from deca.photo.landmarks import FaceLandmarks, Landmarker, landmarks
from deca.photo.mouth import see_mouth, with_lips
from deca.photo.mouth_corners import with_corners
from deca.photo.sampling import Affine, Photo

PRESENCE_THRESHOLD = 0.99
# Faces seen the wrong way up hardly ever reach this, upright sharp ones always do.
SURE_PRESENCE = 1 - 1e-6
# Height over the photo's longer side. The detector begins to miss faces at a quarter of this, and where there
# is one there may be others farther away.
SMALL_FACE = 0.2
SAME_FACE_OVERLAP = 0.3


@dataclass(frozen=True)
class FoundFace:
    """One face of a photo: where the networks saw it and where its points are, in photo pixels.

    `landmarks` are as the landmark network sees them, `dense468` (x, y, z; smaller z is nearer) where they
    lie on the face. `teeth_together` in [0, 1] says how surely the teeth are; 0 where nothing is known.
    """

    detection: Detection
    landmarks: FaceLandmarks
    dense468: Float[np.ndarray, "468 3"]
    teeth_together: float = 0.0

    @classmethod
    def as_seen(cls, detection: Detection, landmarks: FaceLandmarks) -> FoundFace:
        """A face whose points are where the networks alone see them."""
        return cls(detection, landmarks, landmarks.points)

    @property
    def ibug68(self) -> Float[np.ndarray, "68 3"]:
        """The 68 iBUG points (x, y, z), derived from the 468."""
        return ibug68(self.dense468)

    @property
    def box(self) -> Float[np.ndarray, " 4"]:
        """Left, top, right, bottom of the 468 points."""
        points = self.landmarks.points[:, :2]
        return np.concatenate([points.min(0), points.max(0)])

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        return float((self.box[2:] - self.box[:2]).prod())


def find_faces(photo: Photo, detector: Network, landmarker: Landmarker) -> list[FoundFace]:
    """Every face of a photo, from the viewer's left to right; an empty list when there is none.

    As `network_faces`, and then `corrected`.
    """
    faces = network_faces(photo, detector, landmarker)
    return [corrected(photo, face, landmarker.depths) for face in faces]


def network_faces(photo: Photo, detector: Network, landmarker: Landmarker) -> list[FoundFace]:
    """Every face of a photo as the networks alone see it, from the viewer's left to right.

    Mostly one look at the whole photo is enough. Where it shows a small face or none, it is seen from
    nearer and farther too. Where no face is beyond doubt, it is also seen lying on its sides and upside down,
    because an upside-down face can pass for an upright one, with less presence than the right way up.
    """
    height, width = photo.shape[:2]

    def look(views: Sequence[Affine]) -> list[FoundFace]:
        detections = detect(photo, views, detector)
        return [
            FoundFace.as_seen(detection, landmarks(photo, detection, landmarker)) for detection in detections
        ]

    whole = whole_view(height, width)
    faces = _distinct(look([whole]))
    if not faces or any(face.box[3] - face.box[1] < SMALL_FACE * max(height, width) for face in faces):
        faces = _distinct(faces + look([whole, distant_view(height, width), *near_views(height, width)]))
    if all(face.landmarks.presence < SURE_PRESENCE for face in faces):
        turned = [face for turns in (1, 2, 3) for face in look([whole_view(height, width, turns)])]
        faces = _distinct(faces + turned)
    faces = [face for face in faces if face.landmarks.presence >= PRESENCE_THRESHOLD]
    return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


def corrected(photo: Photo, face: FoundFace, depths: FaceDepths) -> FoundFace:
    """A face as the networks see it, with its points where they lie on the face."""
    points, teeth_together = points_on_face(photo, face.landmarks, depths)
    return replace(face, dense468=points, teeth_together=teeth_together)


def points_on_face(
    photo: Photo, seen: FaceLandmarks, depths: FaceDepths
) -> tuple[Float[np.ndarray, "468 3"], float]:
    """The network's points without what it assumes of the face's depth (`deca.photo.depth`) and with the
    mouth as the pixels show it (`deca.photo.mouth`, `mouth_corners`); and how surely the teeth are
    together."""
    points = depths.corrected(seen.points)
    mouth = see_mouth(photo, points)
    return with_corners(photo, with_lips(points, mouth)), mouth.teeth_together


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
