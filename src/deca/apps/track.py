"""`deca track`: the people of a video, each with one identity and a motion."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

from deca.animation.smoothing import SmoothingConfig
from deca.apps.errors import OutputError, UsageError, output_error
from deca.apps.outputs import check_replaceable
from deca.apps.people import person_of, write_animated_glb
from deca.apps.reconstruct import Reconstructor, timed
from deca.apps.stream import threads_shared
from deca.apps.track_faces import follow_faces, people_of
from deca.apps.track_motion import TrackedPerson, identity_of, moved
from deca.apps.track_options import TrackOptions
from deca.conversion.asset import AssetError
from deca.head.data import HeadError
from deca.io.files import whole_file, whole_folder
from deca.io.images import PhotoError
from deca.io.motion_files import write_arkit, write_motion
from deca.io.networks import face_detector, face_landmarker
from deca.io.videos import recorded, video_frames
from deca.photo.crop import square_crop
from deca.photo.follow import FaceFollower
from deca.photo.landmarks import Landmarker
from deca.photo.sampling import Photo

_CAMERA = "camera:"
_SUMMARY = "track.json"


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
    """The people of a video, who is seen most first; `work` is a folder for points and pictures.

    How long the steps took goes into `seconds`.

    One pass over the video finds and follows the faces; each person's identity is made of their best frames;
    then the points and the pictures of the faces tell the motion. Memory grows by half a kilobyte a frame,
    `work` by about 25 (`follow_faces`). UsageError for a file that is no video or shows no face,
    OutputError where `work` has no room.
    """
    if not len(reconstructor.deca.data.dense_landmark_triangles):
        raise UsageError(f"the head {reconstructor.deca.data.name} has no dense landmarks to be tracked by")
    seconds = {} if seconds is None else seconds
    cores = torch.get_num_threads()
    with Progress(console=console, transient=True) as progress:
        try:
            # Here as below steps are small: threads within them would only wait for each other.
            with timed(seconds, "following"), threads_shared(cores), ThreadPoolExecutor(2) as pool:
                tracks, times, size = follow_faces(
                    _counted(video_frames(video), progress, "following"),
                    FaceFollower(face_detector(), _in_threads(face_landmarker(), pool)),
                    work,
                )
        except (PhotoError, FileNotFoundError) as error:
            raise UsageError(str(error)) from None
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"{work}: faces cannot be kept here meanwhile ({reason}); set TMPDIR to a folder with room"
            ) from None
        people = people_of(tracks, least=min(8, max(1, len(times) // 2)))
        if not people:
            raise UsageError(f"{video}: no face found in {len(times)} frames")
        with timed(seconds, "identities"):
            identities = [
                identity_of(reconstructor, own)
                for own in progress.track(people, description="identities", total=len(people))
            ]
        task = progress.add_task("moving", total=sum(track.length for own in people for track in own))
        crop = square_crop(np.array(size) / 2, float(max(size)), 224)
        with timed(seconds, "moving"), threads_shared(cores):
            return [
                moved(identity, own, times, crop, smoothing, lambda: progress.advance(task))
                for identity, own in zip(identities, people, strict=True)
            ]


def _in_threads(landmarker: Landmarker, pool: Executor) -> Landmarker:
    """The same, a face and its mirror image side by side: nothing else of a frame can be done meanwhile."""

    def network(pictures: Float[np.ndarray, "batch 3 height width"]) -> Sequence[np.ndarray]:
        single = pool.map(landmarker.network, (picture[None] for picture in pictures))
        return [np.concatenate(output) for output in zip(*single, strict=True)]

    return replace(landmarker, network=network)


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
