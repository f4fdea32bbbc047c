"""A photo or video of a training set in two steps: read it; make of its face what a shard holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from deca.apps.errors import UsageError
from deca.apps.photo_table import PhotoSource
from deca.apps.prepare_options import PrepareOptions, QualityLimits
from deca.apps.prepare_truth import Truth, read_truth
from deca.io.face_mesh import face_mesh
from deca.io.images import PhotoError, read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.io.segmenters import Segmenter, open_segmenter
from deca.io.shard_members import EncodedFace, StoredFace, encode_face
from deca.io.videos import VIDEO_SUFFIXES, sharpest_frames
from deca.photo.crop import LANDMARK_MARGIN, Crop, square_crop
from deca.photo.face_area import FaceArea, face_area, face_size
from deca.photo.faces import FoundFace, find_faces
from deca.photo.quality import Quality, blur, disagreement, exposure, yaw_and_pitch
from deca.photo.sampling import Photo, sample_smoothly, transform_points
from deca.photo.skin_mask import WORK_SIZE, occlusion, skin_mask

STORED_MARGIN = 2.0
"""The stored square is so many times the box of the landmarks (which is enlarged by LANDMARK_MARGIN)."""
_KEY_STEM = 60


@dataclass(frozen=True)
class Drop:
    """A photo or frame that is not used: which measure or lack is the reason, and a sentence of it."""

    photo: str
    reason: str
    said: str
    quality: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What became of a photo or video: its faces, what was dropped, or the error that it failed with."""

    name: str
    faces: Sequence[EncodedFace] = ()
    drops: Sequence[Drop] = ()
    error: str | None = None


@dataclass(frozen=True)
class ReadPhoto:
    """The pictures of a photo or video with their names, or the error that it failed with."""

    source: PhotoSource
    pictures: Sequence[tuple[str, Photo]] = ()
    truth: Truth | None = None
    error: str | None = None


class FacePreparation:
    """Both steps for the photos of one run. Each may be called from several threads at once."""

    batch_size = 1

    def __init__(self, options: PrepareOptions) -> None:
        self.options = options
        self._segmenter = _segmenter(options)

    def read(self, source: PhotoSource) -> ReadPhoto:
        """Read a photo, or the frames of a video; whatever goes wrong is its error."""
        path = self.options.folder / source.name
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                frames = sharpest_frames(path, self.options.frames)
                return ReadPhoto(source, [(f"{source.name}#{number}", pixels) for number, pixels in frames])
            truth = read_truth(path, self.options.truth) if self.options.truth else None
            return ReadPhoto(source, [(source.name, read_photo(path))], truth)
        except (PhotoError, FileNotFoundError) as error:
            return ReadPhoto(source, error=str(error))
        except Exception as error:
            return ReadPhoto(source, error=_unforeseen(path, error))

    def finish(self, batch: Sequence[ReadPhoto]) -> list[Prepared]:
        """Find the faces and make of them what a shard holds; one result a photo, in their order."""
        return [self._finish(photo) for photo in batch]

    def _finish(self, photo: ReadPhoto) -> Prepared:
        name = photo.source.name
        if photo.error is not None:
            return Prepared(name, error=photo.error)
        faces: list[EncodedFace] = []
        drops: list[Drop] = []
        try:
            for picture, pixels in photo.pictures:
                made = self._face(picture, pixels, photo)
                if isinstance(made, Drop):
                    drops.append(made)
                else:
                    faces.append(encode_face(made))
        except Exception as error:
            return Prepared(name, error=_unforeseen(self.options.folder / name, error))
        return Prepared(name, faces, drops)

    def _face(self, name: str, photo: Photo, read: ReadPhoto) -> StoredFace | Drop:
        found = sorted(
            find_faces(photo, face_detector(), face_landmarker()), key=lambda face: face.area, reverse=True
        )
        if not found:
            return Drop(name, "no face", "no face found")
        crop = stored_crop(found[0], self.options.size)
        image = np.rint(sample_smoothly(photo, crop.T_photo_crop, crop.size, crop.size) * 255).astype(
            np.uint8
        )
        points = transform_points(crop.T_crop_photo, found[0].dense468)
        area = face_area(points, face_mesh(), crop.size, WORK_SIZE)
        mask = skin_mask(image, area) if self._segmenter is None else self._segmenter(image, area)
        quality = _quality(photo, found, image, area, mask)
        if drop := beyond_limits(name, quality, self.options):
            return drop
        about: dict[str, Any] = {
            "identity": read.source.identity,
            "photo": name,
            "source": read.source.source,
            "licence": read.source.licence,
            "quality": _rounded(quality),
            "T_photo_crop": crop.T_photo_crop.tolist(),
            **read.source.more,
        }
        truth = read.truth
        if truth is not None:
            about["head"] = truth.head
        return StoredFace(
            key=sample_key(name),
            image=image,
            skin=mask,
            landmarks=transform_points(crop.T_crop_photo, found[0].ibug68)[:, :2].astype(np.float32),
            dense_landmarks=points[:, :2].astype(np.float32),
            about=about,
            truth=None if truth is None else truth.in_square(photo, crop),
            displacement=None if truth is None else truth.displacement,
        )


def stored_crop(face: FoundFace, size: int) -> Crop:
    """The square that a shard keeps of a face: twice that of its landmarks, around their box's centre."""
    landmarks = face.ibug68[:, :2]
    low, high = landmarks.min(0), landmarks.max(0)
    return square_crop((low + high) / 2, float((high - low).mean()) * LANDMARK_MARGIN * STORED_MARGIN, size)


def sample_key(name: str) -> str:
    """A sample's key: readable letters of its photo's name, and a number that tells like names apart."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", re.sub(r"\.[A-Za-z0-9]+(?=$|#)", "", name)).strip("-")
    return f"{readable[-_KEY_STEM:]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def beyond_limits(photo: str, quality: Quality, limits: QualityLimits) -> Drop | None:
    """Why a face is dropped, by the first limit that its quality passes; None where it is within all."""
    values = asdict(quality)
    values["yaw"] = abs(quality.yaw)
    for limit in fields(QualityLimits):
        side, measure = limit.name.split("_")
        bound, value = getattr(limits, limit.name), values[measure]
        if value < bound if side == "least" else value > bound:
            said = f"{measure} is {value:.3g}, {'less' if side == 'least' else 'more'} than {bound:g}"
            return Drop(photo, measure, said, _rounded(quality))
    return None


def _quality(
    photo: Photo, found: Sequence[FoundFace], image: Photo, area: FaceArea, mask: np.ndarray
) -> Quality:
    face = found[0]
    median, clipped = exposure(area.of(image), area)
    yaw, pitch = yaw_and_pitch(face.landmarks.points, face_mesh().vertices)
    return Quality(
        size=face_size(face.dense468),
        blur=blur(image[area.top : area.bottom, area.left : area.right]),
        exposure=median,
        clipped=clipped,
        yaw=yaw,
        pitch=pitch,
        occlusion=occlusion(mask, area),
        disagreement=disagreement(photo, face.landmarks, face_landmarker()),
        rival=found[1].area / face.area if len(found) > 1 else 0.0,
    )


def _rounded(quality: Quality) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in asdict(quality).items()}


def _segmenter(options: PrepareOptions) -> Segmenter | None:
    if options.segmenter is None:
        if options.skin_classes:
            raise UsageError("--skin-classes: name the network that has these classes with --segmenter FILE")
        return None
    if not options.skin_classes:
        raise UsageError("--segmenter: say which of its classes are bare skin with --skin-classes")
    try:
        return open_segmenter(options.segmenter, options.skin_classes, options.segmenter_input)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None


def _unforeseen(photo: Path, error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{photo}: cannot be prepared ({type(error).__name__}: {said}); please report this"
