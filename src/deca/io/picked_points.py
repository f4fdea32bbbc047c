"""Points picked on a mesh: MeshLab's .pp, the FG2018 benchmark's .lnd, and .npy or .txt."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

POINT_SUFFIXES = (".npy", ".txt", ".pp", ".lnd")


class PointError(ValueError):
    """A file does not hold the points that it should."""


def read_points(path: Path, count: int) -> Float[np.ndarray, "{count} 3"]:
    """So many points, in the file's order.

    .npy of (count, 3) or (1, count, 3) numbers, kept in their type; .txt of count lines of three; .lnd of
    count lines with a number in front; .pp as MeshLab writes it, where points that are not active count too,
    as they do for the official programs. Anything else is a PointError; a missing file is a
    FileNotFoundError. No pickle is read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    reader = {".npy": _read_npy, ".txt": _read_text, ".lnd": _read_numbered, ".pp": _read_picked}
    if path.suffix.lower() not in reader:
        raise PointError(f"{path}: points are read from {', '.join(reader)}")
    points = reader[path.suffix.lower()](path)
    if points.shape != (count, 3):
        raise PointError(f"{path}: expected {count} points of three numbers, found {_told(points)}")
    if not np.isfinite(points).all():
        wrong = int(np.flatnonzero(~np.isfinite(points).all(1))[0])
        raise PointError(f"{path}: point {wrong + 1} of {count} is {points[wrong]}")
    return points


def _told(points: np.ndarray) -> str:
    if points.ndim == 2 and points.shape[1] == 3:
        return f"{len(points)} points"
    return f"an array of {' x '.join(map(str, points.shape))}"


def _read_npy(path: Path) -> np.ndarray:
    try:
        points = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise PointError(f"{path}: no array of numbers ({error})") from None
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        raise PointError(f"{path}: no array of numbers")
    points = points[0] if points.ndim == 3 and len(points) == 1 else points
    return points if points.dtype == np.float32 else points.astype(np.float64)


def _read_text(path: Path) -> np.ndarray:
    return _rows(path, path.read_text(errors="replace").replace(",", " ").splitlines(), 0)


def _read_numbered(path: Path) -> np.ndarray:
    return _rows(path, path.read_text(errors="replace").splitlines(), 1)


def _rows(path: Path, lines: list[str], first: int) -> np.ndarray:
    rows = []
    for number, line in enumerate(lines, 1):
        fields = line.split()[first:]
        if not fields:
            continue
        try:
            rows.append([float(field) for field in fields])
        except ValueError:
            raise PointError(f"{path}, line {number}: {line.strip()!r} is not three numbers") from None
        if len(fields) != 3:
            raise PointError(f"{path}, line {number}: expected three numbers, found {len(fields)}")
    return np.array(rows, np.float64).reshape(-1, 3)


def _read_picked(path: Path) -> np.ndarray:
    try:
        document = ElementTree.parse(path)
        found = [[float(point.attrib[axis]) for axis in "xyz"] for point in document.iter("point")]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise PointError(f"{path}: no picked points of MeshLab ({error})") from None
    return np.array(found, np.float64).reshape(-1, 3)
