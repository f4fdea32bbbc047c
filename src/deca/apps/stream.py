"""Work that overlaps: items made ahead of their use, several at once, in order or in batches as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from queue import Queue
from threading import Thread
from typing import Any, TypeVar

import cv2
import torch
from threadpoolctl import threadpool_limits

_AHEAD = 8
Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    work: Callable[[Sequence[Read]], Sequence[Result]],
    *,
    batch_size: int,
    workers: int,
) -> Iterator[Result]:
    """The results of `work` on all items, batch by batch, as they come, in no promised order.

    One thread reads ahead while `workers` threads work. A batch is what has been read when a worker becomes
    free, up to `batch_size`: nobody waits for it to fill. However many items there are, no more than
    `batch_size` + 1 that are read or being read wait, and `workers` batches are worked on; items are taken
    only as there is room. An exception of `read` or `work` ends the stream, after what is being worked on; so
    does KeyboardInterrupt, which passes on once the results of that have been given.
    """
    items = iter(items)
    reading: deque[Future[Read]] = deque()
    working: set[Future[Sequence[Result]]] = set()
    waiting: list[Read] = []
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(workers, "work") as pool:
        try:
            while True:
                room = batch_size + 1 - len(reading) - len(waiting)
                reading.extend(reader.submit(read, item) for item in islice(items, room))
                while reading and reading[0].done():
                    waiting.append(reading.popleft().result())
                while waiting and len(working) < workers:
                    working.add(pool.submit(work, tuple(waiting[:batch_size])))
                    del waiting[:batch_size]
                if not reading and not working:
                    return
                next_done: list[Future[Any]] = [*working, *islice(reading, 1)]
                wait(next_done, return_when=FIRST_COMPLETED)
                for done in [future for future in working if future.done()]:
                    working.remove(done)
                    yield from done.result()
        except KeyboardInterrupt:
            reader.shutdown(cancel_futures=True)
            for unfinished in working:
                yield from unfinished.result()
            raise
        finally:
            reader.shutdown(cancel_futures=True)


def in_order(make: Callable[[Item], Result], items: Iterable[Item], workers: int = 2) -> Iterator[Result]:
    """`make` of every item, in their order, by several threads; few items wait at a time."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, made by a thread of their own a few ahead of their use."""
    end = object()
    waiting: Queue[object] = Queue(_AHEAD)
    stopped = False

    def make() -> None:
        try:
            for item in items:
                waiting.put(item)
                if stopped:
                    return
            waiting.put(end)
        except BaseException as error:
            waiting.put(error)

    thread = Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item  # pyright: ignore[reportReturnType]
    finally:
        stopped = True
        while not waiting.empty():
            waiting.get()


@contextmanager
def threads_shared(workers: int) -> Iterator[None]:
    """The threads of PyTorch, of OpenCV and of NumPy's products, divided among workers.

    More threads than cores slow each other down; those of OpenCV and of OpenBLAS wait actively, so that on a
    busy machine a small product takes many times as long with two of them as with one.
    """
    threads, picture_threads = torch.get_num_threads(), cv2.getNumThreads()
    share = max(1, threads // workers)
    torch.set_num_threads(share)
    cv2.setNumThreads(share)
    try:
        with threadpool_limits(share, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(picture_threads)
