"""What the command line can be asked for; the options are made from this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

FaceChoice = Literal["all", "largest"]
OpeningPose = Literal["photo", "neutral"]
TextureSize = Literal[512, 1024, 2048]
Engine = Literal["threads", "ray"]


@dataclass(frozen=True)
class ReconstructOptions:
    """Options of `deca reconstruct`."""

    photos: Annotated[tuple[str, ...], Positional, arg(metavar="PHOTO ...")]
    """Photo files, folders (searched in depth) or quoted glob patterns."""
    out: Path
    """Folder for the results; what is done there already is skipped."""
    face: FaceChoice = "all"
    """Every face, left to right, or the largest alone."""
    pose: OpeningPose = "photo"
    """How head.glb and the OBJ meshes stand: posed as in the photo, or neutral."""
    head: str | None = None
    """A stored head (see `deca assets list`) or a head file (.npz) in place of the default head."""
    texture_size: TextureSize = 1024
    """Pixels along a side of texture.png."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Do again what is done."""
    engine: Engine = "threads"
    """Threads of this process, or processes on a Ray cluster: that of RAY_ADDRESS, else this machine."""
    workers: int | None = None
    """Photos worked on at once; if not given, 2 threads, or one process for each core of the cluster."""
