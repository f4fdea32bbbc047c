"""What the command line can be asked for; the options are made from this."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

FaceChoice = Literal["all", "largest"]
OpeningPose = Literal["photo", "neutral"]
ModelChoice = Literal["encode", "fit", "deca"]
Behaviour = Literal["paper", "released"]
JawAngles = Literal["axis-angle", "euler"]
Precision = Literal["f32", "bf16"]
TextureSize = Literal[512, 1024, 2048]
Engine = Literal["threads", "ray"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What heads are made of, and how."""

    head: str | None = None
    """A stored head (see `deca assets list`) or a head file (.npz) in place of the default head."""
    model: ModelChoice = "fit"
    """Fit the head to the photo, predict it by the shipped networks (encode), or by DECA's published networks
    (see `deca assets add`)."""
    refine: int = 0
    """With encode: bring what the networks predict nearer to the photo by at most so many steps of the
    fit."""
    behaviour: Behaviour = "paper"
    """With --model deca: as the paper describes it, or as the released code does it, step by step."""
    jaw: JawAngles = "axis-angle"
    """With --model deca: how its weights give the jaw."""
    precision: Precision = "f32"
    """With --model deca and OpenVINO: bf16 encodes in half the time, some hundredths of a deviation off."""
    texture_size: TextureSize = 1024
    """Pixels along a side of texture.png."""

    @property
    def of_model(self) -> ModelOptions:
        """These options alone, whatever command has more of them."""
        return ModelOptions(**{field.name: getattr(self, field.name) for field in fields(ModelOptions)})


@dataclass(frozen=True, kw_only=True)
class ReconstructOptions(ModelOptions):
    """Options of `deca reconstruct`."""

    photos: Annotated[tuple[str, ...], Positional, arg(metavar="PHOTO ...")]
    """Photo files, folders (searched in depth) or quoted glob patterns."""
    out: Path
    """Folder for the results; what is done there already is skipped."""
    face: FaceChoice = "all"
    """Every face, left to right, or the largest alone."""
    pose: OpeningPose = "photo"
    """How head.glb and the OBJ meshes stand: posed as in the photo, or neutral."""
    same_person: Annotated[bool, FlagCreatePairsOff] = False
    """All photos show one person (the largest face of each): one head from all of them together."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Do again what is done."""
    engine: Engine = "threads"
    """Threads of this process, or processes on a Ray cluster: that of RAY_ADDRESS, else this machine."""
    workers: int | None = None
    """Photos worked on at once; if not given, 2 threads, or one process for each core of the cluster."""
