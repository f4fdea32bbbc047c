"""`deca render`: a reconstructed person in another pose, expression and light."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from deca.animation.expressions import ExpressionError, named_expression
from deca.animation.lights import STUDIO, studio_light
from deca.animation.person import Person, Shot
from deca.apps.animate_options import Look, RenderOptions
from deca.apps.drawing import FIELD, PAPER, VIDEO_ENDINGS, checked_output
from deca.apps.errors import UsageError, output_error
from deca.apps.people import open_person, read_face
from deca.apps.stream import in_order
from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.io.files import whole_file
from deca.io.videos import new_video
from deca.parameters import Parameters
from deca.render.lighting import turned
from deca.render.pictures import Picture, over

_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
_SWING = math.radians(60)
_FRAME_RATE = 30.0
_QUALITY = 95

Pixels = UInt8[np.ndarray, "height width 3"]


def render(options: RenderOptions, console: Console) -> None:
    """Draw a person as the options ask, as a picture, a turntable or both.

    Raises UsageError where nothing can be done, and OutputError where a result cannot be written.
    """
    if options.out is None and options.turntable is None:
        raise UsageError("nothing to write; give --out PICTURE, --turntable VIDEO or both")
    if options.out is not None:
        checked_output(options.out, _PICTURE_ENDINGS, options.overwrite)
    if options.turntable is not None:
        checked_output(options.turntable, VIDEO_ENDINGS, options.overwrite)
    if not 16 <= options.size <= 8192:
        raise UsageError(f"--size {options.size}: between 16 and 8192 pixels")
    person, _ = open_person(options.source, options.of_model)
    parameters = _posed(person, options)
    try:
        if options.out is not None:
            _write_picture(options, _drawn(person, parameters, options))
            console.print(str(options.out), highlight=False)
        if options.turntable is not None:
            _write_turntable(options, person, parameters, console)
            console.print(str(options.turntable), highlight=False)
    except OSError as error:
        folder = (options.out or options.turntable or Path()).parent
        raise output_error(folder, error) from None


def _posed(person: Person, options: RenderOptions) -> Parameters:
    """The person's parameters with what the options change of them."""
    parameters = person.parameters
    camera = parameters.camera.clone()
    camera[:, 0] /= FIELD
    parameters = parameters.replace(camera=camera, lighting=_light(person, options)[None])
    if options.pose is not None:
        parameters = parameters.replace(pose=_rotation(*options.pose))
    if options.expression:
        try:
            expression = named_expression(options.expression, person.deca.data)
        except ExpressionError as error:
            raise UsageError(str(error)) from None
        parameters = parameters.replace(expression=expression, jaw=torch.zeros_like(parameters.jaw))
    return parameters


def _light(person: Person, options: RenderOptions) -> Float[Tensor, "9 3"]:
    if options.light == "photo":
        light = person.parameters.lighting[0]
    elif options.light in STUDIO:
        light = studio_light(options.light)
    elif Path(options.light).exists():
        light = read_face(Path(options.light), person.deca.data).lighting[0]
    else:
        raise UsageError(
            f"--light {options.light}: neither photo, one of {', '.join(STUDIO)}, nor a reconstructed folder"
        )
    angle = math.radians(options.turn_light)
    return turned(light, axis_angle_to_matrix(torch.tensor([0.0, angle, 0.0]))) if angle else light


def _rotation(yaw: float, pitch: float, roll: float) -> Float[Tensor, "1 3"]:
    """The pose of degrees: yaw about y, pitch about x, roll to the viewer's right about z, applied from the
    last to the first."""
    about_y, about_x, about_z = (
        axis_angle_to_matrix(torch.tensor(axis) * math.radians(angle))
        for axis, angle in (
            ([0.0, 1.0, 0.0], yaw),
            ([1.0, 0.0, 0.0], pitch),
            ([0.0, 0.0, -1.0], roll),
        )
    )
    return matrix_to_axis_angle(about_y @ about_x @ about_z)[None]


def _drawn(person: Person, parameters: Parameters, options: RenderOptions) -> Picture:
    return _look(person.seen(parameters, options.size), options.look)


def _look(shot: Shot, look: Look) -> Picture:
    if look == "textured":
        return shot.lit()
    if look == "normals":
        return shot.normals()
    coarse, clay = shot.clay()
    return clay if look == "clay" else coarse


def _write_picture(options: RenderOptions, picture: Picture) -> None:
    assert options.out is not None
    if options.background == "none":
        if options.out.suffix.lower() != ".png":
            raise UsageError(f"{options.out}: only PNG is transparent; take .png or --background paper")
        cover = picture[..., 3:]
        colour = picture[..., :3] / np.maximum(cover, 1e-6)
        image = Image.fromarray(
            np.rint(np.concatenate([colour, cover], -1).clip(0, 1) * 255).astype(np.uint8)
        )
    else:
        image = Image.fromarray(over(picture, _background(options)))
    kind = "PNG" if options.out.suffix.lower() == ".png" else "JPEG"
    with whole_file(options.out) as temporary:
        image.save(temporary, kind, **({} if kind == "PNG" else {"quality": _QUALITY}))


def _background(options: RenderOptions) -> Pixels:
    colour = (0, 0, 0) if options.background == "black" else PAPER
    return np.full((options.size, options.size, 3), colour, np.uint8)


def _write_turntable(
    options: RenderOptions, person: Person, parameters: Parameters, console: Console
) -> None:
    """The head turns from side to side and back, about its own axis, so that its first frame follows on its
    last."""
    assert options.turntable is not None
    count = max(2, round(options.seconds * _FRAME_RATE))
    upright = axis_angle_to_matrix(parameters.pose[0])
    background = _background(options)

    def frame(number: int) -> Pixels:
        angle = _SWING * math.sin(2 * math.pi * number / count)
        turn = axis_angle_to_matrix(torch.tensor([0.0, angle, 0.0]))
        pose = matrix_to_axis_angle(turn @ upright)[None]
        return over(_drawn(person, parameters.replace(pose=pose), options), background)

    frames: Iterator[Pixels] = in_order(frame, range(count))
    with new_video(options.turntable, _FRAME_RATE) as append:
        for picture in track(frames, "drawing", count, console=console, transient=True):
            append(picture)
