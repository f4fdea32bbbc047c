"""Processes that Ctrl-C and SIGTERM do not reach: the one that started them decides when they end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def deaf_processes() -> Iterator[None]:
    """Processes that the block spawns never get SIGINT and SIGTERM, from their first instruction on.

    Terminals and job schedulers send these to every process of a group. A signal that comes meanwhile is
    this process's as ever; its children have to end by other means than `Process.terminate`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        # Windows sends neither to a group.
        yield
        return
    # A mask outlives fork and exec, which handlers do not. The tracker would lift it when it starts.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
