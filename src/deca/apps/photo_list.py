"""Which photos are meant, and the name of each one's folder."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deca.apps.errors import UsageError
from deca.io.images import SUFFIXES

# Files by which the folder of a reconstructed face is known.
_RESULTS = frozenset({"parameters.json", "head.glb"})


@dataclass(frozen=True)
class PhotoJob:
    """A photo to be done, and the name of the folder of its first face."""

    photo: Path
    name: str


def list_jobs(patterns: Iterable[str]) -> list[PhotoJob]:
    """The photos that `patterns` name, each with a folder name of its own; raises as `list_photos` does."""
    photos = list_photos(patterns)
    return [PhotoJob(photo, name) for photo, name in zip(photos, output_names(photos), strict=True)]


def list_photos(patterns: Iterable[str]) -> list[Path]:
    """Photo paths of files, folders (searched in depth) and glob patterns, in order, each once.

    A named file is taken whatever its ending, so that reading it can say what is wrong with it. In folders,
    what is hidden and the pictures of reconstructed faces are no photos. Raises UsageError for no patterns,
    and for a folder or a pattern without photos.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = [path / name for name in files_inside(path, SUFFIXES)]
            if not inside:
                raise UsageError(
                    f"{path}: no photos in this folder (looked for {', '.join(sorted(SUFFIXES))})"
                )
            found += inside
        elif path.exists() or not glob.has_magic(pattern):
            found.append(path)
        else:
            matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
            if not matches:
                raise UsageError(f"{pattern}: this pattern matches no file")
            found += [match for match in matches if match.is_file()]
    if not found:
        raise UsageError("no photos given; name photo files, folders or patterns")
    return list(dict.fromkeys(found))


def output_names(photos: Iterable[Path]) -> list[str]:
    """A folder name for each photo: its stem; where stems repeat, the parent's name before it, then a
    number."""
    photos = list(photos)
    stems = Counter(photo.stem for photo in photos)
    parents = {parent: parent.resolve().name for parent in {photo.parent for photo in photos}}
    taken: set[str] = set()
    # Names that thousands share are not counted from 2 again for each of them.
    numbers: dict[str, int] = {}
    names = []
    for photo in photos:
        wanted = photo.stem if stems[photo.stem] == 1 else f"{parents[photo.parent]}-{photo.stem}"
        name = wanted
        while name in taken:
            numbers[wanted] = numbers.get(wanted, 1) + 1
            name = f"{wanted}-{numbers[wanted]}"
        taken.add(name)
        names.append(name)
    return names


def face_folders(name: str, count: int, reserved: frozenset[str]) -> list[str]:
    """Folder names of the faces of one photo: NAME, NAME_2, ... leaving out the names of other photos."""
    folders, number = [name], 2
    while len(folders) < count:
        candidate = f"{name}_{number}"
        if candidate not in reserved:
            folders.append(candidate)
        number += 1
    return folders[:count]


def files_inside(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Names, from the folder on and with /, of the files in it and in its folders that end so, sorted.

    What is hidden and the pictures of reconstructed faces are left out. Names alone are looked at, no file
    is.
    """
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if not _RESULTS.issubset(names):
            start = os.path.relpath(parent, folder).replace(os.sep, "/")
            before = "" if start == "." else f"{start}/"
            found += [
                before + name
                for name in names
                if name.lower().endswith(suffixes) and not name.startswith(".")
            ]
    return sorted(found)
