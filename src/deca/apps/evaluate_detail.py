"""`deca evaluate detail`: what detail adds, against known displacements, scans and photos on disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from rich.console import Console
from rich.table import Table

from deca.apps.errors import UsageError, output_error
from deca.apps.evaluate_options import EvaluateOptions
from deca.apps.scan_predictions import DataError
from deca.evaluation import now
from deca.evaluation.detail_error import Gain, displacement_error, photo_gain, scan_gain
from deca.evaluation.scan_face import Prediction
from deca.io.files import whole_file
from deca.io.images import PhotoError, read_photo
from deca.io.maps import read_displacement
from deca.io.meshes import Mesh, read_mesh
from deca.io.picked_points import POINT_SUFFIXES, read_points

# Millimetres from which on a known displacement is a wrinkle.
_WRINKLED = 0.1


def evaluate_detail(options: EvaluateOptions, console: Console) -> int:
    """Measure every folder of the data that the predictions have too; returns how many have no result.

    A folder NAME of the data may hold a known displacement (displacement.png as `deca reconstruct` writes
    it, or .npy in metres), a scan with seven landmarks, or photo.png; that of the predictions then a
    displacement of the same layout, coarse.obj and detail.obj with seven landmarks, or coarse.png and
    detail.png. UsageError where there is nothing to measure.
    """
    for folder in (options.data, options.predictions):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    names = sorted(path.name for path in options.data.iterdir() if path.is_dir())
    if not names:
        raise UsageError(f"{options.data}: it has no folders, one for each face")
    found: dict[str, Any] = {"benchmark": "detail", "name": options.name, "missing": [], "failed": []}
    rows = []
    for name in names:
        try:
            row = _measured(options.data / name, options.predictions / name)
        except (*DataError, PhotoError, ValueError) as error:
            found["failed"].append({"image": name, "error": str(error)})
            continue
        if row:
            rows.append({"image": name, **row})
        else:
            found["missing"].append(name)
    columns = dict.fromkeys(column for row in rows for column in row if column != "image")
    found["mean"] = {
        column: float(np.nanmean([row[column] for row in rows if column in row])) for column in columns
    }
    found["images"] = rows
    _show(found, console)
    _write(found, options)
    return len(found["missing"]) + len(found["failed"])


def _measured(data: Path, prediction: Path) -> dict[str, float]:
    measures: list[Callable[[Path, Path], dict[str, float]]] = [_displacement, _scan, _photo]
    return {name: value for measure in measures for name, value in measure(data, prediction).items()}


def _displacement(data: Path, prediction: Path) -> dict[str, float]:
    truth, found = _map(data), _map(prediction)
    if truth is None or found is None:
        return {}
    if truth.shape != found.shape:
        raise ValueError(f"{prediction}: a map of {found.shape}, and the truth is one of {truth.shape}")
    region = _region(data, truth.shape, np.abs(truth) * 1000 > _WRINKLED)
    error = displacement_error(found, truth, region)
    return {
        "displacement_correlation": error.correlation,
        "displacement_error_mm": 1000 * error.error,
        "displacement_of_truth_mm": 1000 * error.truth,
    }


def _map(folder: Path) -> Float[np.ndarray, "height width"] | None:
    if (folder / "displacement.npy").is_file():
        return np.load(folder / "displacement.npy", allow_pickle=False).astype(np.float64)
    if (folder / "displacement.png").is_file():
        return read_displacement(folder / "displacement.png").astype(np.float64)
    return None


def _region(
    folder: Path, shape: tuple[int, ...], otherwise: Bool[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """mask.png of a folder, where it has one."""
    if not (folder / "mask.png").is_file():
        return otherwise
    mask = read_photo(folder / "mask.png")[..., 0] > 127
    if mask.shape != shape:
        raise ValueError(f"{folder / 'mask.png'}: {mask.shape}, expected {shape}")
    return mask


def _scan(data: Path, prediction: Path) -> dict[str, float]:
    scans = [path for path in (data / "scan.obj", data / "scan.ply") if path.is_file()]
    if not scans or not (prediction / "coarse.obj").is_file():
        return {}
    scan = read_mesh(scans[0])
    landmarks = _landmarks(data)
    coarse, detailed = read_mesh(prediction / "coarse.obj"), read_mesh(prediction / "detail.obj")
    inside = now.face_vertices(scan.vertices, landmarks)
    # Laid once, by the coarse surface: detail is not to be aligned away.
    own = Prediction(coarse.vertices, coarse.triangles, _landmarks(prediction))
    laid = now.converged_distances(scan.vertices[inside], landmarks, own).laid
    regions = {"face": inside} | _named_regions(data / "regions.json", inside)
    gains = scan_gain(
        scan,
        Mesh(laid(coarse.vertices), coarse.triangles),
        Mesh(laid(detailed.vertices), detailed.triangles),
        regions,
    )
    told = {}
    for name, gain in gains.regions.items():
        told |= _gain(f"{name}_distance_mm", gain.distance) | _gain(f"{name}_angle_degrees", gain.angle)
    return told


def _named_regions(path: Path, inside: np.ndarray) -> dict[str, np.ndarray]:
    """Regions of the scan by name, lists of its vertices in JSON, as far as they lie in the face."""
    if not path.is_file():
        return {}
    try:
        given = {str(name): np.array(each, np.int64) for name, each in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no lists of vertices by name ({error})") from None
    return {name: part for name, each in given.items() if len(part := np.intersect1d(each, inside))}


def _landmarks(folder: Path) -> Float[np.ndarray, "7 3"]:
    found = [path for suffix in POINT_SUFFIXES if (path := folder / f"landmarks{suffix}").is_file()]
    if not found:
        raise FileNotFoundError(f"{folder}: no landmarks as {' or '.join(POINT_SUFFIXES)}")
    return read_points(found[0], 7).astype(np.float64)


def _photo(data: Path, prediction: Path) -> dict[str, float]:
    files = [data / "photo.png", prediction / "coarse.png", prediction / "detail.png"]
    if not all(path.is_file() for path in files):
        return {}
    photo, coarse, detailed = (read_photo(path) / 255 for path in files)
    if not photo.shape == coarse.shape == detailed.shape:
        raise ValueError(f"{prediction}: renderings of another size than {files[0]}")
    mask = _region(data, photo.shape[:2], np.ones(photo.shape[:2], bool))
    return _gain("photometric_error", photo_gain(photo, coarse, detailed, mask))


def _gain(name: str, gain: Gain) -> dict[str, float]:
    return {
        f"{name}_coarse": gain.coarse,
        f"{name}_detailed": gain.detailed,
        f"{name}_gain_percent": gain.percent,
    }


def _show(found: dict[str, Any], console: Console) -> None:
    table = Table("mean over faces", "", title="Detail", title_justify="left")
    for name, value in found["mean"].items():
        table.add_row(name.replace("_", " "), f"{value:.4f}")
    console.print(table)
    if found["missing"]:
        console.print(
            f"{len(found['missing'])} without a prediction: {', '.join(found['missing'][:5])}", style="yellow"
        )
    for each in found["failed"]:
        console.print(f"{each['image']}: {each['error']}", style="red", highlight=False)


def _write(found: dict[str, Any], options: EvaluateOptions) -> None:
    try:
        for path in (options.json, options.out and options.out / "figures.json"):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as temporary:
                    temporary.write_text(json.dumps(found, indent=1) + "\n")
        if options.out is not None:
            columns = ["image", *found["mean"]]
            with (
                whole_file(options.out / "images.csv") as temporary,
                open(temporary, "w", newline="", encoding="utf-8") as stream,
            ):
                writer = csv.DictWriter(stream, columns)
                writer.writeheader()
                writer.writerows(found["images"])
    except OSError as error:
        raise output_error(options.out or Path(str(options.json)).parent, error) from None
