"""True 2D landmarks of 300-W and AFLW2000-3D, and the predicted ones that belong to them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.io import loadmat

PREDICTION_SUFFIXES = (".npy", ".txt", ".pts")
_OURS = "landmarks.json"
# MATLAB's first pixel has its centre at 1, ours at 0.5.
_FROM_MATLAB = -0.5


class LandmarkFileError(ValueError):
    """A file does not hold the 68 landmarks that it should, or it is not clear which file does."""


@dataclass(frozen=True)
class Truth:
    """True landmarks of one image, iBUG's 68 in pixels whose centres lie at half-integers.

    `name` is the path of the file from the data set's folder on, with / and without its suffix, as the
    image's is; `subset` is the first folder in it, empty where there is none. `yaw` is in degrees with the
    data set's sign, None where it has none.
    """

    path: Path
    name: str
    subset: str
    landmarks: Float[np.ndarray, "68 2"]
    yaw: float | None


@dataclass(frozen=True)
class Pair:
    """True landmarks and the predicted ones, in pixels as in `Truth`; None where there is no file of them,
    or where `error` says why it cannot be used."""

    truth: Truth
    prediction: Float[np.ndarray, "68 2"] | None
    error: str | None = None


def read_300w(folder: Path) -> list[Truth]:
    """The truths of 300-W (Sagonas et al. 2016): every .pts below a folder, sorted, hidden ones left out.

    The files count pixels from 1, as MATLAB does; half a pixel is taken off. A folder without any, and a
    file that is not as it should be, is a LandmarkFileError; a missing folder is a FileNotFoundError.
    """
    found = _files(folder, r".+\.pts", "no .pts files here; name the folder that holds those of 300-W")
    return [_truth(folder, path, _pixels(path, _read_pts(path)), None) for path in found]


def part_of_300w(truth: Truth) -> Literal["common", "challenging", "other"]:
    """The part of 300-W's full test set that a truth of `read_300w` is in.

    "common" is a folder `test...` in helen or lfpw, "challenging" is ibug; "other" is not tested on. The
    folder that was read must be the one that holds these.
    """
    first, second, *_ = (*PurePosixPath(truth.name.lower()).parts, "")
    if first in ("helen", "lfpw") and second.startswith("test"):
        return "common"
    return "challenging" if first == "ibug" else "other"


def read_aflw2000_3d(folder: Path) -> list[Truth]:
    """The truths of AFLW2000-3D (Zhu et al. 2016): every imageNNNNN.mat below a folder, sorted.

    Landmarks are the first two rows of `pt3d_68`, the yaw is the second number of `Pose_Para`, in the file
    radians. The files are written by MATLAB code and count pixels from 1, so half a pixel is taken off.
    Errors as in `read_300w`.
    """
    found = _files(
        folder,
        r"image[0-9]{5}\.mat",
        "no imageNNNNN.mat here; name the folder that holds those of AFLW2000-3D",
    )
    truths = []
    for path in found:
        points, pose = _read_mat(path, {"pt3d_68": (3, 68), "Pose_Para": (1, 7)})
        landmarks = _pixels(path, points.T + _FROM_MATLAB)
        truths.append(_truth(folder, path, landmarks, float(np.degrees(pose[0, 1]))))
    return truths


def read_prediction(path: Path) -> Float[np.ndarray, "68 2"]:
    """Predicted landmarks, iBUG's 68 in pixels whose centres lie at half-integers.

    .npy of (68, 2) or (68, 3) numbers, .txt of 68 lines of two or three, or the landmarks.json that
    `deca reconstruct` writes, all in such pixels already; .pts count pixels from 1 and half a pixel is taken
    off. A depth is dropped. Anything else is a LandmarkFileError, a missing file is a FileNotFoundError. No
    pickle is read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        ".npy": _read_npy,
        ".txt": _read_text,
        ".pts": _read_pts,
        ".json": _read_ours,
    }
    if path.suffix.lower() not in readers:
        raise LandmarkFileError(f"{path}: landmarks are read from {', '.join(readers)}")
    return _pixels(path, readers[path.suffix.lower()](path))


def pair(truths: Sequence[Truth], folder: Path) -> list[Pair]:
    """Each truth with its prediction in a folder, None where there is no file of it.

    Looked for are NAME.npy, NAME.txt, NAME.pts and NAME/landmarks.json with the truth's name; then, as
    `deca reconstruct` names its folders, STEM/landmarks.json and PARENT-STEM/landmarks.json with the last
    part of the name and its folder, unless other truths share them. A prediction that cannot be read, two
    for one truth, or one that is the truth's own file is that pair's error; a missing folder is a
    FileNotFoundError.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of predictions")
    names = [_reconstruction_names(truth) for truth in truths]
    shared = Counter(name for both in names for name in both)
    pairs = []
    for truth, both in zip(truths, names, strict=True):
        candidates = [folder / f"{truth.name}{suffix}" for suffix in PREDICTION_SUFFIXES]
        candidates.append(folder / truth.name / _OURS)
        candidates += [folder / name / _OURS for name in both if shared[name] == 1]
        found = [path for path in dict.fromkeys(candidates) if path.is_file()]
        try:
            pairs.append(Pair(truth, _only_prediction(truth, found)))
        except LandmarkFileError as error:
            pairs.append(Pair(truth, None, str(error)))
    return pairs


def _only_prediction(truth: Truth, found: Sequence[Path]) -> Float[np.ndarray, "68 2"] | None:
    if len(found) > 1:
        raise LandmarkFileError(f"{found[0]} and {found[1]}: both predict {truth.name}; keep one of them")
    if found and found[0].samefile(truth.path):
        raise LandmarkFileError(f"{found[0]}: this is the truth; name the folder of the predictions")
    return read_prediction(found[0]) if found else None


def _files(folder: Path, pattern: str, nothing: str) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if re.fullmatch(pattern, path.name, re.IGNORECASE)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        raise LandmarkFileError(f"{folder}: {nothing}")
    return found


def _truth(folder: Path, path: Path, landmarks: Float[np.ndarray, "68 2"], yaw: float | None) -> Truth:
    name = path.relative_to(folder).with_suffix("")
    return Truth(path, name.as_posix(), name.parts[0] if len(name.parts) > 1 else "", landmarks, yaw)


def _reconstruction_names(truth: Truth) -> tuple[str, str]:
    stem = PurePosixPath(truth.name).name
    return stem, f"{truth.path.resolve().parent.name}-{stem}"


def _pixels(path: Path, points: np.ndarray) -> Float[np.ndarray, "68 2"]:
    """The points, checked, without their depth."""
    if points.shape not in ((68, 2), (68, 3)):
        found = f"{len(points)} points" if points.ndim == 2 and points.shape[1] in (2, 3) else _shape(points)
        raise LandmarkFileError(
            f"{path}: expected 68 points of two or three numbers, found {found}; save iBUG's 68, one a row"
        )
    points = points[:, :2].astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(points).all(1))
    if len(wrong):
        raise LandmarkFileError(
            f"{path}: point {wrong[0] + 1} of 68 is {points[wrong[0]]}; leave out files without a face"
        )
    return points


def _shape(values: np.ndarray) -> str:
    return f"numbers of shape ({', '.join(map(str, values.shape))})"


def _read_pts(path: Path) -> np.ndarray:
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    head, rows, end = numbered[:3], numbered[3:-1], numbered[-1:]
    wanted = (r"version:\s*1", r"n_points:\s*([0-9]{1,9})", r"\{")
    matches = [re.fullmatch(form, line) for form, (_, line) in zip(wanted, head, strict=False)]
    if len(matches) < 3 or None in matches or not rows or end[0][1] != "}":
        raise LandmarkFileError(
            f"{path}: not as .pts are (version: 1, n_points: 68, then the points in braces); copy it again"
        )
    count = int(matches[1][1]) if matches[1] else 0
    if count != len(rows):
        raise LandmarkFileError(f"{path}: n_points is {count}, but {len(rows)} are there; copy it again")
    return _table(path, rows) + _FROM_MATLAB


def _read_text(path: Path) -> np.ndarray:
    lines = path.read_text(encoding="utf-8-sig", errors="replace").replace(",", " ").splitlines()
    return _table(path, [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()])


def _table(path: Path, rows: list[tuple[int, str]]) -> np.ndarray:
    table: list[list[float]] = []
    for number, row in rows:
        try:
            table.append([float(field) for field in row.split()])
        except ValueError:
            raise LandmarkFileError(f"{path}, line {number}: {row!r} is not a point; give x y") from None
        if len(table[-1]) not in (2, 3) or len(table[-1]) != len(table[0]):
            raise LandmarkFileError(
                f"{path}, line {number}: {len(table[-1])} numbers; give x y in every line, or x y z"
            )
    return np.array(table, np.float64)


def _read_npy(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as stream:
            points = np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, MemoryError) as error:
        raise LandmarkFileError(f"{path}: no array of numbers ({error}); save it with numpy.save") from None
    if points.dtype.kind not in "fiu":
        raise LandmarkFileError(f"{path}: holds {points.dtype}, expected numbers; save them as float64")
    return points


def _read_ours(path: Path) -> np.ndarray:
    try:
        points = np.array(json.loads(path.read_text(encoding="utf-8"))["ibug68"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LandmarkFileError(
            f"{path}: no landmarks of deca ({type(error).__name__}: {error}); reconstruct the photo again"
        ) from None
    if points.size and points.dtype.kind not in "fiu":
        raise LandmarkFileError(
            f"{path}: ibug68 holds something that is no number; reconstruct the photo again"
        )
    return points


def _read_mat(path: Path, shapes: dict[str, tuple[int, int]]) -> list[np.ndarray]:
    try:
        held = loadmat(path, variable_names=list(shapes))
    # SciPy raises a dozen different types on damaged files.
    except Exception as error:
        found = " ".join(str(error).split())
        raise LandmarkFileError(f"{path}: no .mat that can be read ({found}); copy it again") from None
    values = []
    for name, shape in shapes.items():
        value = held.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
            raise LandmarkFileError(f"{path}: holds no numbers named {name}; take AFLW2000-3D's own files")
        if value.shape != shape:
            raise LandmarkFileError(
                f"{path}: {name} holds {_shape(value)}, expected ({shape[0]}, {shape[1]})"
            )
        if not np.isfinite(value).all():
            raise LandmarkFileError(f"{path}: {name} holds a number that is not finite; copy the file again")
        values.append(value.astype(np.float64))
    return values
