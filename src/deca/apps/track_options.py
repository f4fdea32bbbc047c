"""What `deca track` can be asked for; the options are made from this."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from deca.animation.smoothing import SmoothingConfig
from deca.apps.options import TextureSize


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Options of `deca track`."""

    video: Annotated[str, Positional, arg(metavar="VIDEO")]
    """A video file, or camera:0 for the first webcam (recorded first, then tracked)."""
    out: Path
    """Folder for the results: person_1, person_2, ... and track.json."""
    seconds: float = 10.0
    """How long a webcam is recorded."""
    head: str | None = None
    """A stored head (see `deca assets list`) or a head file (.npz) in place of the default head."""
    texture_size: TextureSize = 1024
    """Pixels along a side of texture.png."""
    smoothing: Annotated[SmoothingConfig, tyro.conf.arg(name="smoothing")] = field(
        default_factory=SmoothingConfig
    )
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Replace results that are there."""
