"""Whether a command may write where something is already."""

from __future__ import annotations

from pathlib import Path

from deca.apps.errors import UsageError


def check_replaceable(out: Path, overwrite: bool, mark: str | None = None) -> None:
    """UsageError where something is at `out` that may not be replaced.

    It may with --overwrite alone; and where the command writes folders, only one that holds the file `mark`,
    by which it knows its own.
    """
    if not out.exists():
        return
    if not overwrite:
        raise UsageError(f"{out} is there already; --overwrite replaces it")
    if mark is not None and not (out / mark).is_file():
        raise UsageError(
            f"{out} is no folder of this command (it has no {mark}) and is not replaced; name another one"
        )
