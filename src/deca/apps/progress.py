"""What the user sees of a run over photos: a bar with rate and time left, and lines where there is news."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deca.apps.photo_work import Outcome

FEW = 20
"""Up to so many photos, each one gets a line; of more, only those that fail."""
_SECONDS_BETWEEN_LINES = 60.0


class RunProgress:
    """Tells of the photos of one run as they are done; to be used in a `with` block.

    Where the console is no terminal, the bar becomes a line a minute.
    """

    _REPORT = "report.jsonl"
    _AGAIN = " (--overwrite does it again)"

    def __init__(self, console: Console, total: int, out: Path) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}", markup=False))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("", total=total, pace="")
        self._console, self._out, self._total = console, out, total
        self._started = self._told = time.monotonic()
        self._done = self._skipped = 0
        self.failures = 0

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._total > FEW:
            seconds = time.monotonic() - self._started
            self._say(f"{self._counts()} in {duration(seconds)}; {self._out / self._REPORT} says more")

    def skip(self, photo: Path) -> None:
        """A photo was done before."""
        self._skipped += 1
        if self._total <= FEW:
            self._say(f"{photo}: done before, skipped{self._AGAIN}")
        self._advance()

    def add(self, outcome: Outcome) -> None:
        """A photo is done or has failed."""
        if outcome.failed:
            self.fail(outcome.entry["error"])
        else:
            folders = ", ".join(str(self._out / name) for name in outcome.entry["faces"])
            self.succeed(f"{folders} ({outcome.entry['seconds']['total']:.1f} s)")

    def fail(self, error: str) -> None:
        """A photo has failed."""
        self.failures += 1
        self._say(f"failed {error}")
        self._advance()

    def succeed(self, line: str) -> None:
        """A photo is done; `line` is told where there are few."""
        self._done += 1
        if self._total <= FEW:
            self._say(line)
        self._advance()

    def _advance(self) -> None:
        now = time.monotonic()
        worked = self._worked()
        left = self._total - worked - self._skipped
        told = pace(worked, left, now - self._started)
        if self.failures:
            told += f", {self.failures} failed"
        self._bar.update(self._task, advance=1, pace=told)
        if not self._console.is_terminal and left and now - self._told > _SECONDS_BETWEEN_LINES:
            self._told = now
            self._say(f"{self._counts()} of {self._total} photos, {told}")

    def _worked(self) -> int:
        return self._done + self.failures

    def _counts(self) -> str:
        parts = [f"{self._done} done"]
        parts += [f"{self._skipped} skipped"] * bool(self._skipped)
        return ", ".join([*parts, f"{self.failures} failed"])

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class PrepareProgress(RunProgress):
    """The same for `deca prepare`, where photos may be dropped too."""

    _REPORT = "dropped.jsonl"
    _AGAIN = ""

    def __init__(self, console: Console, total: int, out: Path) -> None:
        super().__init__(console, total, out)
        self._reasons: Counter[str] = Counter()

    def __enter__(self) -> PrepareProgress:
        super().__enter__()
        return self

    def drop(self, photo: str, reason: str) -> None:
        """A photo is not used."""
        self._reasons[reason] += 1
        if self._total <= FEW:
            self._say(f"{photo}: dropped ({reason})")
        self._advance()

    def _worked(self) -> int:
        return super()._worked() + self._reasons.total()

    def _counts(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common())
        return f"{super()._counts()}, {self._reasons.total()} dropped" + (f" ({reasons})" if reasons else "")


def pace(done: int, left: int, seconds: float) -> str:
    """The rate of a run, and the time that it still takes at this rate.

    Photos that were skipped do not count as done: they would promise too much.
    """
    if not done or seconds <= 0:
        return ""
    rate = done / seconds
    told = f"{rate:.1f} photos/s" if rate >= 1 else f"{1 / rate:.1f} s a photo"
    return f"{told}, {duration(left / rate)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 5 min 20 s, 3 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
