"""Many photos to many folders: what to do, what is done already, what went wrong."""

from __future__ import annotations

import glob
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from deca.io.files import whole_file
from deca.io.images import PHOTO_SUFFIXES

REPORT = "report.json"


class UsageError(ValueError):
    """The command was called in a way that leaves nothing to do."""


def list_photos(patterns: Iterable[str]) -> list[Path]:
    """Photo paths of files, folders (searched in depth) and glob patterns, in order, each once.

    A named file is taken whatever its ending, so that reading it can say what is wrong with it. Raises UsageError
    for a folder or a pattern without photos.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if entry.suffix.lower() in PHOTO_SUFFIXES)
            if not inside:
                raise UsageError(f"{path}: no photos in this folder (looked for {', '.join(sorted(PHOTO_SUFFIXES))})")
            found += inside
        elif path.exists() or not glob.has_magic(pattern):
            found.append(path)
        else:
            matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
            if not matches:
                raise UsageError(f"{pattern}: this pattern matches no file")
            found += [match for match in matches if match.is_file()]
    return list(dict.fromkeys(found))


def output_names(photos: Iterable[Path]) -> list[str]:
    """A folder name for each photo: its stem; where stems repeat, the parent's name before it, then a number."""
    photos = list(photos)
    stems = Counter(photo.stem for photo in photos)
    taken: set[str] = set()
    names = []
    for photo in photos:
        wanted = photo.stem if stems[photo.stem] == 1 else f"{photo.resolve().parent.name}-{photo.stem}"
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}-{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def face_folders(name: str, count: int, reserved: set[str]) -> list[str]:
    """Folder names of the faces of one photo: NAME, NAME_2, ... leaving out the names of other photos."""
    folders, number = [name], 2
    while len(folders) < count:
        candidate = f"{name}_{number}"
        if candidate not in reserved:
            folders.append(candidate)
        number += 1
    return folders[:count]


class Report:
    """report.json of an output folder: one entry a photo, kept over runs, written after every photo."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.path = folder / REPORT
        self.folder = folder
        self.settings = settings
        self.entries: dict[str, dict[str, object]] = {}
        if self.path.is_file():
            try:
                self.entries = json.loads(self.path.read_text())["photos"]
            except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
                raise UsageError(f"{self.path}: not a report of this program; move it away or use --overwrite") from None

    def done(self, photo: Path) -> bool:
        """Whether this photo, as it is now, was reconstructed with these settings and its folders are still there."""
        entry = self.entries.get(str(photo.resolve()))
        if entry is None or entry["status"] != "done" or entry["settings"] != self.settings:
            return False
        if not photo.is_file() or entry["modified"] != photo.stat().st_mtime:
            return False
        return all((self.folder / str(face)).is_dir() for face in entry["faces"])  # pyright: ignore[reportGeneralTypeIssues]

    def add(self, photo: Path, **entry: object) -> None:
        """Enter what became of a photo and write the report."""
        modified = photo.stat().st_mtime if photo.is_file() else None
        self.entries[str(photo.resolve())] = {
            **entry,
            "settings": self.settings,
            "modified": modified,
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        with whole_file(self.path) as temporary:
            temporary.write_text(json.dumps({"photos": self.entries}, indent=1) + "\n")
