"""Where a command may write, and files of which endings."""

from __future__ import annotations

from pathlib import Path

from deca.apps.errors import UsageError, output_error

VIDEO_ENDINGS = (".mp4", ".gif")


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


def checked_output(out: Path, endings: tuple[str, ...], overwrite: bool) -> str:
    """The ending of an output file, in small letters; UsageError for another one or a file that is there."""
    ending = out.suffix.lower()
    if ending not in endings:
        raise UsageError(f"{out}: the ending has to be one of {', '.join(endings)}")
    check_replaceable(out, overwrite)
    if ending == ".mp4":
        import av  # noqa: F401  # what lacks is told of before the work, not after
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out.parent, error) from None
    return ending
