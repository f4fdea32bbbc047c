"""Many photos to many folders: those that are not done yet, streamed, each with its line in the report."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version

from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.options import ReconstructOptions
from deca.apps.photo_list import PhotoJob, list_jobs
from deca.apps.photo_work import Outcome, PhotoWork
from deca.apps.progress import RunProgress
from deca.apps.reconstruct import FaceReconstructor, open_reconstructor
from deca.apps.report import Report, open_report
from deca.apps.stream import stream, threads_shared
from deca.conversion.asset import AssetError
from deca.head.data import HeadError
from deca.io.assets import WEIGHTS, find_asset
from deca.io.default_networks import DEFAULT_NETWORKS
from deca.io.files import data_file
from deca.io.heads import find_head_file
from deca.model.weights import WeightsError

# More threads than this mostly wait for Python's lock; processes do not (`--engine ray`).
_MOST_THREADS = 2
_NOT_SETTINGS = ("photos", "out", "same_person", "overwrite", "engine", "workers")


def reconstruct_photos(options: ReconstructOptions, console: Console) -> int:
    """Reconstruct photos into folders of `options.out`; returns how many photos failed.

    A photo that fails is told of in one line and in the report, and the others go on. Raises UsageError
    where nothing can be done (no photos, an unusable head, an output folder that cannot be written), and
    OutputError where writing fails on the way, as on a full disk.
    """
    jobs = list_jobs(options.photos)
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers {options.workers}: at least one is needed")
    with (
        open_report(options.out, _settings(options), options.overwrite) as report,
        RunProgress(console, len(jobs), options.out) as progress,
    ):
        todo = _not_done(jobs, report, progress, options.overwrite)
        reserved = frozenset(job.name for job in jobs)
        with closing(_outcomes(todo, len(jobs), options, reserved)) as outcomes:
            for outcome in outcomes:
                report.add(outcome.photo, outcome.entry)
                progress.add(outcome)
    return progress.failures


def _not_done(
    jobs: Sequence[PhotoJob], report: Report, progress: RunProgress, overwrite: bool
) -> Iterator[PhotoJob]:
    for job in jobs:
        if not overwrite and report.done(job.photo):
            progress.skip(job.photo)
        else:
            yield job


def _outcomes(
    todo: Iterator[PhotoJob], most: int, options: ReconstructOptions, reserved: frozenset[str]
) -> Generator[Outcome, None, None]:
    """What becomes of the photos, as it comes; `most` is how many they are at most."""
    if options.engine == "ray":
        # Imported when asked for: Ray is an extra, and takes seconds to import.
        from deca.apps.ray_reconstruct import reconstruct_on_ray

        # What is wrong with a head or networks is better told by this process than by a worker.
        _reconstructor(options)
        yield from reconstruct_on_ray(todo, options, reserved)
        return
    reconstructor = _reconstructor(options)
    cores = len(os.sched_getaffinity(0))
    workers = min(options.workers or min(_MOST_THREADS, cores), most)
    work = PhotoWork(reconstructor, options.out, options.face, options.pose, reserved)
    with threads_shared(workers):
        yield from stream(todo, work.read, work.finish, batch_size=reconstructor.batch_size, workers=workers)


def _reconstructor(options: ReconstructOptions) -> FaceReconstructor:
    try:
        return open_reconstructor(options)
    except (HeadError, AssetError, WeightsError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None


def _settings(options: ReconstructOptions) -> dict[str, object]:
    """What results depend on: photos done with other settings are done again."""
    settings = {name: value for name, value in asdict(options).items() if name not in _NOT_SETTINGS}
    try:
        # A stored head's file is named after its content.
        head = None if options.head is None else str(find_head_file(options.head).resolve())
        if options.model == "deca":
            settings["weights"] = find_asset(WEIGHTS).sha256
        if options.model == "encode":
            settings["weights"] = hashlib.sha256(data_file(DEFAULT_NETWORKS).read_bytes()).hexdigest()
    except (AssetError, HeadError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    return {"version": version("deca"), **settings, "head": head}
