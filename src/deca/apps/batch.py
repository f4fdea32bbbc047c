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

from deca.apps.options import ReconstructOptions
from deca.apps.reconstruct import NoFaceError, Reconstructor
from deca.head.data import HeadError
from deca.io.files import whole_file
from deca.io.heads import find_head_file
from deca.io.images import SUFFIXES, PhotoError

REPORT = "report.json"


class UsageError(ValueError):
    """The command was called in a way that leaves nothing to do."""


class OutputError(OSError):
    """Results cannot be written any more; what was written before is whole."""


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


def reconstruct_photos(options: ReconstructOptions, console: Console) -> int:
    """Reconstruct photos into folders of `options.out`; returns how many photos failed.

    A photo that fails is told of in one line and in the report, and the next one goes on. Raises UsageError
    where nothing can be done (no photos, an unusable head file, an output folder that cannot be written), and
    OutputError where writing fails on the way, as on a full disk.
    """
    photos = list_photos(options.photos)
    if not photos:
        raise UsageError("no photos given; name photo files, folders or patterns")
    try:
        report = _open_report(options)
        reconstructor = Reconstructor(options.head, options.texture_size)
    except (HeadError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    names = output_names(photos)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    failures = 0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(photos))
        for photo, name in zip(photos, names, strict=True):

            def show(step: str, photo: Path = photo) -> None:
                bar.update(task, description=f"{photo.name}: {step}")

            if not options.overwrite and report.done(photo):
                line = f"{photo}: done before, skipped (--overwrite does it again)"
            else:
                try:
                    entry = _one_photo(reconstructor, photo, name, set(names), options, show)
                    report.add(photo, **entry)
                except OSError as error:
                    # A full disk fails every photo after this one too.
                    reason = error.strerror or error
                    raise OutputError(
                        f"{options.out}: cannot be written ({reason}); no half-written file is left"
                    ) from None
                failures += entry["status"] == "failed"
                line = (
                    f"failed {entry['error']}" if entry["status"] == "failed" else _told(options.out, entry)
                )
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            bar.advance(task)
    return failures


def _one_photo(
    reconstructor: Reconstructor,
    photo: Path,
    name: str,
    reserved: set[str],
    options: ReconstructOptions,
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Reconstruct and save one photo; its entry in the report."""
    started = time.perf_counter()
    try:
        results = reconstructor.photo(photo, options.face)
    except (PhotoError, NoFaceError, FileNotFoundError) as error:
        return {"status": "failed", "error": str(error)}
    folders = face_folders(name, len(results), reserved)
    show("writing")
    writing = time.perf_counter()
    for result, folder in zip(results, folders, strict=True):
        result.save(options.out / folder, options.pose)
    seconds = {
        "total": time.perf_counter() - started,
        "writing": time.perf_counter() - writing,
        "faces": [result.seconds for result in results],
    }
    return {"status": "done", "faces": folders, "seconds": seconds}


def _told(out: Path, entry: dict[str, Any]) -> str:
    return f"{', '.join(str(out / face) for face in entry['faces'])} ({entry['seconds']['total']:.1f} s)"


def _open_report(options: ReconstructOptions) -> Report:
    """The report of the output folder, made if need be; that it can be written is tried now, not after an
    hour."""
    out = options.out
    settings: dict[str, object] = {
        "version": version("deca"),
        "face": options.face,
        "pose": options.pose,
        "head": None if options.head is None else str(find_head_file(options.head).resolve()),
        "texture_size": options.texture_size,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        with whole_file(out / ".writable") as trial:
            trial.touch()
        (out / ".writable").unlink()
        return Report(out, settings, options.overwrite)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
