"""The heat maps of a report: which images, and what is drawn of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from deca.apps.evaluate_feng import feng_scan_files
from deca.apps.evaluate_now import now_scan_files
from deca.apps.evaluate_options import MILLIMETRES, NowOptions, RealyOptions, ScanOptions
from deca.apps.evaluate_realy import read_subject
from deca.apps.evaluation_outcomes import Evaluation, ImageOutcome
from deca.apps.evaluation_pictures import Shown, Viewpoint, draw, part_of
from deca.apps.evaluation_report import best_and_worst
from deca.apps.scan_predictions import find_prediction, read_prediction, read_scan_face
from deca.evaluation import feng, now
from deca.evaluation.scan_face import Prediction, face_sphere
from deca.evaluation.similarity import SEVEN_OF_68, Similarity
from deca.io.meshes import read_mesh

Panels = list[UInt8[np.ndarray, "size size 3"]]
# So many of the best and of the worst images.
_EACH = 3


def now_pictures(evaluation: Evaluation, options: NowOptions) -> dict[str, Panels]:
    """Scan, errors and prediction of the best and the worst images."""
    pictures = {}
    for outcome in _chosen(evaluation):
        subject, challenge, file = outcome.image.split("/")
        scan, points = now_scan_files(options.data, subject)
        place = options.predictions / subject / challenge / Path(file).stem
        face = read_scan_face(scan, points, now.CROP_FACTOR)
        prediction = _prediction(place)
        if options.metrical and options.unit is not None:
            millimetres = MILLIMETRES[options.unit]
            result = now.metrical_distances(face.vertices, face.landmarks, prediction, millimetres)
        else:
            result = now.distances(face.vertices, face.landmarks, prediction)
        pictures[outcome.image] = _panels(scan, points, now.CROP_FACTOR, outcome, prediction, result.laid)
    return pictures


def feng_pictures(evaluation: Evaluation, options: ScanOptions) -> dict[str, Panels]:
    """Scan, errors and prediction of the best and the worst images."""
    pictures = {}
    for outcome in _chosen(evaluation):
        quality, subject, file = outcome.image.split("/")
        scan, points = feng_scan_files(options.data, subject)
        face = read_scan_face(scan, points, feng.CROP_FACTOR)
        prediction = _prediction(options.predictions / quality / subject / Path(file).stem)
        laid = feng.distances(face.vertices, face.landmarks, prediction).laid
        pictures[outcome.image] = _panels(scan, points, feng.CROP_FACTOR, outcome, prediction, laid)
    return pictures


def realy_pictures(evaluation: Evaluation, options: RealyOptions) -> dict[str, Panels]:
    """The region in clay and its errors, of the best and the worst regions."""
    pictures = {}
    for outcome in _chosen(evaluation):
        name, region_name = outcome.image.split("/")
        number = int(name.partition("_")[0])
        truths, region = read_subject(options.data, number, region_name)
        centre = truths[list(range(17, 68))].mean(0)
        radius = float(np.linalg.norm(truths[:68] - centre, axis=1).max())
        before = Viewpoint.before(truths[list(SEVEN_OF_68)], centre, radius)
        plain = Shown(region.vertices, region.triangles)
        pictures[outcome.image] = [
            draw(plain, before),
            draw(Shown(region.vertices, region.triangles, outcome.distances), before),
        ]
    return pictures


def _chosen(evaluation: Evaluation) -> Sequence[ImageOutcome]:
    names = best_and_worst(evaluation, _EACH)
    by_name = {each.image: each for each in evaluation.measured}
    return [by_name[name] for name in names]


def _prediction(place: Path) -> Prediction:
    files = find_prediction(place)
    assert files is not None, place
    return read_prediction(files)


def _panels(
    scan: Path, points: Path, factor: float, outcome: ImageOutcome, prediction: Prediction, laid: Similarity
) -> Panels:
    face = read_scan_face(scan, points, factor)
    vertices, triangles = read_mesh(scan)
    part = part_of(Shown(vertices, triangles), face.indices)
    centre, radius = face_sphere(face.landmarks, factor)
    before = Viewpoint.before(face.landmarks, centre, radius)
    return [
        draw(part, before),
        draw(Shown(part.vertices, part.triangles, outcome.distances), before),
        draw(Shown(laid(prediction.vertices), prediction.triangles), before),
    ]
