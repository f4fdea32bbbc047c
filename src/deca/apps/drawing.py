"""Pictures of a person in motion, and the files that such pictures go into."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from deca.animation.motion import Motion
from deca.animation.person import Person
from deca.apps.animate_options import PanelChoice
from deca.apps.errors import UsageError, output_error
from deca.apps.stream import in_order
from deca.photo.sampling import Photo
from deca.render.pictures import over

VIDEO_ENDINGS = (".mp4", ".gif")
PAPER = (240, 240, 237)
FIELD = 1.25
"""Pictures show so many times the photo's crop of the face: the whole head."""

Panel = UInt8[np.ndarray, "height width 3"]


def checked_output(out: Path, endings: tuple[str, ...], overwrite: bool) -> str:
    """The ending of an output file, in small letters; UsageError for another one or a file that is there."""
    ending = out.suffix.lower()
    if ending not in endings:
        raise UsageError(f"{out}: the ending has to be one of {', '.join(endings)}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; --overwrite replaces it")
    if ending == ".mp4":
        import av  # noqa: F401  # what lacks is told of before the work, not after
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out.parent, error) from None
    return ending


def animated_frames(
    person: Person, motion: Motion, show: tuple[PanelChoice, ...], size: int, beside: Iterator[Photo]
) -> Iterator[Panel]:
    """The frames of a motion of a person, panel beside panel; `beside` are the driver's pictures."""
    paper = np.full((size, size, 3), PAPER, np.uint8)
    pictures = beside if "driver" in show else repeat(None)

    def drawn(item: tuple[int, Photo | None]) -> Panel:
        number, picture = item
        parameters = motion.parameters[number]
        camera = parameters.camera.clone()
        camera[:, 0] /= FIELD
        shot = person.seen(parameters.replace(camera=camera), size)
        panels: dict[str, Panel] = {}
        if picture is not None:
            panels["driver"] = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        if "result" in show:
            panels["result"] = over(shot.lit(), paper)
        if "clay" in show or "coarse" in show:
            coarse, clay = shot.clay()
            panels |= {"clay": over(clay, paper), "coarse": over(coarse, paper)}
        return np.concatenate([panels[name] for name in show], 1)

    return in_order(drawn, zip(range(len(motion.times)), pictures, strict=False))
