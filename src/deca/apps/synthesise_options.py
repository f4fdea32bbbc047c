"""What `deca synthesise` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff


@dataclass(frozen=True, kw_only=True)
class SynthesiseOptions:
    """Options of `deca synthesise`."""

    out: Path
    """Folder for the shards; a run that was stopped goes on."""
    count: int
    """How many faces the folder is to hold."""
    photos_a_person: int = 4
    """Pictures of each synthetic person, under other expressions, poses and lights."""
    size: int = 256
    """Pixels along a side of the stored squares; detail is learnt from 448 and more."""
    wrinkled: float = 0.5
    """Share of people with wrinkles and pores."""
    photographed: float = 0.5
    """Share of people who wear the texture of a photo, where --faces are given."""
    most_yaw: float = 90.0
    """Degrees to which heads turn to the side; wrinkles are best learnt from faces that show both sides."""
    clear: Annotated[bool, FlagCreatePairsOff] = False
    """Bare faces, without hair or things before them, and no blur or noise of a camera: wrinkles are best
    learnt from pictures that show them."""
    faces: Path | None = None
    """Folder of reconstructed faces (`deca reconstruct`): their textures and shapes are worn, and their
    expressions are what synthetic faces do."""
    backgrounds: Path | None = None
    """Folder of pictures without faces, to stand before."""
    head: str | None = None
    """A stored head or a head file (.npz) in place of the default head."""
    seed: int = 0
    """Everything follows from this number."""
