"""Many items on a Ray cluster: workers do them, this process hears what became of each."""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deca.apps.errors import OutputError, UsageError

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

_ITEMS_A_TASK = 8
_RETRIES = 1
_CONNECT_SECONDS = 10
# Paths and finished faces go through it, never pictures.
_OBJECT_STORE_BYTES = 100 * 2**20


@dataclass(frozen=True)
class RayItem:
    """Something to do: a key that no other has, and text that says what."""

    key: str
    told: str


@dataclass(frozen=True)
class RayResult:
    """What became of the item of this key: JSON values, and bytes beside them.

    `entry` is None where the process that worked on it died, again and again.
    """

    key: str
    entry: dict[str, Any] | None
    data: bytes = b""


Work = Callable[[Sequence[RayItem]], Iterable[RayResult]]
"""What does the items of a task, in one process. An OutputError of it ends the stream."""


def ray_stream(
    items: Iterable[RayItem], start: Callable[[], Work], workers: int | None
) -> Iterator[RayResult]:
    """What becomes of the items, in no promised order, each once.

    The cluster is the one that RAY_ADDRESS names, else one on this machine for this call. Each process
    calls `start` once, which is sent to it. A worker that dies is started again and its items are done
    again; an item that its worker does not survive alone fails. Raises OutputError as the work does, and
    UsageError for a cluster that cannot be used.
    """
    waiting = {item.key: item for item in items}
    if not waiting:
        return
    with _cluster(workers):
        processes = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        # What the first turn leaves was in a task with an item that kills: now each has its own task.
        for most in (_ITEMS_A_TASK, 1):
            for result in _results(list(waiting.values()), start, processes, most):
                del waiting[result.key]
                yield result
    for key in waiting:
        yield RayResult(key, None)


class RayWorker:
    """One process of the cluster: it is started once and does items, task by task."""

    def __init__(self, start: Callable[[], Work]) -> None:
        torch.set_num_threads(1)
        self.work = start()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """Do the items of one task, columns "key" and "told"; the columns of a RayResult for each."""
        items = [RayItem(key, told) for key, told in zip(batch["key"], batch["told"], strict=True)]
        try:
            results = list(self.work(items))
        except OutputError as error:
            # An exception would only fail this task: it is for the driver to stop.
            return {"key": [""], "entry": [json.dumps(str(error))], "data": [b""]}
        return {
            "key": [one.key for one in results],
            "entry": [json.dumps(one.entry) for one in results],
            "data": [one.data for one in results],
        }


def _results(
    items: Sequence[RayItem], start: Callable[[], Work], processes: int, most: int
) -> Iterator[RayResult]:
    """Results of the items, at most `most` a task; none of those whose workers died."""
    if not items:
        return
    rows = [{"key": item.key, "told": item.told} for item in items]
    a_task = min(most, -(-len(rows) // processes))
    with warnings.catch_warnings():
        # Ray has no other way yet to say how often a task is tried again; its default is for ever.
        warnings.simplefilter("ignore")
        results = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // a_task)).map_batches(
            RayWorker,
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(
                size=min(processes, len(rows)), max_tasks_in_flight_per_actor=1
            ),
            fn_constructor_args=(start,),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
    try:
        for row in results.iter_rows():
            entry = json.loads(row["entry"])
            if not row["key"]:
                raise OutputError(entry)
            yield RayResult(row["key"], entry, row["data"])
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
    # Ray has no type of its own for a cluster that does not start.
    except Exception as error:
        said = " ".join(str(error).split())
        raise UsageError(
            f"Ray at {_ADDRESS}: cannot be used ({said}); start it or unset RAY_ADDRESS"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # The items of a task that failed are done again by themselves.
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
