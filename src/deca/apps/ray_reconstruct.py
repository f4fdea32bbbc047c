"""`deca reconstruct` on a Ray cluster: workers write the folders, this process keeps the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deca.apps.options import ReconstructOptions
from deca.apps.photo_list import PhotoJob
from deca.apps.photo_work import Outcome, PhotoWork
from deca.apps.ray_engine import RayItem, RayResult, Work, ray_stream
from deca.apps.reconstruct import open_reconstructor
from deca.apps.report import remove_half_written
from deca.apps.stream import stream
from deca.io.heads import find_head_file


def reconstruct_on_ray(
    jobs: Iterable[PhotoJob], options: ReconstructOptions, reserved: frozenset[str]
) -> Iterator[Outcome]:
    """What becomes of the photos, in no promised order; `reserved` as in PhotoWork.

    Photos, heads and `options.out` are paths that all machines of the cluster see. Raises as `ray_stream`
    does.
    """
    photos = {str(job.photo.absolute()): job for job in jobs}
    head = options.head and str(find_head_file(options.head).absolute())
    start = _Start(replace(options, out=options.out.absolute(), head=head), reserved)
    items = [RayItem(path, job.name) for path, job in photos.items()]
    try:
        for result in ray_stream(items, start, options.workers):
            photo = photos[result.key].photo
            yield Outcome(photo, _died(photo) if result.entry is None else result.entry)
    finally:
        remove_half_written(options.out)


@dataclass(frozen=True)
class _Start:
    """Makes a worker's reconstructor, once."""

    options: ReconstructOptions
    reserved: frozenset[str]

    def __call__(self) -> Work:
        reconstructor = open_reconstructor(self.options)
        work = PhotoWork(reconstructor, self.options.out, self.options.face, self.options.pose, self.reserved)

        def done(items: Sequence[RayItem]) -> Iterator[RayResult]:
            jobs = [PhotoJob(Path(item.key), item.told) for item in items]
            size = reconstructor.batch_size
            for outcome in stream(jobs, work.read, work.finish, batch_size=size, workers=1):
                yield RayResult(str(outcome.photo), outcome.entry)

        return done


def _died(photo: Path) -> dict[str, object]:
    error = f"{photo}: the process that worked on it died, again and again; it may need more memory"
    return {"status": "failed", "error": error, "modified": None}
