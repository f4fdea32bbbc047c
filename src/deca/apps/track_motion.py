"""The motion of one person of a video, from the points and pictures of their face that lie on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from deca.animation.landmark_motion import LandmarkMotion
from deca.animation.lids import closed_lids, eye_whites
from deca.animation.motion import Motion
from deca.animation.skin_light import SkinLight
from deca.animation.smoothing import SmoothingConfig, scaled, smoothed
from deca.apps.reconstruct import FaceTask, Reconstructor
from deca.apps.reconstruction import Reconstruction
from deca.apps.same_person import reconstruct_same_person
from deca.apps.track_faces import Track
from deca.fitting.eyes import fit_eyes
from deca.head.face_part import landmark_part
from deca.head.model import HeadModel
from deca.parameters import Parameters
from deca.photo.crop import Crop, square_crop
from deca.photo.face_area import face_size
from deca.photo.sampling import transform_points

_IDENTITY_FRAMES = 6
"""So many of a person's best frames make the identity."""
_MOVING = ("camera", "pose", "jaw", "expression", "eyes", "lighting")
_LIGHT_SMOOTHING = SmoothingConfig(cutoff=0.4, speed=0.5, speed_cutoff=1.0)
_TEETH_SMOOTHING = SmoothingConfig(cutoff=1.5, speed=8.0, speed_cutoff=6.0)
_GAZE_SMOOTHING = SmoothingConfig(cutoff=1.5, speed=8.0, speed_cutoff=6.0)


@dataclass(frozen=True)
class TrackedPerson:
    """One person of a video: how they look, and how they move while they are seen.

    The motion's camera is that of `crop`, a square around the whole frame. `frames` are the numbers of the
    motion's frames; where they jump, the person was not seen.
    """

    identity: Reconstruction
    motion: Motion
    frames: Sequence[int]
    crop: Crop


@dataclass(frozen=True)
class _Posed:
    """A person's smoothed points in one frame of a track, in pixels of the video's frame, and the pose and
    expression that they tell."""

    track: Track
    number: int
    points: Float[np.ndarray, "468 3"]
    parameters: Parameters


@dataclass(frozen=True)
class _Looked:
    """Pose and expression with gaze and light, and how white the eyes are, as `eye_whites` says it."""

    parameters: Parameters
    whites: Float[np.ndarray, "2 2"]


def identity_of(reconstructor: Reconstructor, tracks: Sequence[Track]) -> Reconstruction:
    """How the person of some tracks looks: the best of their frames, with the head of several."""
    samples = sorted((one for track in tracks for one in track.samples), key=lambda one: -one.weight)
    tasks = [FaceTask(sample.photo, sample.found, {}) for sample in samples[:_IDENTITY_FRAMES]]
    return reconstruct_same_person(reconstructor, tasks)[0]


def moved(
    identity: Reconstruction,
    tracks: Sequence[Track],
    times: Float[np.ndarray, " frame"],
    crop: Crop,
    smoothing: SmoothingConfig | None = None,
    advance: Callable[[], None] = lambda: None,
) -> TrackedPerson:
    """The motion of a person in the tracks that are theirs, in the order of time.

    `times` are those of all frames of the video, `crop` the square that the cameras are for; `advance` is
    called after each frame.
    """
    look = _Look(identity, crop)
    solver = LandmarkMotion(identity.deca.head_model, identity.parameters)
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in _MOVING}
    whites: list[Float[np.ndarray, "2 2"]] = []
    for track in tracks:
        posed = _posed(solver, track, times, crop, smoothing or SmoothingConfig())
        # One after another: steps so small, side by side, wait more for Python's lock than they gain.
        for looked in map(look, posed):
            whites.append(looked.whites)
            for name, values in rows.items():
                values.append(getattr(looked.parameters, name))
            advance()
    frames = np.concatenate([np.arange(track.first, track.last + 1) for track in tracks])
    person = identity.parameters.map(lambda values: values.expand(len(frames), *values.shape[1:]))
    moving = person.replace(**{name: torch.cat(values) for name, values in rows.items()})
    moving = _with_lids(moving, np.array(whites), identity)
    stretches = np.cumsum([track.length for track in tracks])[:-1]
    moving = moving.replace(
        eyes=_smoothed(moving.eyes, times[frames], stretches, _GAZE_SMOOTHING),
        lighting=_smoothed(moving.lighting, times[frames], stretches, _LIGHT_SMOOTHING),
    )
    return TrackedPerson(identity, Motion(times[frames], moving), frames.tolist(), crop)


@torch.no_grad()
def _posed(
    solver: LandmarkMotion,
    track: Track,
    times: Float[np.ndarray, " frame"],
    crop: Crop,
    smoothing: SmoothingConfig,
) -> Iterator[_Posed]:
    """The frames of a track one after another, each solved from where the one before ended."""
    own_times = times[track.first : track.last + 1]
    rows = smoothed(track.points(), own_times, scaled(smoothing, track.size), track.new_points())
    together = smoothed(np.array(track.teeth_together)[:, None], own_times, _TEETH_SMOOTHING)[:, 0]
    for number, (row, sure) in enumerate(zip(rows, together.tolist(), strict=True)):
        points = np.array(row, np.float64).reshape(468, 3)
        image = transform_points(crop.T_image_photo, points[:, :2])
        if number == 0:
            solver.start(image, sure)
        yield _Posed(track, number, points, solver.step(image, sure))


class _Look:
    """What the pixels of a frame say of a person."""

    def __init__(self, identity: Reconstruction, crop: Crop) -> None:
        deca, parameters = identity.deca, identity.parameters
        self._crop = crop
        self._head_model = HeadModel(landmark_part(deca.data))
        albedo_uv = deca.albedo_model(parameters.albedo)
        self._light = SkinLight(self._head_model, albedo_uv, parameters.lighting[0])

    @torch.no_grad()
    def __call__(self, posed: _Posed) -> _Looked:
        picture = posed.track.pictures.read(posed.number)
        T_picture_frame = posed.track.T_picture_frame[posed.number]
        # From here on the picture is the photo.
        points = transform_points(T_picture_frame, posed.points)
        crop = Crop(self._crop.size, T_picture_frame @ self._crop.T_photo_crop)
        head = self._head_model(posed.parameters)
        landmarks = torch.from_numpy(points[:, :2].copy())
        eyes = fit_eyes(picture, landmarks, head, posed.parameters, self._head_model, crop)
        own_crop = square_crop(points[:, :2].mean(0), 1.6 * face_size(points), 224)
        lighting = self._light(picture, own_crop, points, head.vertices)
        return _Looked(eyes.parameters.replace(lighting=lighting[None]), eye_whites(picture, points))


def _with_lids(
    moving: Parameters, whites: Float[np.ndarray, "frame 2 2"], identity: Reconstruction
) -> Parameters:
    """The motion with the eyes closed where their white has gone; on a head of facial actions."""
    data = identity.deca.data
    if not data.has_actions:
        return moving
    blinks = [data.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    closed = torch.from_numpy(closed_lids(whites)).float()
    expression = moving.expression.clone()
    expression[:, blinks] = expression[:, blinks].maximum(closed)
    return moving.replace(expression=expression)


def _smoothed(
    values: torch.Tensor,
    times: Float[np.ndarray, " frame"],
    stretches: Sequence[int] | np.ndarray,
    config: SmoothingConfig,
) -> torch.Tensor:
    """Values of each frame, smoothed within each stretch; `stretches` are where the later ones begin."""
    flat = values.flatten(1).double().numpy()
    parts = zip(np.split(flat, stretches), np.split(times, stretches), strict=True)
    return (
        torch.from_numpy(np.concatenate([smoothed(*part, config) for part in parts]))
        .to(values)
        .view_as(values)
    )
