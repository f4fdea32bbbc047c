"""What the benchmarks share: the machine in words, and medians of repeated calls."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

MOST_SECONDS = 10


def describe_machine() -> str:
    """Processor, cores, threads in use and PyTorch's version."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, {torch.get_num_threads()} thread(s), torch {torch.__version__}"


def median_milliseconds(function: Callable[[], object], runs: int) -> float:
    """Median time of a call over `runs` runs (fewer when they take long), after one that does not count."""
    function()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
        if sum(times) > MOST_SECONDS:
            break
    return 1000 * float(np.median(times))


def print_table(title: str, rows: Mapping[str, float], references: Mapping[str, float]) -> None:
    """Print milliseconds, beside those of the published implementation and how many times faster it is."""
    table = Table("what", "ms", "reference, ms", "times faster", title=title)
    for name, value in rows.items():
        reference = references.get(name)
        beside = ("", "") if reference is None else (f"{reference:,g}", f"{reference / value:.1f}")
        table.add_row(name, f"{value:.2f}" if value < 10 else f"{value:,.1f}", *beside)
    Console(width=120).print(table)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
