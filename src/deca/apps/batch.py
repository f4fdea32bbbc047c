"""Many photos to many folders: what to do, what is done already, what went wrong."""

from __future__ import annotations

import glob
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deca.apps.reconstruct import FaceChoice, NoFaceError, Reconstructor, TextureSize
from deca.apps.reconstruction import OpeningPose
from deca.head.data import HeadError
from deca.io.files import whole_file
from deca.io.images import SUFFIXES, PhotoError

REPORT = "report.json"


class UsageError(ValueError):
    """The command was called in a way that leaves nothing to do."""


def list_photos(patterns: Iterable[str]) -> list[Path]:
    """Photo paths of files, folders (searched in depth) and glob patterns, in order, each once.

    A named file is taken whatever its ending, so that reading it can say what is wrong with it. Raises
    UsageError for a folder or a pattern without photos.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if entry.suffix.lower() in SUFFIXES)
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
    return list(dict.fromkeys(found))


def output_names(photos: Iterable[Path]) -> list[str]:
    """A folder name for each photo: its stem; where stems repeat, the parent's name before it, then a
    number."""
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

    def __init__(self, folder: Path, settings: dict[str, object], overwrite: bool) -> None:
        self.path = folder / REPORT
        self.folder = folder
        self.settings = settings
        self.entries: dict[str, dict[str, object]] = {}
        if self.path.is_file():
            try:
                self.entries = json.loads(self.path.read_text())["photos"]
            except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
                if overwrite:
                    return
                raise UsageError(
                    f"{self.path}: not a report of this program; move it away or use --overwrite"
                ) from None

    def done(self, photo: Path) -> bool:
        """Whether this photo, as it is now, was reconstructed with these settings and its folders are still
        there."""
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


def reconstruct_photos(
    patterns: Iterable[str],
    out: Path,
    *,
    face: FaceChoice,
    pose: OpeningPose,
    head: Path | None,
    texture_size: TextureSize,
    overwrite: bool,
    console: Console,
) -> int:
    """Reconstruct photos into folders of `out`; returns how many photos failed.

    A photo that fails is told of in one line and in the report, and the next one goes on. Raises UsageError
    where nothing can be done: no photos, an unusable head file, or an output folder that cannot be written.
    """
    photos = list_photos(patterns)
    if not photos:
        raise UsageError("no photos given; name photo files, folders or patterns")
    settings: dict[str, object] = {
        "version": version("deca"),
        "face": face,
        "pose": pose,
        "head": None if head is None else str(head.resolve()),
        "texture_size": texture_size,
    }
    report = _open_report(out, settings, overwrite)
    try:
        reconstructor = Reconstructor(head, texture_size)
    except (HeadError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    names = output_names(photos)
    failures = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("", total=len(photos))
        for photo, name in zip(photos, names, strict=True):
            if not overwrite and report.done(photo):
                console.print(f"{photo}: done before, skipped (--overwrite does it again)", highlight=False)
                bar.advance(task)
                continue

            def show(step: str, photo: Path = photo) -> None:
                bar.update(task, description=f"{photo.name}: {step}")

            try:
                entry = _one_photo(reconstructor, photo, name, set(names), out, face, pose, show)
                report.add(photo, status="done", **entry)
                console.print(
                    f"{photo}: {', '.join(str(out / folder) for folder in entry['faces'])}", highlight=False
                )
            except (PhotoError, NoFaceError, FileNotFoundError) as error:
                failures += 1
                console.print(f"[red]failed[/red] {error}", highlight=False, soft_wrap=True)
                report.add(photo, status="failed", error=str(error))
            except OSError as error:
                # A full disk fails every photo after this one too.
                raise UsageError(
                    f"{out}: cannot be written ({error.strerror}); nothing was left half-written"
                ) from None
            bar.advance(task)
    return failures


def _one_photo(
    reconstructor: Reconstructor,
    photo: Path,
    name: str,
    reserved: set[str],
    out: Path,
    face: FaceChoice,
    pose: OpeningPose,
    show: Callable[[str], None],
) -> dict[str, Any]:
    started = time.perf_counter()
    results = reconstructor.photo(photo, face, show)
    folders = face_folders(name, len(results), reserved)
    show("writing")
    writing = time.perf_counter()
    for result, folder in zip(results, folders, strict=True):
        result.save(out / folder, pose)
    return {
        "faces": folders,
        "seconds": {
            "total": time.perf_counter() - started,
            "writing": time.perf_counter() - writing,
            "faces": [result.seconds for result in results],
        },
    }


def _open_report(out: Path, settings: dict[str, object], overwrite: bool) -> Report:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with whole_file(out / REPORT) as temporary:
            existing = out / REPORT
            temporary.write_bytes(existing.read_bytes() if existing.is_file() else b'{"photos": {}}\n')
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    return Report(out, settings, overwrite)
