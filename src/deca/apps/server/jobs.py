"""Photos on their way to heads: the queue, what each job is at, and who waits to hear of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from deca.apps.server.heads import HeadStore
from deca.apps.server.tasks import Quality, Reconstruct, TaskError
from deca.apps.server.workers import WorkerPool

_FIRST = ("starting", "reading", "finding")
STEPS: dict[Quality, tuple[str, ...]] = {
    "fit": (*_FIRST, "geometry", "eyes", "appearance", "detail", "texture", "writing"),
    "encode": (*_FIRST, "encoding", "detail", "texture", "writing"),
}
"""The steps of a job in their order."""


class JobState(BaseModel):
    """What a job is at."""

    id: str
    """Also the id of the head that comes of it."""
    state: Literal["waiting", "working", "done", "failed"]
    steps: list[str]
    """All the steps, in their order."""
    step: str | None = None
    """The one that is being done."""
    ahead: int | None = None
    """While waiting: how many photos are done first."""
    error: str | None = None
    """Why it failed, in one line."""


@dataclass
class _Job:
    state: JobState
    future: Future[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float | None = None


class Jobs:
    """The jobs of one server. Everything but the worker's own steps happens in the event loop's thread."""

    def __init__(self, store: HeadStore, pool: WorkerPool) -> None:
        self._store, self._pool = store, pool
        self._jobs: dict[str, _Job] = {}
        self._running: set[asyncio.Task[None]] = set()

    def add(self, job_id: str, work: Path, photo: Path, name: str, quality: Quality) -> JobState:
        """Queue the photo that was received in a work folder; QueueFullError where there is no room."""
        loop = asyncio.get_running_loop()
        job = _Job(JobState(id=job_id, state="waiting", steps=list(STEPS[quality])))

        def listen(step: str) -> None:
            loop.call_soon_threadsafe(self._begin, job, step)

        made = work / "head"
        job.future = self._pool.submit(Reconstruct(photo, name, quality, made), listen)
        self._jobs[job_id] = job
        running = asyncio.create_task(self._follow(job, made))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return self._seen(job)

    def state(self, job_id: str) -> JobState | None:
        """What a job is at; a result that an earlier server left is done. None for an id that is not
        known."""
        if job := self._jobs.get(job_id):
            if job.state.state == "done" and self._store.folder(job_id) is None:
                return None
            return self._seen(job)
        if self._store.folder(job_id) is not None:
            return JobState(id=job_id, state="done", steps=[])
        return None

    async def states(self, job_id: str, heartbeat: float) -> AsyncIterator[JobState | None]:
        """Its state now and after every change until it has ended; None when nothing has changed for so many
        seconds."""
        while True:
            # Before the state is read: what changes while it is being sent must not be missed.
            changed = job.changed if (job := self._jobs.get(job_id)) else None
            if (state := self.state(job_id)) is None:
                return
            yield state
            if changed is None or state.state in ("done", "failed"):
                return
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), heartbeat)
                except TimeoutError:
                    yield None

    def delete(self, job_id: str) -> bool:
        """Forget a job and delete its result; whether there was one."""
        job = self._jobs.pop(job_id, None)
        if job is not None and job.future is not None:
            job.future.cancel()
            self._changed(job)
        known = job is not None or self._store.folder(job_id) is not None
        self._store.delete(job_id)
        return known

    def forget(self, older_than: float) -> None:
        """Forget what ended more than so many seconds ago; results are the store's affair."""
        for job_id, job in list(self._jobs.items()):
            if job.ended is not None and time.monotonic() - job.ended > older_than:
                del self._jobs[job_id]

    async def _follow(self, job: _Job, made: Path) -> None:
        assert job.future is not None
        state = job.state
        try:
            await asyncio.wrap_future(job.future)
            if state.id in self._jobs:
                self._store.finish(state.id, made)
                state.state = "done"
        except asyncio.CancelledError:
            state.state, state.error = "failed", "cancelled"
        except TaskError as error:
            state.state, state.error = "failed", str(error)
        except OSError as error:
            state.state, state.error = (
                "failed",
                f"the result cannot be kept ({error.strerror or type(error).__name__})",
            )
        finally:
            self._store.drop_work(state.id)
            state.step = None
            job.ended = time.monotonic()
            self._changed(job)
            # Those behind it have moved up.
            for other in self._jobs.values():
                if other.state.state == "waiting":
                    self._changed(other)

    def _begin(self, job: _Job, step: str) -> None:
        if job.ended is None:
            job.state.state, job.state.step = "working", step
            self._changed(job)

    def _seen(self, job: _Job) -> JobState:
        if job.state.state != "waiting":
            return job.state.model_copy()
        ahead = 0
        for other in self._jobs.values():
            if other is job:
                break
            ahead += other.ended is None
        return job.state.model_copy(update={"ahead": ahead})

    @staticmethod
    def _changed(job: _Job) -> None:
        changed, job.changed = job.changed, asyncio.Event()
        changed.set()
