"""Photos per second: one after another, streamed by threads, and on a Ray of this machine.

Run: python benchmarks/batch.py [PHOTO ...]. Without photos it takes the astronaut, twelve times.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from measure import describe_machine
from rich.console import Console
from rich.table import Table

from deca.apps.batch import reconstruct_photos
from deca.apps.options import Engine, ReconstructOptions
from deca.apps.reconstruct import Reconstructor
from deca.io.files import data_file

COPIES = 12


def main() -> None:
    """Measure each way once, after a photo that compiles and loads, and print the table."""
    console = Console()
    console.print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        photos = [Path(name) for name in sys.argv[1:]] or copies(Path(folder) / "photos")
        out = Path(folder) / "out"
        one_by_one(photos[:1], out)
        ways: dict[str, Callable[[], None]] = {
            "one after another": lambda: one_by_one(photos, out),
            "streamed, 1 thread": lambda: streamed(photos, out, "threads", 1),
            "streamed, 2 threads": lambda: streamed(photos, out, "threads", 2),
        }
        if find_spec("ray"):
            ways["Ray, 2 processes, start included"] = lambda: streamed(photos, out, "ray", 2)
        table = Table("way", "seconds", "photos/s", "to the first", title=f"{len(photos)} photos")
        first = None
        for name, way in ways.items():
            seconds = timed(way, out)
            first = first or seconds
            table.add_row(name, f"{seconds:.1f}", f"{len(photos) / seconds:.2f}", f"{first / seconds:.2f} x")
        console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"most memory of this process: {peak:.0f} MB")


def copies(folder: Path) -> list[Path]:
    """The astronaut under several names."""
    folder.mkdir()
    paths = [folder / f"{number:02}.jpg" for number in range(COPIES)]
    for path in paths:
        shutil.copy(data_file("astronaut.jpg"), path)
    return paths


def timed(way: Callable[[], None], out: Path) -> float:
    """Seconds that it takes, into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def one_by_one(photos: list[Path], out: Path) -> None:
    """As a loop over the library does it, on one thread."""
    torch.set_num_threads(1)
    reconstructor = Reconstructor()
    for photo in photos:
        for number, face in enumerate(reconstructor.photo(photo)):
            face.save(out / f"{photo.stem}_{number}")


def streamed(photos: list[Path], out: Path, engine: Engine, workers: int) -> None:
    """As the command does it."""
    options = ReconstructOptions(
        photos=tuple(str(photo) for photo in photos), out=out, engine=engine, workers=workers
    )
    reconstruct_photos(options, Console(quiet=True))


if __name__ == "__main__":
    main()
