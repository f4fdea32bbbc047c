"""What `deca serve` and `deca view` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg


@dataclass(frozen=True, kw_only=True)
class AddressOptions:
    """Where the page is to be found."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 lets other machines in."""
    no_browser: Annotated[bool, FlagCreatePairsOff] = False
    """Print the address, and open no browser."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(AddressOptions):
    """Options of `deca serve`."""

    port: int = 8000
    """The port; 0 takes any that is free."""
    store: Path | None = None
    """Folder for the results; if not given, one of the user's own folders."""
    keep_hours: float = 24.0
    """Results are deleted after so many hours."""
    workers: int = 1
    """Processes that reconstruct photos; one more answers the page's other questions."""
    max_megabytes: float = 25.0
    """Larger uploads are refused."""
    max_waiting: int = 40
    """Photos that may wait at once; further ones are refused until there is room."""
    uploads_per_minute: int = 120
    """Photos that one client may send in a minute."""


@dataclass(frozen=True, kw_only=True)
class ViewOptions(AddressOptions):
    """Options of `deca view`."""

    folder: Annotated[Path, Positional, arg(metavar="FOLDER")]
    """The folder of a reconstructed face, or a folder of such folders."""
    port: int = 0
    """The port; 0 takes any that is free."""
