"""From a folder of photos to training shards: those that are not done yet, streamed, each accounted for."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
from rich.console import Console

from deca.apps.drop_list import FAILED, DropList, open_drop_list
from deca.apps.errors import OutputError, UsageError, output_error
from deca.apps.face_preparation import Drop, FacePreparation, Prepared
from deca.apps.photo_table import PhotoSource, list_sources
from deca.apps.prepare_options import PrepareOptions
from deca.apps.prepare_truth import check_truth_head
from deca.apps.progress import PrepareProgress
from deca.apps.stream import stream
from deca.conversion.asset import AssetError
from deca.head.data import HeadError
from deca.io.files import whole_file
from deca.io.shards import ShardError, ShardWriter
from deca.io.videos import VIDEO_SUFFIXES

SETTINGS = "prepare.json"
_MOST_THREADS = 4
_NOT_SETTINGS = ("out", "engine", "workers", "faces_a_shard")


def prepare(options: PrepareOptions, console: Console) -> int:
    """Make training shards of the photos that the options mean; returns how many photos failed.

    A photo that cannot be read fails, is told of and passed over; one without a usable face is dropped,
    with the reason in dropped.jsonl. Raises UsageError where nothing can be done, and OutputError where
    writing fails.
    """
    _check(options)
    sources = list_sources(options)
    if any(_is_video(source.name) for source in sources) and find_spec("av") is None:
        raise UsageError("videos need PyAV; to install it, run: pip install 'deca[video]'")
    preparation = FacePreparation(options)
    try:
        with (
            ShardWriter(options.out, options.faces_a_shard) as writer,
            open_drop_list(options.out) as dropped,
            PrepareProgress(console, len(sources), options.out) as progress,
        ):
            _keep_settings(options, bool(writer.entries) or dropped.holds_any)
            todo = _not_done(sources, writer, dropped, progress)
            with closing(_results(todo, options, preparation)) as results:
                for prepared in results:
                    _store(prepared, writer, dropped, progress)
    except ShardError as error:
        raise UsageError(str(error)) from None
    except OutputError:
        raise
    except OSError as error:
        raise output_error(options.out, error) from None
    return progress.failures


def _check(options: PrepareOptions) -> None:
    for name in ("workers", "frames", "size", "faces_a_shard"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} {value}: at least one is needed")
    if options.truth is not None:
        try:
            check_truth_head(options.truth)
        except (HeadError, AssetError, FileNotFoundError) as error:
            raise UsageError(f"--truth: {error}") from None


def _not_done(
    sources: Sequence[PhotoSource], writer: ShardWriter, dropped: DropList, progress: PrepareProgress
) -> Iterator[PhotoSource]:
    done = {_file_of(entry.photo) for entry in writer.entries}
    for source in sources:
        if source.name in done or dropped.dropped(source.name):
            progress.skip(Path(source.name))
        else:
            yield source


def _results(
    todo: Iterator[PhotoSource], options: PrepareOptions, preparation: FacePreparation
) -> Generator[Prepared, None, None]:
    if options.engine == "ray":
        # Imported when asked for: Ray is an extra, and takes seconds to import.
        from deca.apps.ray_prepare import prepare_on_ray

        yield from prepare_on_ray(todo, options)
        return
    workers = options.workers or min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    # Photos are worked on side by side; OpenCV's own threads would wait for each other.
    cv2.setNumThreads(1)
    begun: deque[str] = deque()
    waiting: dict[str, Prepared] = {}

    def noted() -> Iterator[PhotoSource]:
        for source in todo:
            begun.append(source.name)
            yield source

    results = stream(noted(), preparation.read, preparation.finish, batch_size=1, workers=workers)
    for prepared in results:
        waiting[prepared.name] = prepared
        # In the order of the photos, so that the same photos make the same shards.
        while begun and begun[0] in waiting:
            yield waiting.pop(begun.popleft())


def _store(prepared: Prepared, writer: ShardWriter, dropped: DropList, progress: PrepareProgress) -> None:
    if prepared.error is not None:
        dropped.add(Drop(prepared.name, FAILED, prepared.error))
        progress.fail(prepared.error)
        return
    if prepared.faces:
        writer.add(*prepared.faces)
    for drop in prepared.drops:
        dropped.add(drop)
    if prepared.faces:
        progress.succeed(
            f"{prepared.name}: {len(prepared.faces)} faces" if _is_video(prepared.name) else prepared.name
        )
    else:
        reasons = sorted({drop.reason for drop in prepared.drops}) or ["no frames"]
        if not any(drop.photo == prepared.name for drop in prepared.drops):
            dropped.add(
                Drop(prepared.name, reasons[0], f"none of its frames is usable ({', '.join(reasons)})")
            )
        progress.drop(prepared.name, reasons[0])


def _keep_settings(options: PrepareOptions, begun: bool) -> None:
    """Write what the shards depend on beside them; UsageError where they were `begun` with something else."""
    path = options.out / SETTINGS
    settings = {name: value for name, value in asdict(options).items() if name not in _NOT_SETTINGS}
    settings["folder"] = options.folder.resolve()
    wanted: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    if begun and path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            found.pop("version")
        except (ValueError, KeyError, AttributeError, OSError):
            raise UsageError(f"{path}: not of this program; choose another --out") from None
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                raise UsageError(
                    f"{options.out}: these shards were made with {name} {found.get(name)}, not "
                    f"{wanted.get(name)}; choose another --out"
                )
    else:
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps({"version": version("deca"), **wanted}, indent=1) + "\n")


def _is_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def _file_of(photo: str) -> str:
    """The file that a sample was made of: a frame of a video is named VIDEO#NUMBER."""
    file, mark, _ = photo.rpartition("#")
    return file if mark and _is_video(file) else photo
