"""`deca train`: one training from a configuration, told of as it goes; what is there already is gone on
from."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import cv2
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from deca.apps.errors import UsageError, output_error
from deca.apps.progress import duration
from deca.training.config import ConfigError, TrainConfig, read_config

_SECONDS_BETWEEN_LINES = 60.0


def configured(path: Path, arguments: Sequence[str]) -> TrainConfig:
    """The configuration of a file, some settings replaced by options of the command line; else UsageError.

    Single losses that are given leave the file's others as they are.
    """
    try:
        config = read_config(path.read_text(), str(path))
        # Of a dictionary with something in it tyro would make one option for each key.
        bare = replace(config, shards={}, losses={})
        found = tyro.cli(TrainConfig, prog="deca train", default=bare, args=arguments)
        shards, losses = found.shards or config.shards, config.losses | found.losses
        return replace(found, shards=shards, losses=losses).complete()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name a JSON file of settings") from None
    except ConfigError as error:
        raise UsageError(str(error)) from None


def run_training(config: TrainConfig, console: Console) -> bool:
    """Train; whether the last step was reached. Ctrl-C, or SIGTERM, ends the run after a checkpoint.

    Raises UsageError for what cannot be trained, OutputError where nothing can be written, and
    ArithmeticError where the losses are not finite any more.
    """
    try:
        from deca.training.loop import train
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; pip install 'deca[train]'") from None
    from deca.conversion.asset import AssetError
    from deca.head.data import HeadError
    from deca.io.heads import find_head
    from deca.io.shards import ShardError
    from deca.model.weights import WeightsError
    from deca.training.checkpoints import CheckpointError
    from deca.training.stages import silent_losses

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    # Threads of OpenCV in several processes would wait for each other.
    cv2.setNumThreads(1)
    try:
        for line in silent_losses(config):
            say(line)
        with stopped_by_signals() as stopped, TrainingProgress(console) as progress:
            outcome = train(config, find_head(config.head), progress.add, stopped.is_set)
    except (
        AssetError,
        CheckpointError,
        ConfigError,
        FileNotFoundError,
        HeadError,
        ShardError,
        WeightsError,
    ) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise output_error(Path(config.out), error) from None
    if outcome.finished:
        say(f"step {outcome.step}: {outcome.out / 'weights.safetensors'} is written")
    else:
        say(f"step {outcome.step}: stopped; the same command goes on from here")
    return outcome.finished


def training_console() -> Console:
    """Where the first process of a training tells of it; the others say nothing."""
    return Console(stderr=True, quiet=not _is_first_process())


def exit_status(finished: bool) -> int:
    """Zero, or 130 where the run was stopped; processes that help must not fail, or the first is ended."""
    return 0 if finished or not _is_first_process() else 130


def _is_first_process() -> bool:
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


class TrainingProgress:
    """A bar with rate, time left and loss; where the console is no terminal, a line a minute. For a `with`
    block."""

    def __init__(self, console: Console) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}", markup=False))
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("", total=None, said="")
        self._console = console
        self._unsaid = float("inf")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add(self, progress) -> None:
        """Tell of a `deca.training.loop.Progress`."""
        done = progress.steps_done
        left = (progress.steps - progress.step) * progress.seconds / done
        rate = progress.faces / progress.seconds
        said = f"loss {progress.loss:.4g}, {rate:.3g} faces/s, {duration(left)} left"
        self._bar.update(self._task, total=progress.steps, completed=progress.step, said=said)
        self._unsaid += progress.seconds
        last = progress.step == progress.steps
        if not self._console.is_terminal and (last or self._unsaid > _SECONDS_BETWEEN_LINES):
            self._unsaid = 0.0
            line = f"step {progress.step} of {progress.steps}: {said}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set in place of ending the process; a second Ctrl-C does end it."""
    event = threading.Event()

    def ask(number: int, frame: object) -> None:
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
