"""The first pass over a video: every face followed, its points kept on disk, its best frames in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from deca.apps.stream import ahead
from deca.fitting.landmarks import DENSE_OUTLINE
from deca.photo.crop import crop_image, landmark_crop
from deca.photo.face_area import face_size
from deca.photo.faces import FoundFace
from deca.photo.follow import FaceFollower
from deca.photo.sampling import LUMA, Photo, transform_points

MOST_SAMPLES = 12
"""So many frames of a track are kept as pictures."""
_SAMPLE_EVERY = 4
_COLOUR_SIZE = 72
_SHARP_SIZE = 128
_GOOD_SIZE = 200.0
# Faces whose colours at their points go together like this are one person's: so do 98 of 100 pairs of a
# neutral and a smiling photo, and one of ten pairs of different people.
_SAME_PERSON = 0.8
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
    """One face in consecutive frames, from frame number `first` on; its points lie in a file of float32."""

    first: int
    file: Path
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

    The points go into files of `folder`; memory holds MOST_SAMPLES frames of each track.
    """
    tracks: dict[int, Track] = {}
    times: list[float] = []
    size = (0, 0)
    for number, (time, photo) in enumerate(ahead(frames)):
        times.append(time)
        size = (photo.shape[1], photo.shape[0])
        for face in follower.step(photo):
            if face.track not in tracks:
                tracks[face.track] = Track(number, folder / f"track_{face.track}.f32")
            track = tracks[face.track]
            with track.file.open("ab") as stream:
                face.found.dense468.astype(np.float32).tofile(stream)
            track.length += 1
            if (track.length - 1) % _SAMPLE_EVERY == 0:
                _look(track, photo, face.found)
    return list(tracks.values()), np.array(times), size


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
