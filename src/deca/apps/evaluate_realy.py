"""`deca evaluate realy`: the REALY benchmark's regions and predictions on disk, to errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.evaluate_options import RealyOptions
from deca.apps.evaluation_outcomes import Evaluation, ImageOutcome
from deca.apps.evaluation_work import run_tasks
from deca.apps.scan_predictions import DataError
from deca.evaluation.realy import (
    KEYPOINTS,
    REGIONS,
    KeypointPlaces,
    Region,
    evaluate_region,
    globally_laid,
)
from deca.io.meshes import MeshError, read_mesh, read_vertices

KEYPOINT_FILE = "keypoints.txt"
_TRUTHS, _SCANS, _SCALES = "REALY_HIFI3D_keypoints", "REALY_scan_region", "metrical_scale.txt"


@dataclass(frozen=True)
class RealyTask:
    """One prediction; `number` is the subject's, from 1 on, `millimetres` what its scan's unit is."""

    data: Path
    prediction: Path
    number: int
    millimetres: float
    rows: Float[np.ndarray, "85 3"]


def evaluate_realy(options: RealyOptions, console: Console) -> Evaluation:
    """Measure every prediction, named after its image: NUMBER.obj or NUMBER_VIEW.obj.

    Scans without any prediction count as missing. UsageError where nothing can be measured.
    """
    for folder in (options.data / _TRUTHS, options.data / _SCANS, options.predictions):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    rows = read_keypoint_rows(options.keypoints or options.predictions / KEYPOINT_FILE)
    scales = _scales(options.data / _SCALES)
    tasks, wrong = [], []
    for path in sorted(options.predictions.glob("*.obj"), key=lambda path: (_number(path) or 0, path.name)):
        number = _number(path)
        if number is None or not 1 <= number <= len(scales):
            said = f"{path}: its name must begin with a subject's number, 1 to {len(scales)}"
            wrong.append(ImageOutcome(path.stem, "", error=said))
            continue
        tasks.append(RealyTask(options.data, path, number, scales[number - 1], rows))
    if not tasks:
        raise UsageError(f"{options.predictions}: no predictions named after subjects, as 1.obj or 1_2.obj")
    scanned = sorted(
        int(folder.name) for folder in (options.data / _SCANS).iterdir() if folder.name.isdecimal()
    )
    predicted = {task.number for task in tasks}
    missing = [
        ImageOutcome(str(number), "", error="no prediction", missing=True)
        for number in scanned
        if number not in predicted
    ]
    outcomes = run_tasks(measure, tasks, len(tasks) * len(REGIONS), options.workers, console)
    about = {"name": options.name, **_statistics(outcomes)}
    return Evaluation("realy", "REALY", "regions", about, [*outcomes, *wrong, *missing])


def measure(task: RealyTask) -> list[ImageOutcome]:
    """One outcome a region."""
    name = task.prediction.stem
    try:
        vertices, triangles = read_mesh(task.prediction)
        corners = task.rows[:, 0]
        if corners.max() >= len(triangles):
            raise MeshError(
                f"{task.prediction}: {len(triangles)} triangles, but the keypoints name triangle "
                f"{int(corners.max())}; are they of this topology?"
            )
    except DataError as error:
        return [ImageOutcome(f"{name}/{region}", region, error=str(error)) for region in REGIONS]
    places = KeypointPlaces.of(task.rows, triangles)
    outcomes = []
    for region in REGIONS:
        try:
            truths, scan = read_subject(task.data, task.number, region)
        except DataError as error:
            outcomes.append(ImageOutcome(f"{name}/{region}", region, error=str(error)))
            continue
        globally = globally_laid(places(vertices), truths)
        warnings = ("mirrored: the alignment by keypoints reflects it",) if globally.mirrors else ()
        found = evaluate_region(region, scan, truths, globally(vertices), triangles, places)
        figures: dict[str, float | int] = {
            "error_mm": found.error * task.millimetres,
            "rigid_steps": found.rigid_steps,
            "solves": found.solves,
        }
        outcomes.append(
            ImageOutcome(
                f"{name}/{region}",
                region,
                found.errors * task.millimetres,
                figures=figures,
                warnings=warnings,
            )
        )
    return outcomes


def read_subject(data: Path, number: int, region: str) -> tuple[Float[np.ndarray, "85 3"], Region]:
    """The keypoints and one region of a subject's scan."""
    truths = read_vertices(data / _TRUTHS / f"{number}.obj")
    if len(truths) != KEYPOINTS:
        raise MeshError(
            f"{data / _TRUTHS / f'{number}.obj'}: expected {KEYPOINTS} keypoints, found {len(truths)}"
        )
    return truths, _read_region(data / _SCANS / str(number) / f"{region}.obj")


def _read_region(path: Path) -> Region:
    """A region's scan. Vertices that coincide are joined, and those of no triangle left out: the official
    program's mesh library does so when it reads it."""
    vertices, triangles = read_mesh(path)
    joined, corners = np.unique(vertices[triangles.ravel()], axis=0, return_inverse=True)
    # In the order of the file, so that a file without such vertices stays as it is.
    first = np.full(len(joined), len(vertices))
    np.minimum.at(first, corners, triangles.ravel())
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Region(joined[order], place[corners].reshape(-1, 3))


def read_keypoint_rows(path: Path) -> Float[np.ndarray, "85 3"]:
    """The 85 rows of a topology's keypoints; anything else is a UsageError."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file of keypoints; name it with --keypoints")
    try:
        rows = np.array(json.loads(path.read_text()), np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: no rows [triangle, weight, weight] in JSON ({error})") from None
    if rows.shape != (KEYPOINTS, 3) or not np.isfinite(rows).all() or (rows[:, 0] < 0).any():
        raise UsageError(f"{path}: expected {KEYPOINTS} rows [triangle, weight, weight], found {rows.shape}")
    return rows


def _scales(path: Path) -> list[float]:
    """How many millimetres the unit of each subject's scan is."""
    try:
        scales = [float(line) for line in path.read_text().split()]
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; it has a number a subject") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}; it has a number a subject") from None
    if not scales or min(scales) <= 0:
        raise UsageError(f"{path}: it must have a positive number a subject")
    return scales


def _number(path: Path) -> int | None:
    first = path.stem.partition("_")[0]
    return int(first) if first.isdecimal() else None


def _statistics(outcomes: list[ImageOutcome]) -> dict[str, Any]:
    """The benchmark's table: mean, median and standard deviation (ddof 1) of the predictions' errors, and the
    mean of the regions' means."""
    told: dict[str, Any] = {}
    for region in REGIONS:
        errors = np.array(
            [each.figures["error_mm"] for each in outcomes if each.group == region and each.figures]
        )
        if len(errors):
            spread = float(errors.std(ddof=1)) if len(errors) > 1 else 0.0
            told[region] = {
                "mean_mm": float(errors.mean()),
                "median_mm": float(np.median(errors)),
                "std_mm": spread,
            }
    if len(told) == len(REGIONS):
        told["all_mean_mm"] = float(np.mean([told[region]["mean_mm"] for region in REGIONS]))
    return {"realy": told}
