"""`deca evaluate now`: the NoW challenge's data and predictions on disk, to distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.evaluate_options import MILLIMETRES, NowOptions
from deca.apps.evaluation_outcomes import Evaluation, ImageOutcome
from deca.apps.evaluation_work import run_tasks
from deca.apps.scan_predictions import (
    DataError,
    ListedImage,
    find_prediction,
    only_file,
    read_list,
    read_prediction,
    read_scan_face,
)
from deca.evaluation import now
from deca.evaluation.checks import neutral_warnings, prediction_warnings
from deca.evaluation.scan_face import Prediction

LIST = "imagepathsvalidation.txt"
# Images that one process measures at a time: those of one scan stay together.
_TOGETHER = 8


@dataclass(frozen=True)
class NowTask:
    """Some images of one person."""

    data: Path
    predictions: Path
    subject: str
    images: tuple[ListedImage, ...]
    millimetres: float | None
    metrical: bool
    converged: bool


def evaluate_now(options: NowOptions, console: Console) -> Evaluation:
    """Measure every image of the list; what is wrong with one is its outcome.

    UsageError where nothing can be measured: no list, no folder.
    """
    for folder in (options.data, options.predictions):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    if options.metrical and options.unit is None:
        raise UsageError("--metrical needs --unit: what the predictions' numbers are, mm, cm or m")
    images, wrong = read_list(options.images or options.data / LIST, ("subject", "group"))
    millimetres = None if options.unit is None else MILLIMETRES[options.unit]
    tasks = [
        NowTask(
            options.data, options.predictions, subject, part, millimetres, options.metrical, options.converged
        )
        for subject, own in by_subject(images).items()
        for part in _parts(own)
    ]
    outcomes = run_tasks(measure, tasks, len(images), options.workers, console)
    place = {image.line: number for number, image in enumerate(images)}
    outcomes = sorted(outcomes, key=lambda outcome: place[outcome.image])
    about = {
        "name": options.name,
        "metrical": options.metrical,
        "unit": options.unit,
        "converged": options.converged,
    }
    protocol = "NoW, metrical" if options.metrical else "NoW"
    return Evaluation("now", protocol, "challenges", about, [*outcomes, *wrong])


def by_subject(images: Sequence[ListedImage]) -> dict[str, list[ListedImage]]:
    """The images of each person, in the order of the list."""
    people: dict[str, list[ListedImage]] = {}
    for image in images:
        people.setdefault(image.subject, []).append(image)
    return people


def _parts(images: Sequence[ListedImage]) -> list[tuple[ListedImage, ...]]:
    return [tuple(images[start : start + _TOGETHER]) for start in range(0, len(images), _TOGETHER)]


def now_scan_files(data: Path, subject: str) -> tuple[Path, Path]:
    """A person's scan and its picked points."""
    scan = only_file(data / "scans" / subject, (".obj", ".ply"), "scan")
    points = only_file(data / "scans_lmks_onlypp" / subject, (".pp",), "file of picked points")
    return scan, points


def measure(task: NowTask) -> list[ImageOutcome]:
    """The outcomes of a task's images."""
    outcomes, read = [], {}
    for image in task.images:
        try:
            outcome, prediction = _measured(task, image)
        except DataError as error:
            outcomes.append(ImageOutcome(image.line, image.group, error=str(error)))
            continue
        outcomes.append(outcome)
        if prediction is not None:
            read[image.line] = prediction
    said = neutral_warnings(read, dict.fromkeys(read, task.subject))
    return [
        replace(outcome, warnings=(*outcome.warnings, *said.get(outcome.image, []))) for outcome in outcomes
    ]


def _measured(task: NowTask, image: ListedImage) -> tuple[ImageOutcome, Prediction | None]:
    place = image.prediction(task.predictions)
    files = find_prediction(place)
    if files is None:
        said = f"{place}.obj: no prediction, nor as .ply"
        return ImageOutcome(image.line, image.group, error=said, missing=True), None
    face = read_scan_face(*now_scan_files(task.data, task.subject), now.CROP_FACTOR)
    prediction = read_prediction(files)
    if task.metrical and task.millimetres is not None:
        result = now.metrical_distances(face.vertices, face.landmarks, prediction, task.millimetres)
    else:
        result = now.distances(face.vertices, face.landmarks, prediction)
    if not np.isfinite(result.distances).all():
        return ImageOutcome(image.line, image.group, error=f"{files[0]}: it cannot be aligned"), None
    exact = None
    if task.converged:
        own = task.millimetres if task.metrical else None
        exact = now.converged_distances(face.vertices, face.landmarks, prediction, own).distances
    outcome = ImageOutcome(
        image.line,
        image.group,
        result.distances,
        exact,
        {"steps": result.steps},
        tuple(prediction_warnings(prediction, result.start, task.millimetres)),
    )
    return outcome, prediction
