"""From shards to FaceBatches: whose photos a step sees, cropped and varied; all follows from the seed and the
step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deca.head.data import HeadData
from deca.io.networks import dense_landmark_mirror
from deca.io.shards import ShardFolder, StoredFace
from deca.model.detail_decoder import MAP_SIZE
from deca.parameters import Parameters
from deca.photo.crop import LANDMARK_MARGIN, square_crop
from deca.photo.ibug import MIRROR
from deca.photo.sampling import Affine, sample_smoothly, transform_points, translation
from deca.render.camera import camera_in_part
from deca.training.augmentation import as_found, vary_picture
from deca.training.batch import FaceBatch, Truth
from deca.training.config import AugmentationConfig, ConfigError, TrainConfig
from deca.training.sampling import RingOrder
from deca.training.signals import deaf_processes
from deca.training.split import held_back

_DENSE = 468
# What sets the random numbers of a ring apart from those of its photos.
_RING, _PHOTO = 0, 1


@dataclass(frozen=True)
class TrainingFace:
    """One face as a training step sees it; the fields are those of a FaceBatch and its Truth, without
    batch."""

    image: Float[np.ndarray, "size size 3"]
    skin: Float[np.ndarray, "size size"]
    landmarks: Float[np.ndarray, "68 3"]
    dense_landmarks: Float[np.ndarray, "468 3"]
    found_points: Float[np.ndarray, "468 3"]
    truth: dict[str, np.ndarray] | None
    displacement: Float[np.ndarray, "map map"] | None


class FaceData(Dataset[FaceBatch]):
    """The batches of one process: item n is the n-th part of the training that it works on.

    A step's rings are shared out in rows: first among the accumulated parts, then among the `processes`, of
    which this is number `process`. Which faces a step sees, and how they are varied, depends on the seed
    alone.
    """

    def __init__(
        self,
        config: TrainConfig,
        folders: Sequence[ShardFolder],
        data: HeadData,
        size: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._config, self._folders, self._size = config, folders, size
        self._process, self._processes = process, processes
        self._head = data.name
        self._sizes: dict[str, Any] = {
            "shape": len(data.shape_basis),
            "expression": len(data.expression_basis),
            "albedo": len(data.albedo_basis),
        }
        self._rows = [_rows(folder, config.hold_back) for folder in folders]
        names = [
            folder.entries[row].identity
            for folder, rows in zip(folders, self._rows, strict=True)
            for row in rows
        ]
        _, numbers = np.unique(names, return_inverse=True)
        self._people = np.split(numbers, np.cumsum([len(rows) for rows in self._rows])[:-1])
        for folder in folders:
            for head in {entry.head for entry in folder.entries if entry.truth} - {data.name}:
                raise ConfigError(
                    f"{folder.path}: the truth is of head {head!r}, the training of {data.name!r}"
                )
        weights = list(config.shards.values())
        self._order = RingOrder(self._people, weights, config.photos_a_person, config.seed)

    @property
    def photos(self) -> list[int]:
        """How many faces of each folder are used."""
        return [len(rows) for rows in self._rows]

    def __getitem__(self, part: int) -> FaceBatch:
        """The faces of one part of a step, for this process."""
        config = self._config
        rings = config.faces // config.photos_a_person
        mine = rings // (config.accumulation * self._processes)
        step, slice_ = divmod(part, config.accumulation)
        first = step * rings + (slice_ * self._processes + self._process) * mine
        faces, people, names = [], [], []
        for number in range(first, first + mine):
            folder, photos = self._order[number]
            stored = self._folders[folder]
            entries = [int(self._rows[folder][photo]) for photo in photos]
            mirrored = self._mirrored(number, any(stored.entries[entry].truth for entry in entries))
            for place, (photo, entry) in enumerate(zip(photos, entries, strict=True)):
                random = np.random.default_rng([config.seed, number, place, _PHOTO])
                face = stored.read(entry)
                faces.append(training_face(face, self._size, config.augmentation, mirrored, random))
                self._check(faces[-1], names := [*names, f"{stored.path}/{face.key}"])
                people.append(int(self._people[folder][photo]))
        return self._batch(faces, people, names)

    def batches(self, first: int, last: int, workers: int) -> Iterator[FaceBatch]:
        """The parts from `first` to before `last`, read ahead by `workers` processes (0: none).

        The processes end when the iterator does, not before: a signal to all of a training leaves them at
        work until the loop has come to an end of its own.
        """
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            prefetch_factor=2 if workers else None,
            # A fork of a process that has threads may crash both.
            multiprocessing_context="spawn" if workers else None,
        )
        with deaf_processes():
            return iter(loader)

    def _mirrored(self, ring: int, known: bool) -> bool:
        random = np.random.default_rng([self._config.seed, ring, 0, _RING])
        return bool(random.random() < self._config.augmentation.flip) and not known

    def _check(self, face: TrainingFace, names: Sequence[str]) -> None:
        for name, size in self._sizes.items():
            if face.truth is not None and face.truth[name].shape != (size,):
                found = face.truth[name].shape
                raise ConfigError(
                    f"{names[-1]}: truth has {name} of shape {found}, head {self._head!r} has {size}"
                )

    def _batch(self, faces: Sequence[TrainingFace], people: list[int], names: Sequence[str]) -> FaceBatch:
        def stacked(arrays: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(arrays))

        rest = Parameters.neutral(**self._sizes)
        nothing = {field.name: np.zeros_like(getattr(rest, field.name)[0].numpy()) for field in fields(rest)}
        truth = {
            field.name: stacked(
                [nothing[field.name] if face.truth is None else face.truth[field.name] for face in faces]
            )
            for field in fields(Parameters)
            if field.name != "detail"
        }
        # Only the detail stage asks for displacements, which would be most of the bytes.
        size = MAP_SIZE if self._config.stage == "detail" else 1
        maps = [_resized(face.displacement, size) for face in faces]
        return FaceBatch(
            image=stacked([face.image.transpose(2, 0, 1) for face in faces]),
            skin=stacked([face.skin[None] for face in faces]),
            landmarks=stacked([face.landmarks for face in faces]),
            dense_landmarks=stacked([face.dense_landmarks for face in faces]),
            found_points=stacked([face.found_points for face in faces]),
            person=torch.tensor(people),
            names=tuple(names),
            ring=self._config.photos_a_person,
            truth=Truth(
                parameters=Parameters(**truth, detail=torch.zeros(len(faces), 0)),
                known=torch.tensor([face.truth is not None for face in faces]),
                displacement=stacked([map_[None] for map_ in maps]),
                displacement_known=torch.tensor([face.displacement is not None for face in faces]),
            ),
        )


def training_face(
    face: StoredFace,
    size: int,
    config: AugmentationConfig,
    mirrored: bool,
    random: np.random.Generator,
) -> TrainingFace:
    """A crop of `size` pixels of a stored face, its place and picture varied; all that is known follows.

    The crop is a square around the box of the landmarks, as in inference, larger and shifted at random (DECA,
    section 5; scale in place of 1.25).
    """
    scale = random.uniform(config.scale_least, config.scale_most)
    shift = random.uniform(-config.shift, config.shift, 2)
    T_stored_crop = _crop(face.landmarks, scale, shift, size)
    if mirrored:
        T_stored_crop = T_stored_crop @ translation(float(size), 0.0) @ np.diag([-1.0, 1.0, 1.0])
    picture = sample_smoothly(face.image, T_stored_crop, size, size)
    skin = _sampled(face.skin, T_stored_crop, size)
    picture, skin, gains = vary_picture(picture, skin, face.truth is not None, config, random)
    order = dense_landmark_mirror() if mirrored else np.arange(_DENSE)
    dense = _landmarks(face.dense_landmarks, T_stored_crop, size, order)
    found = dense
    if face.truth is not None:
        seen = face.found_points
        found = None if seen is None else _landmarks(seen, T_stored_crop, size, order)
        found = as_found(dense, found, face.truth["pose"], random)
    return TrainingFace(
        image=picture,
        skin=skin,
        landmarks=_landmarks(face.landmarks, T_stored_crop, size, MIRROR if mirrored else np.arange(68)),
        dense_landmarks=dense,
        found_points=found,
        truth=None if face.truth is None else _truth(face, T_stored_crop, size, gains),
        displacement=face.displacement,
    )


def _rows(folder: ShardFolder, hold_back: bool) -> Int[np.ndarray, " photo"]:
    """The faces of a folder that may be learnt from."""
    rows = [row for row, entry in enumerate(folder.entries) if not (hold_back and held_back(entry.identity))]
    if not rows:
        raise ConfigError(f"{folder.path}: no face to learn from; make some with `deca prepare`")
    return np.array(rows)


def _crop(
    landmarks: Float[np.ndarray, "68 2"], scale: float, shift: Float[np.ndarray, " 2"], size: int
) -> Affine:
    seen = landmarks[np.isfinite(landmarks).all(1)]
    low, high = seen.min(0), seen.max(0)
    box = float((high - low).mean()) * LANDMARK_MARGIN
    return square_crop((low + high) / 2 + shift * box, scale * box, size).T_photo_crop


def _sampled(weights: np.ndarray, T_stored_crop: Affine, size: int) -> Float[np.ndarray, "size size"]:
    """8-bit weights at the crop's pixel centres, in [0, 1], zero outside."""
    T = translation(-0.5, -0.5) @ T_stored_crop @ translation(0.5, 0.5)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(weights.astype(np.float32), T[:2], (size, size), flags=flags) / np.float32(255)


def _landmarks(
    landmarks: Float[np.ndarray, "point 2"], T_stored_crop: Affine, size: int, order: Int[np.ndarray, " all"]
) -> Float[np.ndarray, "all 3"]:
    """Points in the crop's image frame, sure where they are known and zero where not."""
    if not len(landmarks):
        return np.zeros((len(order), 3), np.float32)
    points = transform_points(np.linalg.inv(T_stored_crop), landmarks)[order] / size * 2 - 1
    known = np.isfinite(points).all(1, keepdims=True)
    return np.where(known, np.concatenate([points, np.ones((len(points), 1))], 1), 0).astype(np.float32)


def _truth(
    face: StoredFace, T_stored_crop: Affine, size: int, gains: Float[np.ndarray, " 3"]
) -> dict[str, np.ndarray]:
    """The parameters with the camera of the crop, and with the light that its colours ask for."""
    assert face.truth is not None
    T_crop_stored = np.linalg.inv(T_stored_crop)
    # From [-1, 1] over the stored square to [-1, 1] over the crop.
    scale = T_crop_stored[0, 0] * len(face.image) / size
    shift = (T_crop_stored[:2, :2] @ np.full(2, len(face.image) / 2) + T_crop_stored[:2, 2]) / size * 2 - 1
    camera = camera_in_part(
        torch.tensor(face.truth["camera"], dtype=torch.double)[None],
        torch.tensor([scale], dtype=torch.double),
        torch.from_numpy(shift)[None],
    )
    changed = {
        "camera": camera[0].float().numpy(),
        "lighting": (face.truth["lighting"] * gains).astype(np.float32),
    }
    return dict(face.truth) | changed


def _resized(displacement: np.ndarray | None, size: int) -> Float[np.ndarray, "size size"]:
    if displacement is None or size == 1:
        return np.zeros((size, size), np.float32)
    if len(displacement) == size:
        return displacement.astype(np.float32)
    smaller = size < len(displacement)
    return cv2.resize(
        displacement.astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC,
    )
