"""The pass over a video: faces followed, points and pictures kept on disk, the best frames in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from deca.apps.stream import ahead, in_order
from deca.io.picture_files import PictureFile
from deca.photo.crop import crop_image, landmark_crop
from deca.photo.dense_points import DENSE_OUTLINE
from deca.photo.face_area import face_size
from deca.photo.faces import FoundFace, corrected
from deca.photo.follow import FaceFollower, FollowedFace
from deca.photo.sampling import LUMA, Affine, Photo, scaling, transform_points, translation

MOST_SAMPLES = 12
"""So many frames of a track are kept as pictures."""
_SAMPLE_EVERY = 4
_COLOUR_SIZE = 72
_SHARP_SIZE = 128
_GOOD_SIZE = 200.0
# Faces whose colours at their points go together like this are one person's: so do 98 of 100 pairs of a
# neutral and a smiling photo, and one of ten pairs of different people.
_SAME_PERSON = 0.8
# Around the points, in sizes of the face: smoothed, they lie a little elsewhere.
_PICTURE_MARGIN = 0.12
_LARGEST_PICTURE = 640
"""Pixels along the longer side; larger ones are shrunk. An eye is then still 60 to 80 pixels wide."""
_INNER = np.setdiff1d(np.arange(468), DENSE_OUTLINE)
_DARKEST = 0.02


@dataclass(frozen=True)
class Sample:
    """A frame that shows a face well; `weight` by its size, its sharpness and how far it is turned."""

    weight: float
    photo: Photo
    found: FoundFace


@dataclass
class Track:
    """One face in consecutive frames, from frame number `first` on.

    Its points lie in a file of float32, and its pictures in `pictures`, for each of which
    `T_picture_frame` takes pixels of the frame to its own. `teeth_together` is that of each found face.
    """

    first: int
    file: Path
    pictures: PictureFile
    T_picture_frame: list[Affine] = field(default_factory=list)
    teeth_together: list[float] = field(default_factory=list)
    length: int = 0
    samples: list[Sample] = field(default_factory=list)
    colour: Float[np.ndarray, " value"] = field(default_factory=lambda: np.zeros(0))
    looks: int = 0
    size: float = 0.0

    def points(self) -> Float[np.ndarray, "frame 1404"]:
        """The 468 points (x, y, z) of every frame, in pixels, read as they are needed."""
        return np.memmap(self.file, np.float32, "r", shape=(self.length, 468 * 3))

    def new_points(self) -> Float[np.ndarray, "frame 1404"]:
        """Room for other points of the same frames, in a file beside."""
        return np.memmap(self.file.with_suffix(".new"), np.float32, "w+", shape=(self.length, 468 * 3))

    @property
    def last(self) -> int:
        """Number of the last frame."""
        return self.first + self.length - 1


def follow_faces(
    frames: Iterable[tuple[float, Photo]], follower: FaceFollower, folder: Path
) -> tuple[list[Track], Float[np.ndarray, " frame"], tuple[int, int]]:
    """Follow the faces of a video; the tracks, the time of every frame, and its (width, height).

    Points and pictures go into files of `folder`, about 25 kilobytes a frame for a face of 300 pixels;
    memory holds MOST_SAMPLES frames of each track.
    """
    tracks: dict[int, Track] = {}
    times: list[float] = []

    def followed() -> Iterator[tuple[int, Photo, list[FollowedFace]]]:
        for number, (time, photo) in enumerate(ahead(frames)):
            times.append(time)
            yield number, photo, follower.step(photo)

    def keep(seen: tuple[int, Photo, list[FollowedFace]]) -> tuple[int, int]:
        number, photo, faces = seen
        for face in faces:
            if face.track not in tracks:
                path = folder / f"track_{face.track}.f32"
                tracks[face.track] = Track(number, path, PictureFile(path.with_suffix(".jpegs")))
            _keep(tracks[face.track], photo, corrected(photo, face.found, follower.depths))
        return photo.shape[1], photo.shape[0]

    # A frame is kept while the next one is looked at.
    sizes = deque(in_order(keep, followed(), 1), maxlen=1)
    return list(tracks.values()), np.array(times), sizes[0] if sizes else (0, 0)


def _keep(track: Track, photo: Photo, found: FoundFace) -> None:
    """Take the next frame of a track."""
    with track.file.open("ab") as stream:
        found.dense468.astype(np.float32).tofile(stream)
    picture, T_picture_frame = _face_picture(photo, found.dense468)
    track.pictures.append(picture)
    track.T_picture_frame.append(T_picture_frame)
    track.teeth_together.append(found.teeth_together)
    if track.length % _SAMPLE_EVERY == 0:
        _look(track, photo, found)
    track.length += 1


def _face_picture(photo: Photo, points: Float[np.ndarray, "468 3"]) -> tuple[Photo, Affine]:
    """The pixels of a face as they are, shrunk where there are many, and the map to them from the frame's."""
    margin = _PICTURE_MARGIN * face_size(points)
    limit = np.array([photo.shape[1], photo.shape[0]])
    first = np.clip(np.floor(points[:, :2].min(0) - margin), 0, limit - 1).astype(int)
    last = np.clip(np.ceil(points[:, :2].max(0) + margin), first + 1, limit).astype(int)
    picture = photo[first[1] : last[1], first[0] : last[0]]
    scale = min(1.0, _LARGEST_PICTURE / max(picture.shape[:2]))
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture, scaling(scale) @ translation(-float(first[0]), -float(first[1]))


def _look(track: Track, photo: Photo, found: FoundFace) -> None:
    """Take a frame among the samples of a track, which stay spread over it, and its colours to the mean."""
    colour = _colours(photo, found)
    track.colour = colour if not track.looks else track.colour + (colour - track.colour) / (track.looks + 1)
    track.looks += 1
    track.size = max(track.size, face_size(found.dense468))
    track.samples.append(Sample(_weight(photo, found), photo, found))
    if len(track.samples) > MOST_SAMPLES:
        # The worse of the two neighbours that are the worst goes.
        pairs = [
            min(range(place, place + 2), key=lambda index: track.samples[index].weight)
            for place in range(0, len(track.samples) - 1, 2)
        ]
        del track.samples[min(pairs, key=lambda index: track.samples[index].weight)]


def _weight(photo: Photo, found: FoundFace) -> float:
    crop = landmark_crop(found.ibug68, _SHARP_SIZE, 1.0)
    picture = crop_image(photo, crop)[0].permute(1, 2, 0).numpy() @ np.array(LUMA, np.float32)
    sharp = float(cv2.Laplacian(picture, cv2.CV_32F).std())
    x, y, z = (found.dense468[263] - found.dense468[33]) / face_size(found.dense468)
    ahead_ = float(np.hypot(x, y) / max(1e-6, np.linalg.norm([x, y, z])))
    return sharp * min(1.0, face_size(found.dense468) / _GOOD_SIZE) * (0.3 + 0.7 * ahead_**4)


def _colours(photo: Photo, found: FoundFace) -> Float[np.ndarray, " value"]:
    """Logarithms of the colours at the inner points, less their mean: brows, beard, lips, spots."""
    crop = landmark_crop(found.ibug68, _COLOUR_SIZE)
    picture = crop_image(photo, crop)
    places = torch.from_numpy(transform_points(crop.T_image_photo, found.dense468[:, :2])).float()
    colours = torch.nn.functional.grid_sample(picture, places[None, None], align_corners=False)[0, :, 0].mT
    logarithms = np.log(colours.numpy()[_INNER] + _DARKEST)
    return (logarithms - logarithms.mean(0)).ravel()


def people_of(tracks: list[Track], least: int) -> list[list[Track]]:
    """Tracks of at least `least` frames by person, who is seen most first.

    A track joins the person whose colours go best with its own, unless both are seen at the same time.
    """
    people: list[list[Track]] = []
    for track in sorted(tracks, key=lambda one: -one.length):
        if track.length < least:
            continue
        best, likeness = None, _SAME_PERSON
        for person in people:
            if any(track.first <= other.last and other.first <= track.last for other in person):
                continue
            found = float(np.corrcoef(track.colour, _mean_colour(person))[0, 1])
            if found > likeness:
                best, likeness = person, found
        if best is None:
            people.append([track])
        else:
            best.append(track)
    people.sort(key=lambda person: -sum(track.length for track in person))
    return [sorted(person, key=lambda track: track.first) for person in people]


def _mean_colour(tracks: list[Track]) -> Float[np.ndarray, " value"]:
    return np.average([track.colour for track in tracks], 0, [track.length for track in tracks])
