"""What `deca prepare` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from deca.apps.options import Engine

Layout = Literal["plain", "vggface2", "bupt", "voxceleb2", "celeba"]
IdentitySource = Literal["folder", "photo", "pattern", "csv"]
SegmenterInput = Literal["imagenet", "unit", "signed"]


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Faces beyond these limits are dropped; see docs/training-data.md for what is measured."""

    least_size: float = 60.0
    """Size of the face in pixels of the photo."""
    most_blur: float = 0.75
    """From 0, sharp, to 1."""
    least_exposure: float = 0.05
    """Median brightness of the face, from 0 to 1."""
    most_exposure: float = 0.97
    """Likewise."""
    most_clipped: float = 0.5
    """Share of the face that is black or white."""
    most_yaw: float = 90.0
    """Turn of the head to either side, degrees."""
    most_occlusion: float = 0.6
    """Share of the face's skin that is covered."""
    most_disagreement: float = 0.03
    """How far the landmarks move when they are found a second time, in sizes of the face."""
    most_rival: float = 0.6
    """Area of the second largest face in the photo, over that of the largest, whose person is meant."""


@dataclass(frozen=True, kw_only=True)
class PrepareOptions(QualityLimits):
    """Options of `deca prepare`."""

    folder: Annotated[Path, Positional, arg(metavar="FOLDER")]
    """Folder of photos, searched in depth."""
    out: Path
    """Folder for the shards; what is done there already is skipped."""
    layout: Layout = "plain"
    """How the folder is arranged: any tree of photos, or that of a published data set."""
    identity: IdentitySource = "folder"
    """With a plain layout, whose face a photo shows: its folder says, it is one of its own, or as below."""
    pattern: str | None = None
    """With --identity pattern: regular expression found in a photo's path; its first group is the person."""
    csv: Path | None = None
    """Table with the columns file and identity (for --identity csv), and optionally source and licence."""
    source: str | None = None
    """Where the photos come from, for the manifest; the name of the folder if not given."""
    licence: str = "not stated"
    """The photos' licence, for the manifest."""
    truth: str | None = None
    """Name of the head whose true parameters lie beside the photos, as NAME.truth.npz."""
    frames: int = 4
    """Of a video, how many frames are taken."""
    size: int = 320
    """Pixels along a side of the stored squares."""
    faces_a_shard: int = 1000
    """How many faces a tar file holds."""
    segmenter: Path | None = None
    """Network (ONNX) that says what each pixel of a face shows, in place of the built-in way to find skin."""
    skin_classes: tuple[int, ...] = ()
    """With --segmenter: which of its classes are bare skin."""
    segmenter_input: SegmenterInput = "imagenet"
    """With --segmenter: colours less ImageNet's mean over its deviation, in [0, 1], or in [-1, 1]."""
    engine: Engine = "threads"
    """Threads of this process, or processes on a Ray cluster: that of RAY_ADDRESS, else this machine."""
    workers: int | None = None
    """Photos worked on at once; if not given, one a core, at most 4, or one for each core of the cluster."""
