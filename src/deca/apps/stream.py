"""Work in two steps, overlapped: items are read ahead, and several batches of them are worked on at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

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
