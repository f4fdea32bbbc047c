"""Scans, predictions and their landmarks on disk, as the benchmarks with seven landmarks arrange them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from deca.apps.errors import UsageError
from deca.apps.evaluation_outcomes import ImageOutcome
from deca.evaluation.scan_face import Prediction, face_sphere, vertices_within
from deca.io.meshes import SUFFIXES, MeshError, read_mesh, read_vertices
from deca.io.picked_points import POINT_SUFFIXES, PointError, read_points

DataError = (FileNotFoundError, MeshError, PointError)
"""What may be wrong with one image's files; the others go on."""
_LANDMARKS = 7


@dataclass(frozen=True)
class ListedImage:
    """A line of a benchmark's list; `group` and `subject` are folders of its path, `name` has no suffix."""

    line: str
    group: str
    subject: str
    folder: str
    name: str

    def prediction(self, predictions: Path) -> Path:
        """Where the image's prediction lies, without suffix."""
        return predictions / self.folder / self.name


def read_list(
    path: Path, order: tuple[str, str], default_group: str | None = None
) -> tuple[list[ListedImage], list[ImageOutcome]]:
    """The images of a list, and an outcome with an error for every line that is none.

    `order` says what the two folders of a path are, of "subject" and "group". A list that is not there or
    empty is a UsageError.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such list of images; name it with --images")
    images, wrong = [], []
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        parts = PurePosixPath(line.replace("\\", "/")).parts
        if len(parts) != 3 or ".." in parts or PurePosixPath(line).is_absolute():
            said = f"{path}, line {number}: {line!r} is not {'/'.join(order)}/image.jpg"
            wrong.append(ImageOutcome(line, default_group or "", error=said))
        elif line in seen:
            said = f"{path}, line {number}: {line!r} is listed twice; it is measured once"
            wrong.append(ImageOutcome(line, default_group or "", error=said))
        else:
            seen.add(line)
            folders = dict(zip(order, parts[:2], strict=True))
            images.append(
                ListedImage(
                    line, folders["group"], folders["subject"], "/".join(parts[:2]), Path(parts[2]).stem
                )
            )
    if not images:
        raise UsageError(f"{path}: no line of it is {'/'.join(order)}/image.jpg")
    return images, wrong


def find_prediction(place: Path) -> tuple[Path, Path] | None:
    """The mesh and the landmarks of a prediction at a path without suffix; None where no mesh is.

    A mesh without landmarks is a FileNotFoundError that says which it looked for.
    """
    meshes = [found for suffix in SUFFIXES if (found := Path(f"{place}{suffix}")).is_file()]
    if not meshes:
        return None
    landmarks = [found for suffix in POINT_SUFFIXES if (found := Path(f"{place}{suffix}")).is_file()]
    if not landmarks:
        raise FileNotFoundError(f"{place}: no landmarks beside the mesh, as {' or '.join(POINT_SUFFIXES)}")
    return meshes[0], landmarks[0]


def read_prediction(files: tuple[Path, Path]) -> Prediction:
    """A predicted mesh and its seven landmarks."""
    vertices, triangles = read_mesh(files[0])
    return Prediction(vertices, triangles, read_points(files[1], _LANDMARKS))


@dataclass(frozen=True)
class ScanFace:
    """A scan's face within a sphere: its vertices, which of the scan's they are, and seven landmarks; mm."""

    vertices: Float[np.ndarray, "part 3"]
    indices: np.ndarray
    landmarks: Float[np.ndarray, "7 3"]


@lru_cache(maxsize=4)
def read_scan_face(scan: Path, landmarks: Path, factor: float) -> ScanFace:
    """Read a scan and cut its face out, once for the images of one person."""
    points = read_points(landmarks, _LANDMARKS).astype(np.float64)
    vertices = read_vertices(scan)
    inside = vertices_within(vertices, *face_sphere(points, factor))
    if not len(inside):
        raise MeshError(
            f"{scan}: no vertex lies near the landmarks of {landmarks}; "
            "are both of one frame, in millimetres?"
        )
    return ScanFace(vertices[inside], inside, points)


def only_file(folder: Path, suffixes: tuple[str, ...], what: str) -> Path:
    """The one file with such a suffix in a folder; FileNotFoundError where it is none or one of several."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in suffixes)
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:3])
        said = f"{len(found)} files ({names})" if found else "none"
        raise FileNotFoundError(f"{folder}: expected one {what} ({', '.join(suffixes)}), found {said}")
    return found[0]
