"""All the faces of a photo with their landmarks: the one call that the rest of the system makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from deca.photo.detect import Detection, Network, detect, distant_view, near_views, overlap, whole_view
from deca.photo.ibug import ibug68
from deca.photo.landmarks import FaceLandmarks, Landmarker, landmarks
from deca.photo.mouth import see_mouth, with_lips
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
    """One face of a photo: where the detector saw it and where its points are, in photo pixels.

    `teeth_together` in [0, 1] says how surely the teeth are; 0 where nothing is known.
    """

    detection: Detection
    landmarks: FaceLandmarks
    teeth_together: float = 0.0

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


def find_faces(photo: Photo, detector: Network, landmarker: Landmarker) -> list[FoundFace]:
    """Every face of a photo, from the viewer's left to right; an empty list when there is none.

    As `network_faces`, with their mouths as the pixels show them.
    """
    return [with_mouth(photo, face) for face in network_faces(photo, detector, landmarker)]


def network_faces(photo: Photo, detector: Network, landmarker: Landmarker) -> list[FoundFace]:
    """Every face of a photo as the networks alone see it, from the viewer's left to right.

    Mostly one look at the whole photo is enough. Where it shows a small face or none, it is seen from
    nearer and farther too. Where no face is beyond doubt, it is also seen lying on its sides and upside down,
    because an upside-down face can pass for an upright one, with less presence than the right way up.
    """
    height, width = photo.shape[:2]

    def look(views: Sequence[Affine]) -> list[FoundFace]:
        detections = detect(photo, views, detector)
        return [FoundFace(detection, landmarks(photo, detection, landmarker)) for detection in detections]

    whole = whole_view(height, width)
    faces = _distinct(look([whole]))
    if not faces or any(face.box[3] - face.box[1] < SMALL_FACE * max(height, width) for face in faces):
        faces = _distinct(faces + look([whole, distant_view(height, width), *near_views(height, width)]))
    if all(face.landmarks.presence < SURE_PRESENCE for face in faces):
        turned = [face for turns in (1, 2, 3) for face in look([whole_view(height, width, turns)])]
        faces = _distinct(faces + turned)
    faces = [face for face in faces if face.landmarks.presence >= PRESENCE_THRESHOLD]
    return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


def with_mouth(photo: Photo, face: FoundFace) -> FoundFace:
    """A face as the networks see it, with its mouth as the pixels show it (`deca.photo.mouth`)."""
    mouth = see_mouth(photo, face.dense468)
    points = with_lips(face.dense468, mouth)
    return replace(
        face, landmarks=replace(face.landmarks, points=points), teeth_together=mouth.teeth_together
    )


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
