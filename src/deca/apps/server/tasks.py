"""What the server has its worker processes do, as plain data; nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Quality = Literal["fit", "encode"]
"""How a head is made: fitted to the photo, or, sooner, predicted by the networks."""


@dataclass(frozen=True)
class Reconstruct:
    """Make the head of the largest face of a photo, in a new folder; `name` is what the photo is called in
    errors."""

    photo: Path
    name: str
    quality: Quality
    folder: Path


@dataclass(frozen=True)
class Track:
    """Expression, jaw, gaze and pose of the largest face of a picture file."""

    picture: bytes
    name: str


@dataclass(frozen=True)
class Describe:
    """What the page needs of a reconstructed head beside its files, as a safetensors file."""

    folder: Path


@dataclass(frozen=True)
class Decoder:
    """The default head's detail decoder as an ONNX file."""


@dataclass(frozen=True)
class Prepare:
    """Load what photos are reconstructed with, so that the first one need not wait."""

    quality: Quality


Task = Reconstruct | Track | Describe | Decoder | Prepare


class TaskError(Exception):
    """A task failed for a reason that its sender should be told; the message is one line."""
