"""What stops the command as a whole, told in one line; a photo that fails alone is no error here."""

from __future__ import annotations

from pathlib import Path


class UsageError(ValueError):
    """The command was called in a way that leaves nothing to do."""


class OutputError(OSError):
    """Results cannot be written any more; what was written before is whole."""


def output_error(folder: Path, error: OSError) -> OutputError:
    """What to say when the system refused to write something into `folder`."""
    reason = error.strerror or error
    return OutputError(f"{folder}: cannot be written ({reason}); no half-written file is left")
