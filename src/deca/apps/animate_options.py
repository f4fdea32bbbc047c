"""What `deca animate` and `deca render` can be asked for; the options are made from this."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from deca.animation.motion import TransferConfig
from deca.apps.options import ModelOptions

PanelChoice = Literal["driver", "result", "clay", "coarse"]
Look = Literal["textured", "clay", "coarse", "normals"]


@dataclass(frozen=True, kw_only=True)
class AnimateOptions(ModelOptions):
    """Options of `deca animate`; those of the model are for photos, a folder brings its own."""

    source: Annotated[Path, Positional, arg(metavar="SOURCE")]
    """Who is animated: a photo, or the folder of a reconstructed face."""
    driver: Path
    """Who or what moves: a photo, a video, a reconstructed folder or its parameters.json, a CSV of ARKit's
    weights, or a motion (.npz) of `deca track`."""
    out: Path
    """The result, by its ending: .mp4, .gif or .png (rendered), .glb (animated), .csv (ARKit) or .npz."""
    transfer: Annotated[TransferConfig, FlagCreatePairsOff, tyro.conf.arg(name="")] = field(
        default_factory=TransferConfig
    )
    neutral: Path | None = None
    """With --relative: a photo or folder of the driver's neutral face; if not given, its calmest frames."""
    show: tuple[PanelChoice, ...] = ("result",)
    """Rendered side by side: the driver's picture, the result, its shape as clay, the shape without
    wrinkles."""
    size: int = 512
    """Pixels along a side of each picture."""
    seconds: float = 2.0
    """How long a movement to a photo's expression and back takes."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Replace the result if it is there."""


@dataclass(frozen=True, kw_only=True)
class RenderOptions(ModelOptions):
    """Options of `deca render`; those of the model are for photos, a folder brings its own."""

    source: Annotated[Path, Positional, arg(metavar="SOURCE")]
    """Who is seen: a photo, or the folder of a reconstructed face."""
    out: Path | None = None
    """A picture: .png or .jpg."""
    pose: tuple[float, float, float] | None = None
    """Yaw (to the subject's left), pitch (down) and roll (to the viewer's right) in degrees; if not given,
    the photo's."""
    expression: tuple[str, ...] = ()
    """Presets and facial actions with their strengths, 1 if none is said: smile=0.8 jawOpen=0.3. They take
    the place of the photo's expression; `neutral` alone clears it."""
    light: str = "photo"
    """The photo's light, a studio light (front, left, right, above, below, rim, soft), or the folder of
    another face whose light is taken."""
    turn_light: float = 0.0
    """Degrees by which the light is turned about the head, to the subject's left."""
    look: Look = "textured"
    """With texture, as clay with or without wrinkles, or the normals as colours."""
    size: int = 1024
    """Pixels along a side of the picture."""
    background: Literal["none", "paper", "black"] = "paper"
    """What is behind the head; "none" is transparent, in PNG."""
    turntable: Path | None = None
    """Also a video (.mp4 or .gif) of the head turning from side to side."""
    seconds: float = 4.0
    """How long a turn of the turntable takes."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Replace results that are there."""
