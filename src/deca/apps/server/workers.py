"""Processes that do the heavy work, so that one that crashes or hangs takes no other and not the server."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from deca.apps.server.tasks import Task, TaskError

Listener = Callable[[str], None]
"""Told, from another thread, the name of each step as it begins."""
Run = Callable[[Connection], None]
"""The main function of a worker process: it answers tasks until its connection is closed."""
# Spawned: a fork would inherit this process's threads' locks and its listening socket.
_SPAWN = multiprocessing.get_context("spawn")


class QueueFullError(Exception):
    """As many tasks wait already as may."""


@dataclass(frozen=True)
class _Item:
    task: Task
    listen: Listener
    future: Future[Any]


class WorkerPool:
    """`count` processes, each started when there is first something for it to do.

    A task that crashes its process, or takes longer than `seconds`, fails with TaskError, and the process is
    replaced.
    """

    def __init__(self, run: Run, count: int, most_waiting: int, seconds: float) -> None:
        self._run, self._seconds = run, seconds
        self._waiting: queue.Queue[_Item | None] = queue.Queue(most_waiting)
        self._processes: set[BaseProcess] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, listen: Listener = lambda step: None) -> Future[Any]:
        """Queue a task; its future can be cancelled while it waits. QueueFullError when there is no room."""
        item = _Item(task, listen, Future())
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            raise QueueFullError from None
        return item.future

    def close(self) -> None:
        """End every process; what was not done fails."""
        self._closed = True
        for process in list(self._processes):
            process.kill()
        while True:
            try:
                if item := self._waiting.get_nowait():
                    item.future.cancel()
            except queue.Empty:
                break
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def _serve(self) -> None:
        worker: _Worker | None = None
        while (item := self._waiting.get()) is not None:
            if not item.future.set_running_or_notify_cancel():
                continue
            try:
                if worker is None:
                    worker = _Worker(self._run)
                    self._processes.add(worker.process)
                item.future.set_result(worker.do(item, self._seconds))
            except TaskError as error:
                item.future.set_exception(error)
            except (EOFError, OSError, TimeoutError) as error:
                took_long = isinstance(error, TimeoutError)
                if worker is not None:
                    worker.end()
                    self._processes.discard(worker.process)
                    worker = None
                reason = f"took more than {self._seconds:.0f} s" if took_long else "crashed the program"
                item.future.set_exception(
                    TaskError("the server is stopping" if self._closed else f"this photo {reason}")
                )
        if worker is not None:
            worker.end()


class _Worker:
    """One process, and this end of the line to it."""

    def __init__(self, run: Run) -> None:
        self._line, far = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=run, args=(far,), daemon=True)
        self.process.start()
        far.close()

    def do(self, item: _Item, seconds: float) -> Any:
        """The task's result; EOFError or OSError where the process died, TimeoutError where it hangs."""
        self._line.send(item.task)
        deadline = time.monotonic() + seconds
        while True:
            if not self._line.poll(max(0, deadline - time.monotonic())):
                raise TimeoutError
            kind, content = self._line.recv()
            if kind == "step":
                item.listen(content)
            elif kind == "failed":
                raise TaskError(content)
            else:
                return content

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._line.close()
