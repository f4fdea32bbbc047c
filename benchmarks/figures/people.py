"""The photos of people held back from training, with their faces found; and the folder where work is kept."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deca.io.files import whole_file
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.detect import Detection
from deca.photo.faces import FoundFace, corrected, find_faces, largest_face
from deca.photo.landmarks import FaceLandmarks, region_of_points
from deca.photo.sampling import Photo
from deca.training.split import held_back

PROJECT = Path(__file__).parents[2]
PHOTOS = PROJECT.parent / "shared" / "photos"
KEPT = PROJECT / "build" / "quality"
"""What is made once and kept between runs; `python benchmarks/quality.py --prepare` fills it."""
# iBUG index -> index among the 189 manual points, for the 14 places that are exactly the same.
PLACES = {
    **{8: 129, 33: 55, 36: 18, 39: 22, 42: 23, 45: 27, 48: 87},
    **{50: 89, 51: 90, 52: 91, 54: 93, 57: 106, 62: 96, 66: 101},
}


@dataclass(frozen=True)
class Person:
    """One photo of a person who is held back: a row of the manifest."""

    file: str
    identity: str
    note: str
    width: int

    @property
    def key(self) -> str:
        """The photo's name among the files that are kept."""
        return self.file.replace("/", "_").rsplit(".", 1)[0]

    def photo(self) -> Photo:
        """The photo."""
        return read_photo(PHOTOS / self.file)

    def found(self) -> FoundFace | None:
        """The face of the photo, None where the detector finds none."""
        path = KEPT / f"found-{code_version('photo/*.py')}" / f"{self.key}.npz"
        points = kept_arrays(path, lambda: {"points": _found_points(self.photo())})["points"]
        return found_again(self.photo(), points) if len(points) else None

    def manual_points(self) -> Float[np.ndarray, "14 2"]:
        """The 14 manual points of a neutral photo, in the order of `PLACES`."""
        path = (PHOTOS / self.file).with_suffix(".points189.json")
        return np.array(json.loads(path.read_text()))[list(PLACES.values())]


@cache
def held_back_photos(folder: str) -> tuple[Person, ...]:
    """The photos of one folder of ../shared/photos whose people are held back, in the manifest's order."""
    with open(PHOTOS / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [
            Person(row["file"], row["identity"], row["note"], int(row["width"]))
            for row in csv.DictReader(file)
        ]
    return tuple(row for row in rows if row.file.startswith(f"{folder}/") and held_back(row.identity))


def london(note: str) -> list[Person]:
    """The held-back photos of the London set: "neutral" or "smiling", in one order."""
    return [person for person in held_back_photos("london") if person.note == note]


def find_face(photo: Photo) -> FoundFace | None:
    """The largest face of a photo, None where the detector finds none."""
    faces = find_faces(photo, face_detector(), face_landmarker())
    return largest_face(faces) if faces else None


def face_of(points: Float[np.ndarray, "468 3"]) -> FoundFace:
    """A found face of its 468 points alone, all that fitting and networks read of it."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    detection = Detection(np.concatenate([low, high]), np.zeros((6, 2)), 1.0)
    return FoundFace.as_seen(detection, FaceLandmarks(points, 1.0, region_of_points(points)))


def found_again(photo: Photo, points: Float[np.ndarray, "468 3"]) -> FoundFace:
    """A face whose points, as the network sees them, were kept: they are corrected anew."""
    return corrected(photo, face_of(points), face_landmarker().depths)


def kept_arrays(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a kept file, made first where it is not there."""
    if not path.is_file():
        arrays = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@cache
def code_version(*patterns: str) -> str:
    """A short name of some files of the package, with head and face networks: what is kept goes by it.

    The patterns are those of files under src/deca.
    """
    source = PROJECT / "src" / "deca"
    wanted = (*patterns, "data/face_*", "data/default_head.npz")
    paths = [path for pattern in wanted for path in sorted(source.glob(pattern))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:8]


def _found_points(photo: Photo) -> Float[np.ndarray, "point 3"]:
    face = find_face(photo)
    return face.landmarks.points if face else np.zeros((0, 3))
