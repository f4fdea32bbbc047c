"""Faces followed from frame to frame: each one's points lead the landmark network to it in the next frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from deca.photo.detect import Network, detect, overlap, whole_view
from deca.photo.faces import PRESENCE_THRESHOLD, SAME_FACE_OVERLAP, FoundFace, network_faces
from deca.photo.landmarks import FaceLandmarks, Landmarker, landmarks, landmarks_in_region, region_of_points
from deca.photo.sampling import Photo, sample_luma_smoothly

# A face that is followed may be less sure than one that is found: turned away, blurred, half covered.
_FOLLOWED_PRESENCE = 0.7
# So often the whole picture is searched for faces that came in.
_SEARCH_EVERY = 12
# Thumbnails of one shot differ by less (mean, grey levels); those of a cut by more.
_THUMBNAIL, _CUT = (48, 27), 38.0
# A face drawn small goes together with itself in the next frame (correlation); another face at its place
# does not.
_PATCH, _SAME_FACE = 24, 0.8
# A face moves by at most so many of its sizes from frame to frame; what jumps further is another one.
_LARGEST_JUMP = 0.6


@dataclass(frozen=True)
class FollowedFace:
    """One face of one frame as the networks see it; `track` is the number of the continuous stretch that it
    belongs to."""

    track: int
    found: FoundFace


class FaceFollower:
    """Follows all faces of a video, frame after frame; a cut, a gap and a doubtful frame end a track.

    Tracks are numbered from 0 in the order in which they begin. Every frame costs one run of the landmark
    network for each face, and every twelfth a search for new ones.
    """

    def __init__(self, detector: Network, landmarker: Landmarker) -> None:
        self._detector, self._landmarker = detector, landmarker
        self.depths = landmarker.depths
        self._tracks: dict[int, FoundFace] = {}
        self._patches: dict[int, Float[np.ndarray, " pixel"]] = {}
        self._begun = 0
        self._frame = 0
        self._thumbnail: UInt8[np.ndarray, "height width 3"] | None = None

    def step(self, photo: Photo) -> list[FollowedFace]:
        """The faces of the next frame."""
        cut = self._is_cut(photo)
        if cut:
            self._tracks = {}
        followed: dict[int, FoundFace] = {}
        for track, face in self._tracks.items():
            again = self._again(photo, track, face)
            if again is not None and not _covered(again, followed.values()):
                followed[track] = again
        self._tracks = followed
        self._patches = {track: self._patches[track] for track in followed}
        if cut:
            new = network_faces(photo, self._detector, self._landmarker)
        elif self._frame % _SEARCH_EVERY == 0 or not followed:
            new = self._search(photo)
        else:
            new = []
        for face in new:
            if not _covered(face, self._tracks.values()):
                self._tracks[self._begun] = face
                self._patches[self._begun] = self._patch(photo, face.landmarks)
                self._begun += 1
        self._frame += 1
        return [FollowedFace(track, face) for track, face in self._tracks.items()]

    def _again(self, photo: Photo, track: int, face: FoundFace) -> FoundFace | None:
        """A face where it was in the frame before, or a little beside it."""
        found = landmarks_in_region(photo, region_of_points(face.landmarks.points), self._landmarker)
        if found.presence < _FOLLOWED_PRESENCE:
            return None
        before, now = face.box, FoundFace.as_seen(face.detection, found).box
        jump = np.abs((now[:2] + now[2:]) / 2 - (before[:2] + before[2:]) / 2).max()
        sizes = (now - before)[2:] - (now - before)[:2]
        size = float((before[2:] - before[:2]).max())
        patch = self._patch(photo, found)
        last, self._patches[track] = self._patches.get(track, patch), patch
        if float(np.corrcoef(patch, last)[0, 1]) < _SAME_FACE:
            return None
        if jump > _LARGEST_JUMP * size or np.abs(sizes).max() > _LARGEST_JUMP * size:
            return None
        return FoundFace.as_seen(face.detection, found)

    def _patch(self, photo: Photo, found: FaceLandmarks) -> Float[np.ndarray, " pixel"]:
        """The luma of a face, upright and small."""
        T_photo_region = region_of_points(found.points).T_photo_region(_PATCH)
        return sample_luma_smoothly(photo, T_photo_region, _PATCH, _PATCH).ravel()

    def _search(self, photo: Photo) -> list[FoundFace]:
        """Faces that one look at the whole picture shows."""
        height, width = photo.shape[:2]
        found: list[FoundFace] = []
        for detection in detect(photo, [whole_view(height, width)], self._detector):
            if any(overlap(detection.box, face.box[None])[0] > 0.1 for face in self._tracks.values()):
                continue
            face = FoundFace.as_seen(detection, landmarks(photo, detection, self._landmarker))
            if face.landmarks.presence >= PRESENCE_THRESHOLD and not _covered(face, found):
                found.append(face)
        return found

    def _is_cut(self, photo: Photo) -> bool:
        """Whether the picture is another one than before as a whole; the first one is."""
        # Every few pixels are enough for a mean of many, and much faster.
        width, height = _THUMBNAIL
        few = cv2.resize(photo, (4 * width, 4 * height), interpolation=cv2.INTER_NEAREST)
        small = cv2.resize(few, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, small
        return before is None or float(np.abs(small.astype(np.int16) - before).mean()) > _CUT


def _covered(face: FoundFace, others) -> bool:
    boxes = np.array([other.box for other in others]).reshape(-1, 4)
    return bool((overlap(face.box, boxes) > SAME_FACE_OVERLAP).any())
