"""The stream over photos on a Ray cluster: workers do the photos, this process hears what became of them."""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deca.apps.errors import OutputError, UsageError
from deca.apps.options import ReconstructOptions
from deca.apps.photo_list import PhotoJob
from deca.apps.photo_work import Outcome, PhotoWork
from deca.apps.reconstruct import open_reconstructor
from deca.apps.report import remove_half_written
from deca.apps.stream import stream
from deca.io.heads import find_head_file

_ADDRESS = os.environ.get("RAY_ADDRESS", "local")
# Ray reads these when it is imported. Nothing is sent anywhere, and its own news is kept from the user.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
if _ADDRESS == "local":
    # Named after the systems where it is the default: the cluster listens to this machine alone.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

try:
    import ray
    import ray.data
    from ray.exceptions import RayError
except ImportError:
    raise UsageError("--engine ray needs Ray; to install it, run: pip install 'deca[ray]'") from None

_PHOTOS_A_TASK = 8
_RETRIES = 1
_CONNECT_SECONDS = 10
# Paths go through it, never pictures.
_OBJECT_STORE_BYTES = 100 * 2**20


def ray_stream(
    jobs: Iterable[PhotoJob], options: ReconstructOptions, reserved: frozenset[str]
) -> Iterator[Outcome]:
    """What becomes of the photos, in no promised order; `reserved` as in PhotoWork.

    The cluster is the one that RAY_ADDRESS names, else one on this machine for this call; photos, heads and
    `options.out` are paths that all its machines see. A worker that dies is started again and its photos are
    done again; a photo that its worker does not survive alone fails. Raises OutputError as PhotoWork does,
    and UsageError for a cluster that cannot be used.
    """
    waiting = {str(job.photo.absolute()): job for job in jobs}
    if not waiting:
        return
    try:
        with _cluster(options.workers):
            workers = options.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            # What the first turn leaves was in a task with a photo that kills: now each has its own task.
            for most in (_PHOTOS_A_TASK, 1):
                for path, entry in _entries(list(waiting.values()), options, reserved, workers, most):
                    yield Outcome(waiting.pop(path).photo, entry)
    finally:
        remove_half_written(options.out)
    for job in waiting.values():
        error = f"{job.photo}: the process that worked on it died, again and again; it may need more memory"
        yield Outcome(job.photo, {"status": "failed", "error": error, "modified": None})


class RayWorker:
    """One process of the cluster: it makes its reconstructor once and does photos, task by task."""

    def __init__(self, options: ReconstructOptions, reserved: frozenset[str]) -> None:
        torch.set_num_threads(1)
        reconstructor = open_reconstructor(options)
        self.work = PhotoWork(reconstructor, options.out, options.face, options.pose, reserved)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
        """Do the photos of one task, columns "photo" and "name"; a line of JSON for each of them."""
        jobs = [
            PhotoJob(Path(photo), name) for photo, name in zip(batch["photo"], batch["name"], strict=True)
        ]
        size = self.work.reconstructor.batch_size
        try:
            outcomes = list(stream(jobs, self.work.read, self.work.finish, batch_size=size, workers=1))
        except OutputError as error:
            # An exception would only fail this task: it is for the driver to stop.
            return {"line": [json.dumps({"stop": str(error)})]}
        return {"line": [json.dumps({"photo": str(one.photo), "entry": one.entry}) for one in outcomes]}


def _entries(
    jobs: Sequence[PhotoJob],
    options: ReconstructOptions,
    reserved: frozenset[str],
    workers: int,
    most: int,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Absolute paths and entries of the photos, at most `most` a task; less those whose workers died."""
    if not jobs:
        return
    head = options.head and str(find_head_file(options.head).absolute())
    everywhere = replace(options, out=options.out.absolute(), head=head)
    rows = [{"photo": str(job.photo.absolute()), "name": job.name} for job in jobs]
    a_task = min(most, -(-len(rows) // workers))
    with warnings.catch_warnings():
        # Ray has no other way yet to say how often a task is tried again; its default is for ever.
        warnings.simplefilter("ignore")
        results = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // a_task)).map_batches(
            RayWorker,
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(rows)), max_tasks_in_flight_per_actor=1),
            fn_constructor_args=(everywhere, reserved),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
    try:
        for row in results.iter_rows():
            line = json.loads(row["line"])
            if "stop" in line:
                raise OutputError(line["stop"])
            yield line["photo"], line["entry"]
    except RayError as error:
        said = str(error).strip().splitlines()[-1]
        raise UsageError(f"Ray at {_ADDRESS}: its workers cannot start ({said})") from None


@contextmanager
def _cluster(workers: int | None) -> Iterator[None]:
    """A connection to Ray, without a word of it."""
    here = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        _try_address()
        with _silence():
            ray.init(
                _ADDRESS,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **(here if _ADDRESS == "local" else {}),
            )
    except (OSError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise UsageError(
            f"Ray at {_ADDRESS}: cannot be used ({said}); start it or unset RAY_ADDRESS"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # The photos of a task that failed are done again by themselves.
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _try_address() -> None:
    """Raise OSError where nothing listens at the cluster's address: Ray itself would try for minutes."""
    host, _, port = _ADDRESS.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing reaches the standard error: Ray's compiled part announces there what is to be kept quiet."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
