"""`deca evaluate feng`: the data of Feng et al. (FG2018) and predictions on disk, to distances."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.evaluate_now import by_subject
from deca.apps.evaluate_options import MILLIMETRES, ScanOptions
from deca.apps.evaluation_outcomes import Evaluation, ImageOutcome
from deca.apps.evaluation_work import run_tasks
from deca.apps.scan_predictions import (
    DataError,
    ListedImage,
    find_prediction,
    read_list,
    read_prediction,
    read_scan_face,
)
from deca.evaluation import feng
from deca.evaluation.checks import prediction_warnings
from deca.io.files import whole_file

LIST = "imagepaths.txt"
_SCANS, _POINTS = (".obj", ".ply"), (".lnd", ".pp", ".txt")


@dataclass(frozen=True)
class FengTask:
    """The images of one scan."""

    data: Path
    predictions: Path
    subject: str
    images: tuple[ListedImage, ...]
    millimetres: float | None
    written: Path | None


def evaluate_feng(options: ScanOptions, console: Console) -> Evaluation:
    """Measure every image of the list, quality/scan/image.jpg a line; what is wrong with one is its outcome.

    With `options.out`, the text files of distances that the benchmark asks for are written there too.
    UsageError where nothing can be measured: no list, no folder.
    """
    for folder in (options.data, options.predictions):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    images, wrong = read_list(options.images or options.data / LIST, ("group", "subject"))
    millimetres = None if options.unit is None else MILLIMETRES[options.unit]
    written = None if options.out is None else options.out / "distances"
    tasks = [
        FengTask(options.data, options.predictions, subject, tuple(own), millimetres, written)
        for subject, own in by_subject(images).items()
    ]
    outcomes = run_tasks(measure, tasks, len(images), options.workers, console)
    place = {image.line: number for number, image in enumerate(images)}
    outcomes = sorted(outcomes, key=lambda outcome: place[outcome.image])
    about = {"name": options.name, "unit": options.unit}
    return Evaluation("feng", "Feng et al. (FG2018)", "qualities", about, [*outcomes, *wrong])


def feng_scan_files(data: Path, name: str) -> tuple[Path, Path]:
    """The scan of that name and its seven landmarks, anywhere in the folder of data."""
    return _named(data, name, _SCANS, "scan"), _named(data, name, _POINTS, "file of landmarks")


def measure(task: FengTask) -> list[ImageOutcome]:
    """The outcomes of a task's images."""
    outcomes = []
    for image in task.images:
        try:
            outcomes.append(_measured(task, image))
        except DataError as error:
            outcomes.append(ImageOutcome(image.line, image.group, error=str(error)))
    return outcomes


def _measured(task: FengTask, image: ListedImage) -> ImageOutcome:
    place = image.prediction(task.predictions)
    files = find_prediction(place)
    if files is None:
        said = f"{place}.obj: no prediction, nor as .ply"
        return ImageOutcome(image.line, image.group, error=said, missing=True)
    face = read_scan_face(*feng_scan_files(task.data, task.subject), feng.CROP_FACTOR)
    prediction = read_prediction(files)
    result = feng.distances(face.vertices, face.landmarks, prediction)
    if task.written is not None:
        out = task.written / image.folder / f"{image.name}_distances.txt"
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(out) as temporary:
            rows = zip(face.indices.tolist(), result.distances.tolist(), strict=True)
            temporary.write_text("".join(f"{index} {distance:.6f}\n" for index, distance in rows))
    return ImageOutcome(
        image.line,
        image.group,
        result.distances,
        figures={"rmse_mm": result.root_mean_square},
        warnings=tuple(prediction_warnings(prediction, result.laid, task.millimetres)),
    )


def _named(data: Path, name: str, suffixes: tuple[str, ...], what: str) -> Path:
    """The one file of that name, anywhere in the folder of data."""
    found = sorted(path for path in data.rglob(f"{name}.*") if path.suffix.lower() in suffixes)
    if len(found) != 1:
        said = "none" if not found else f"{len(found)}: {', '.join(map(str, found[:3]))}"
        raise FileNotFoundError(f"{data}: expected one {what} named {name}, found {said}")
    return found[0]
