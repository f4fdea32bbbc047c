"""A photo of a batch in two steps: read it and find its faces; reconstruct these and write their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deca.apps.errors import OutputError, output_error
from deca.apps.options import FaceChoice, OpeningPose
from deca.apps.photo_list import PhotoJob, face_folders
from deca.apps.reconstruct import FaceReconstructor, FaceTask, NoFaceError, chosen_faces, timed
from deca.apps.reconstruction import Reconstruction
from deca.apps.report import modified_time
from deca.io.images import PhotoError, read_photo


@dataclass(frozen=True)
class FoundPhoto:
    """A photo that was read: its faces, or the error that it failed with; `modified` as in the report."""

    photo: Path
    modified: float | None
    tasks: Sequence[FaceTask] = ()
    folders: Sequence[str] = ()
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a photo, as its line in the report says it."""

    photo: Path
    entry: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether the photo failed, for the reason `entry["error"]`."""
        return self.entry["status"] == "failed"


@dataclass(frozen=True)
class PhotoWork:
    """Both steps for the photos of one run. Each may be called from several threads at once.

    `reserved` are the folder names of all the photos: no second face takes one of them.
    """

    reconstructor: FaceReconstructor
    out: Path
    face: FaceChoice
    pose: OpeningPose
    reserved: frozenset[str]

    def read(self, job: PhotoJob) -> FoundPhoto:
        """Read a photo and find its faces; whatever goes wrong is the photo's error."""
        modified = modified_time(job.photo)
        seconds: dict[str, float] = {}
        try:
            with timed(seconds, "reading"):
                photo = read_photo(job.photo)
            with timed(seconds, "finding"):
                found = self.reconstructor.find(photo)
            faces = chosen_faces(found, self.face, str(job.photo))
        except (PhotoError, NoFaceError, FileNotFoundError) as error:
            return FoundPhoto(job.photo, modified, error=str(error))
        except Exception as error:
            return FoundPhoto(job.photo, modified, error=_unforeseen(job.photo, error))
        tasks = [FaceTask(photo, face, seconds) for face in faces]
        folders = face_folders(job.name, len(tasks), self.reserved)
        return FoundPhoto(job.photo, modified, tasks, folders, sum(seconds.values()))

    def finish(self, batch: Sequence[FoundPhoto]) -> list[Outcome]:
        """Reconstruct the faces of the photos and write them; one outcome a photo, in their order.

        Raises OutputError where they cannot be written: a full disk would fail every photo after this one
        too. Any other error is that of the photo which it also strikes alone.
        """
        try:
            return self._finish(batch)
        except OutputError:
            raise
        except Exception as error:
            if len(batch) > 1:
                return [outcome for one in batch for outcome in self.finish([one])]
            (found,) = batch
            return [_failure(found, _unforeseen(found.photo, error))]

    def _finish(self, batch: Sequence[FoundPhoto]) -> list[Outcome]:
        tasks = [task for found in batch for task in found.tasks]
        places = [self.out / folder for found in batch for folder in found.folders]
        steps: list[dict[str, float]] = []
        # A group photo is not reconstructed as a whole: its heads would fill the memory.
        for start in range(0, len(tasks), self.reconstructor.batch_size):
            chunk = slice(start, start + self.reconstructor.batch_size)
            for result, place in zip(self.reconstructor.faces(tasks[chunk]), places[chunk], strict=True):
                steps.append(self._write(result, place))
        outcomes = []
        for found in batch:
            own, steps = steps[: len(found.tasks)], steps[len(found.tasks) :]
            outcomes.append(_failure(found, found.error) if found.error else _success(found, own))
        return outcomes

    def _write(self, result: Reconstruction, place: Path) -> dict[str, float]:
        """Write a face; how long each step took, this one too."""
        seconds = dict(result.seconds)
        with timed(seconds, "writing"):
            try:
                result.save(place, self.pose)
            except OSError as error:
                raise output_error(self.out, error) from None
        return seconds


def _success(found: FoundPhoto, steps: list[dict[str, float]]) -> Outcome:
    # Reading the photo and finding its faces is part of each face's steps, but was done once.
    total = sum(sum(face.values()) for face in steps) - found.seconds * (len(steps) - 1)
    entry = {
        "status": "done",
        "faces": list(found.folders),
        "modified": found.modified,
        "seconds": {"total": total, "faces": steps},
    }
    return Outcome(found.photo, entry)


def _failure(found: FoundPhoto, error: str) -> Outcome:
    return Outcome(found.photo, {"status": "failed", "error": error, "modified": found.modified})


def _unforeseen(photo: Path, error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{photo}: cannot be reconstructed ({type(error).__name__}: {said}); please report this"
