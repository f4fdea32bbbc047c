"""Motion: how a face moves over time, and its transfer to another person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.data import HeadData
from deca.parameters import Parameters

# The share of frames, the calmest, whose mean is a driver's neutral face.
_CALM = 0.05


@dataclass(frozen=True)
class Motion:
    """One face over time: `parameters` hold a frame each, `times` are seconds, rising.

    What belongs to the person (shape, albedo, detail) and the picture (camera, lighting) may stand in it too;
    transfer does not read them.
    """

    times: Float[np.ndarray, " frame"]
    parameters: Parameters

    def __post_init__(self) -> None:
        if len(self.times) != self.parameters.batch or not len(self.times):
            raise ValueError(
                f"{len(self.times)} times for {self.parameters.batch} frames; one each is needed"
            )
        if (np.diff(self.times) <= 0).any():
            raise ValueError("the times of a motion have to rise")

    @property
    def frame_rate(self) -> float:
        """Frames a second, by the median step; 30 for a single frame."""
        return float(1 / np.median(np.diff(self.times))) if len(self.times) > 1 else 30.0


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """What a driver gives besides expression and jaw, and how."""

    relative: bool = False
    """Take the driver's change against its own neutral face, and not its expression itself."""
    head_pose: bool = False
    """Take the head's pose and the neck's, too."""
    gaze: bool = False
    """Take the gaze, too."""
    strength: float = 1.0
    """By what expression and jaw are multiplied: less than 1 is calmer, more is exaggerated."""


def transferred(
    person: Parameters,
    motion: Motion,
    data: HeadData,
    config: TransferConfig,
    neutral: Parameters | None = None,
) -> Motion:
    """The motion of a driver on a person (a batch of one) of the same head model.

    Shape, albedo, light, camera and detail code stay the person's. A relative transfer takes what differs
    from the driver's `neutral` face (a batch of one), or from the mean of its calmest frames, as the change
    of the person's own neutral face. Gaze that is not taken stays the person's, its pull on the lids too.
    """
    driver = motion.parameters
    looks = torch.from_numpy(gaze_actions(data))
    expression, jaw, eyes = driver.expression, driver.jaw, driver.eyes
    pose, neck = driver.pose, driver.neck
    if config.relative:
        rest = calmest(motion) if neutral is None else neutral
        expression = expression - rest.expression
        jaw = _turned_from(rest.jaw, jaw)
        eyes = _turned_from(rest.eyes, eyes)
        pose = _turned_from(rest.pose, pose, person.pose)
        neck = _turned_from(rest.neck, neck, person.neck)
    expression, jaw = config.strength * expression, config.strength * jaw
    if data.has_actions:
        expression = expression.clamp(0, 1)
    if not config.gaze:
        expression = torch.where(looks, person.expression, expression)
        eyes = person.eyes
    if not config.head_pose:
        pose, neck = person.pose, person.neck
    frames = person.map(lambda values: values.expand(driver.batch, *values.shape[1:]))
    moved = {"expression": expression, "jaw": jaw, "eyes": eyes, "pose": pose, "neck": neck}
    expanded = {
        name: values.expand(driver.batch, *values.shape[1:]).contiguous() for name, values in moved.items()
    }
    return Motion(motion.times, frames.replace(**expanded))


def calmest(motion: Motion) -> Parameters:
    """The mean of the calmest frames, a batch of one: an estimate of a face's neutral expression."""
    parameters = motion.parameters
    movement = parameters.expression.abs().sum(1) + 3 * parameters.jaw.norm(dim=1)
    count = max(1, round(_CALM * parameters.batch))
    calm = movement.argsort()[:count]
    return parameters.map(lambda values: values[calm].mean(0, keepdim=True))


def eased(first: Parameters, second: Parameters, seconds: float, frame_rate: float) -> Motion:
    """From one face (a batch of one) to another and back, slowly at both ends."""
    count = max(2, round(seconds * frame_rate))
    share = torch.from_numpy((1 - np.cos(2 * np.pi * np.arange(count) / count)) / 2).float()

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        weight = share.view(-1, *[1] * (a.ndim - 1))
        return a + weight * (b - a)

    fields = ("expression", "pose", "neck", "jaw", "eyes", "camera", "lighting")
    held = first.map(lambda values: values.expand(count, *values.shape[1:]))
    between = {name: mixed(getattr(first, name), getattr(second, name)) for name in fields}
    return Motion(np.arange(count) / frame_rate, held.replace(**between))


def gaze_actions(data: HeadData) -> Bool[np.ndarray, " expression"]:
    """Which expressions turn an eye."""
    eyes = [joint for joint, name in enumerate(data.joint_names) if name in ("left_eye", "right_eye")]
    return np.abs(data.expression_joint_rotations[:, eyes]).max((1, 2), initial=0) > 0


def _turned_from(
    rest: Float[Tensor, "*#frame 3"],
    turned: Float[Tensor, "*frame 3"],
    start: Float[Tensor, "*#frame 3"] | None = None,
) -> Float[Tensor, "*frame 3"]:
    """The rotation from `rest` to `turned` on top of `start`, axis-angle."""
    change = axis_angle_to_matrix(turned) @ axis_angle_to_matrix(rest).mT
    return matrix_to_axis_angle(change if start is None else change @ axis_angle_to_matrix(start))
