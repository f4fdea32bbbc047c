"""What `deca evaluate` and `deca predict-benchmark` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from deca.apps.options import ModelOptions

Unit = Literal["mm", "cm", "dm", "m"]
MILLIMETRES: dict[Unit, float] = {"mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0}
"""How many millimetres a unit is."""
Benchmark = Literal["now", "feng", "realy"]
SurfaceChoice = Literal["coarse", "detail"]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What every benchmark needs."""

    data: Path
    """Folder of the benchmark's data."""
    predictions: Path
    """Folder of the predictions."""
    json: Path | None = None
    """File for the figures."""
    out: Path | None = None
    """Folder for the report: index.html, figures.json, a line an image in images.csv, curves, heat maps."""
    name: str = "this prediction"
    """What the predictions are called in the report."""
    workers: int | None = None
    """Processes; one for each core if not given."""


@dataclass(frozen=True, kw_only=True)
class ScanOptions(EvaluateOptions):
    """What the benchmarks with scans and seven landmarks need."""

    images: Path | None = None
    """List of the images, a path a line; if not given, the benchmark's own in the folder of data."""
    unit: Unit | None = None
    """The predictions' unit, where it is to be checked or counts."""


@dataclass(frozen=True, kw_only=True)
class NowOptions(ScanOptions):
    """Options of `deca evaluate now`."""

    metrical: Annotated[bool, FlagCreatePairsOff] = False
    """Take the predictions' size as it is, in --unit: the metrical variant of the challenge."""
    converged: Annotated[bool, FlagCreatePairsOff] = False
    """Also align to the true optimum, which the official program stops short of."""


@dataclass(frozen=True, kw_only=True)
class RealyOptions(EvaluateOptions):
    """Options of `deca evaluate realy`."""

    keypoints: Path | None = None
    """The 85 keypoints of the predictions' topology as rows of triangle and two weights, in JSON; if not
    given, keypoints.txt beside the predictions."""


@dataclass(frozen=True, kw_only=True)
class LandmarkOptions(EvaluateOptions):
    """Options of `deca evaluate landmarks`."""

    layout: Literal["300w", "aflw2000"] = "300w"
    """How the data are arranged."""


@dataclass(frozen=True, kw_only=True)
class PredictOptions(ModelOptions):
    """Options of `deca predict-benchmark`."""

    benchmark: Annotated[Benchmark, Positional, arg(metavar="{now,feng,realy}")]
    """Whose images these are."""
    dataset: Annotated[Path, Positional, arg(metavar="DATASET")]
    """Folder of the benchmark's data, or of its images alone."""
    out: Path
    """Folder for the predictions; what is done there already is skipped."""
    images: Path | None = None
    """List of the images, a path a line; if not given, the benchmark's own, or every image there is."""
    surface: SurfaceChoice = "coarse"
    """The head model's mesh, or the dense one with the wrinkles of the neutral face."""
