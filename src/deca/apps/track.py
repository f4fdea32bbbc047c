"""`deca track`: the people of a video, each with one identity and a motion."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

from deca.animation.landmark_motion import LandmarkMotion
from deca.animation.lids import closed_lids, eye_whites
from deca.animation.motion import Motion
from deca.animation.skin_light import SkinLight
from deca.animation.smoothing import SmoothingConfig, scaled, smoothed
from deca.apps.errors import UsageError, output_error
from deca.apps.outputs import check_replaceable
from deca.apps.people import person_of, write_animated_glb
from deca.apps.reconstruct import FaceTask, Reconstructor, timed
from deca.apps.reconstruction import Reconstruction
from deca.apps.same_person import reconstruct_same_person
from deca.apps.stream import ahead, in_order, torch_threads_shared
from deca.apps.track_faces import Track, follow_faces, people_of
from deca.apps.track_options import TrackOptions
from deca.conversion.asset import AssetError
from deca.fitting.eyes import fit_eyes
from deca.fitting.landmarks import fit_landmarks
from deca.head.data import HeadError
from deca.io.files import whole_file, whole_folder
from deca.io.images import PhotoError
from deca.io.motion_files import write_arkit, write_motion
from deca.io.networks import face_detector, face_landmarker
from deca.io.videos import recorded, video_frames
from deca.parameters import Parameters
from deca.photo.crop import Crop, square_crop
from deca.photo.face_area import face_size
from deca.photo.follow import FaceFollower
from deca.photo.landmarks import Landmarker
from deca.photo.sampling import Photo, transform_points

_IDENTITY_FRAMES = 6
"""So many of a person's best frames make the identity."""
_CAMERA = "camera:"
_SUMMARY = "track.json"
_MOVING = ("camera", "pose", "jaw", "expression", "eyes", "lighting")
_LIGHT_SMOOTHING = SmoothingConfig(cutoff=0.4, speed=0.5, speed_cutoff=1.0)
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


def track(options: TrackOptions, console: Console) -> None:
    """Track a video or a camera, and write a folder for each person.

    Raises UsageError where nothing can be done, and OutputError where the results cannot be written.
    """
    check_replaceable(options.out, options.overwrite, _SUMMARY)
    try:
        reconstructor = Reconstructor(options.head, options.texture_size)
    except (HeadError, AssetError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    with tempfile.TemporaryDirectory(prefix="deca-track-") as work:
        video = Path(options.video)
        if options.video.startswith(_CAMERA):
            video = Path(work) / "camera.mp4"
            number = options.video.removeprefix(_CAMERA)
            recorded(number, video, options.seconds, lambda text: console.print(text, highlight=False))
        seconds: dict[str, float] = {}
        people = tracked(video, reconstructor, Path(work), console, options.smoothing, seconds)
        try:
            with whole_folder(options.out) as folder:
                for number, person in enumerate(people, 1):
                    _write_person(folder / f"person_{number}", person)
                _write_summary(folder / _SUMMARY, options.video, people)
        except OSError as error:
            raise output_error(options.out, error) from None
    for number, person in enumerate(people, 1):
        console.print(f"{options.out}/person_{number}: {len(person.frames)} frames", highlight=False)
    steps = ", ".join(f"{step} {spent:.1f} s" for step, spent in seconds.items())
    console.print(f"took: {steps}", highlight=False)


def tracked(
    video: Path,
    reconstructor: Reconstructor,
    work: Path,
    console: Console,
    smoothing: SmoothingConfig | None = None,
    seconds: dict[str, float] | None = None,
) -> list[TrackedPerson]:
    """The people of a video, who is seen most first; `work` is a folder for points.

    How long the steps took goes into `seconds`.

    One pass finds and follows the faces; each person's identity is made of their best frames; a second pass
    gives every frame its gaze and light. Memory grows by half a kilobyte a frame. UsageError for a file that
    is no video or shows no face.
    """
    if not len(reconstructor.deca.data.dense_landmark_triangles):
        raise UsageError(f"the head {reconstructor.deca.data.name} has no dense landmarks to be tracked by")
    seconds = {} if seconds is None else seconds
    with Progress(console=console, transient=True) as progress:
        try:
            with timed(seconds, "following"), ThreadPoolExecutor(2) as pool:
                tracks, times, size = follow_faces(
                    _counted(video_frames(video), progress, "following"),
                    FaceFollower(face_detector(), _in_threads(face_landmarker(), pool)),
                    work,
                )
        except (PhotoError, FileNotFoundError) as error:
            raise UsageError(str(error)) from None
        people = people_of(tracks, least=min(8, max(1, len(times) // 2)))
        if not people:
            raise UsageError(f"{video}: no face found in {len(times)} frames")
        crop = square_crop(np.array(size) / 2, float(max(size)), 224)
        movers = []
        task = progress.add_task("identities", total=len(people))
        with timed(seconds, "identities"):
            for own in people:
                movers.append(_Mover(reconstructor, own, times, crop, smoothing or SmoothingConfig()))
                progress.advance(task)
        # Small steps: threads within them would only wait for each other.
        with timed(seconds, "moving"), torch_threads_shared(torch.get_num_threads()):
            again = _counted(video_frames(video), progress, "moving", len(times))
            for mover, looked in in_order(_looked, _posed(movers, ahead(again))):
                mover.take(looked)
    return [mover.result(times) for mover in movers]


@dataclass(frozen=True)
class _Posed:
    """A person's smoothed points in a frame, in its pixels, and the pose and expression that they tell."""

    points: Float[np.ndarray, "468 3"]
    parameters: Parameters


@dataclass(frozen=True)
class _Looked:
    """The same with gaze and light, and how white the eyes are, as `eye_whites` says it."""

    parameters: Parameters
    whites: Float[np.ndarray, "2 2"]


def _in_threads(landmarker: Landmarker, pool: Executor) -> Landmarker:
    """The same, a face and its mirror image side by side: nothing else of a frame can be done meanwhile."""

    def network(pictures: Float[np.ndarray, "batch 3 height width"]) -> Sequence[np.ndarray]:
        single = pool.map(landmarker.network, (picture[None] for picture in pictures))
        return [np.concatenate(output) for output in zip(*single, strict=True)]

    return replace(landmarker, network=network)


class _Mover:
    """One person's motion, frame after frame."""

    def __init__(
        self,
        reconstructor: Reconstructor,
        tracks: list[Track],
        times: Float[np.ndarray, " frame"],
        crop: Crop,
        smoothing: SmoothingConfig,
    ) -> None:
        samples = sorted((one for track in tracks for one in track.samples), key=lambda one: -one.weight)
        chosen = samples[:_IDENTITY_FRAMES]
        faces = reconstruct_same_person(
            reconstructor, [FaceTask(sample.photo, sample.found, {}) for sample in chosen]
        )
        self.identity, self._crop = faces[0], crop
        deca = reconstructor.deca
        self._head_model = deca.head_model
        self._solver = LandmarkMotion(deca.head_model, self.identity.parameters)
        self._light = SkinLight(
            deca.head_model,
            deca.albedo_model(self.identity.parameters.albedo),
            self.identity.parameters.lighting[0],
        )
        self._starts = {track.first: track for track in tracks}
        self._track: Track | None = None
        self._points = np.zeros((0, 468 * 3))
        self._times, self._smoothing = times, smoothing
        self._frames: list[int] = []
        self._whites: list[Float[np.ndarray, "2 2"]] = []
        self._rows: dict[str, list[torch.Tensor]] = {name: [] for name in _MOVING}
        self._stretches: list[int] = []

    @torch.no_grad()
    def posed(self, number: int) -> _Posed | None:
        """The person in frame `number`, if seen there; frames come one after another."""
        if number in self._starts:
            self._begin(self._starts[number])
        track = self._track
        if track is None or number > track.last:
            return None
        points = np.array(self._points[number - track.first], np.float64).reshape(468, 3)
        image = transform_points(self._crop.T_image_photo, points[:, :2])
        if number == track.first:
            fitted = fit_landmarks(self._head_model, torch.from_numpy(image))
            self._solver.start(fitted.parameters)
            for _ in range(3):
                self._solver.step(image)
        self._frames.append(number)
        return _Posed(points, self._solver.step(image))

    @torch.no_grad()
    def looked(self, photo: Photo, posed: _Posed) -> _Looked:
        """What the pixels of a frame say; frames may be looked at side by side."""
        points, parameters = posed.points, posed.parameters
        head = self._head_model(parameters)
        landmarks_photo = torch.from_numpy(points[:, :2].copy())
        eyes = fit_eyes(photo, landmarks_photo, head, parameters, self._head_model, self._crop)
        own_crop = square_crop(points[:, :2].mean(0), 1.6 * face_size(points), 224)
        lighting = self._light(photo, own_crop, points, head.vertices)
        return _Looked(eyes.parameters.replace(lighting=lighting[None]), eye_whites(photo, points))

    def take(self, looked: _Looked) -> None:
        """Take up the frames, in their order."""
        self._whites.append(looked.whites)
        for name, rows in self._rows.items():
            rows.append(getattr(looked.parameters, name))

    def _begin(self, track: Track) -> None:
        """Smooth the points of a track."""
        self._track = track
        self._stretches.append(len(self._frames))
        points = track.points()
        config = scaled(self._smoothing, track.size)
        times = self._times[track.first : track.last + 1]
        self._points = smoothed(points, times, config, track.new_points())

    def result(self, times: Float[np.ndarray, " frame"]) -> TrackedPerson:
        """The whole motion, gaze and light smoothed within each stretch."""
        count = len(self._frames)
        person = self.identity.parameters.map(lambda values: values.expand(count, *values.shape[1:]))
        moved = {name: torch.cat(rows) for name, rows in self._rows.items()}
        together = self._with_lids(person.replace(**moved))
        own_times = times[self._frames]
        eyes, lighting = together.eyes.clone(), together.lighting.clone()
        for start, end in zip(self._stretches, [*self._stretches[1:], len(self._frames)], strict=True):
            part = slice(start, end)
            for values, config in ((eyes, _GAZE_SMOOTHING), (lighting, _LIGHT_SMOOTHING)):
                flat = values[part].flatten(1).double().numpy()
                values[part] = torch.from_numpy(smoothed(flat, own_times[part], config)).view_as(values[part])
        motion = Motion(own_times, together.replace(eyes=eyes, lighting=lighting))
        return TrackedPerson(self.identity, motion, self._frames, self._crop)

    def _with_lids(self, moving: Parameters) -> Parameters:
        """The motion with the eyes closed where their white has gone; on a head of facial actions."""
        data = self.identity.deca.data
        if not data.has_actions:
            return moving
        blinks = [data.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
        closed = torch.from_numpy(closed_lids(np.array(self._whites))).float()
        expression = moving.expression.clone()
        expression[:, blinks] = expression[:, blinks].maximum(closed)
        return moving.replace(expression=expression)


def _posed(
    movers: Sequence[_Mover], frames: Iterable[tuple[float, Photo]]
) -> Iterator[tuple[_Mover, Photo, _Posed]]:
    for number, (_, photo) in enumerate(frames):
        for mover in movers:
            posed = mover.posed(number)
            if posed is not None:
                yield mover, photo, posed


def _looked(seen: tuple[_Mover, Photo, _Posed]) -> tuple[_Mover, _Looked]:
    mover, photo, posed = seen
    return mover, mover.looked(photo, posed)


def _counted(
    frames: Iterable[tuple[float, Photo]], progress: Progress, what: str, total: int | None = None
) -> Iterator[tuple[float, Photo]]:
    task = progress.add_task(what, total=total)
    for frame in frames:
        yield frame
        progress.advance(task)
    progress.update(task, total=progress.tasks[task].completed)


def _write_person(folder: Path, person: TrackedPerson) -> None:
    """What `deca reconstruct` writes of the best frame, and the motion in three forms."""
    folder.mkdir()
    data = person.identity.deca.data
    person.identity.write(folder)
    write_motion(folder / "motion.npz", person.motion, data)
    if data.has_actions:
        write_arkit(folder / "motion.csv", person.motion, data)
    write_animated_glb(folder / "motion.glb", person_of(person.identity), person.motion)


def _write_summary(path: Path, video: str, people: Sequence[TrackedPerson]) -> None:
    """Who is seen in which frames, and the crop that the motions' cameras belong to."""
    document = {
        "format": "deca track 1",
        "video": Path(video).name,
        "people": [
            {
                "folder": f"person_{number}",
                "frames": [[start, end] for start, end in _ranges(person.frames)],
                "crop": {"size": person.crop.size, "T_photo_crop": person.crop.T_photo_crop.tolist()},
            }
            for number, person in enumerate(people, 1)
        ],
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _ranges(frames: Sequence[int]) -> list[tuple[int, int]]:
    """First and last numbers of the stretches without a gap."""
    numbers = np.array(frames)
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    starts, ends = [0, *(breaks + 1)], [*breaks, len(numbers) - 1]
    return [(int(numbers[start]), int(numbers[end])) for start, end in zip(starts, ends, strict=True)]
