"""The images of a benchmark spread over processes, those of one scan together."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deca.apps.errors import UsageError
from deca.apps.evaluation_outcomes import ImageOutcome

Task = TypeVar("Task")


def run_tasks(
    work: Callable[[Task], list[ImageOutcome]],
    tasks: Sequence[Task],
    images: int,
    workers: int | None,
    console: Console,
) -> list[ImageOutcome]:
    """The outcomes of all tasks, in the tasks' order, with a progress bar over images."""
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    count = min(workers or len(os.sched_getaffinity(0)), max(len(tasks), 1))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task("evaluating", total=images)
        found: dict[int, list[ImageOutcome]] = {}
        for number, outcomes in _results(work, tasks, count):
            found[number] = outcomes
            progress.advance(bar, len(outcomes))
    return [outcome for number in sorted(found) for outcome in found[number]]


def _results(
    work: Callable[[Task], list[ImageOutcome]], tasks: Iterable[Task], workers: int
) -> Iterator[tuple[int, list[ImageOutcome]]]:
    if workers == 1:
        yield from ((number, work(task)) for number, task in enumerate(tasks))
        return
    # Fresh processes: a fork would copy whatever threads hold locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        numbers = {pool.submit(work, task): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
