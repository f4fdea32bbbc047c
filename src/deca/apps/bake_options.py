"""What `deca bake` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

MapSize = Literal[256, 512, 1024]


@dataclass(frozen=True, kw_only=True)
class BakeOptions:
    """Options of `deca bake`."""

    folder: Annotated[Path, Positional, arg(metavar="FOLDER")]
    """A reconstructed face's folder, as `deca reconstruct` writes it."""
    out: Path
    """Folder for the head, its maps and what engines need to blend them."""
    maps: int = 12
    """Corrective normal maps at most."""
    map_size: MapSize = 512
    """Pixels along a side of every map."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Replace what is in --out already."""
