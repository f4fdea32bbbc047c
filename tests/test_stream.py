from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from light_photos import write_light_head, write_photos
from PIL import Image
from rich.console import Console

from deca.apps.batch import reconstruct_photos
from deca.apps.errors import OutputError
from deca.apps.options import ReconstructOptions
from deca.apps.photo_list import PhotoJob
from deca.apps.photo_work import Outcome, PhotoWork
from deca.apps.progress import FEW, RunProgress, duration, pace
from deca.apps.reconstruct import FaceTask, Reconstructor
from deca.apps.reconstruction import Reconstruction
from deca.apps.stream import stream
from deca.io.files import data_file
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo

# How much more memory 300 photos may take than 20, megabytes. One photo is 7 of them when it is decoded.
MEMORY_BOUND = 150
PATIENCE = 60.0

SIZES = st.integers(1, 5)


@given(st.integers(0, 40), SIZES, SIZES)
def test_each_item_is_read_and_worked_on_once_in_batches_of_bounded_size(count, batch_size, workers):
    sizes: list[int] = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        return [item + 1 for item in batch]

    results = stream(range(count), lambda item: 2 * item, work, batch_size=batch_size, workers=workers)
    assert Counter(results) == Counter(2 * item + 1 for item in range(count))
    assert all(1 <= size <= batch_size for size in sizes)


@given(SIZES, SIZES)
def test_no_more_items_are_taken_than_there_is_room_for(batch_size, workers):
    results: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for item in range(60):
            ahead.append(item - len(results))
            yield item

    for result in stream(items(), int, list, batch_size=batch_size, workers=workers):
        results.append(result)
    # Those that wait, those worked on, and the results of one batch that are being given.
    assert max(ahead) <= batch_size + 1 + batch_size * (workers + 1)


def test_the_next_item_is_read_while_one_is_worked_on_and_workers_work_together():
    second_read, together = threading.Event(), threading.Barrier(2, timeout=PATIENCE)

    def read(item: int) -> int:
        if item == 2:
            second_read.set()
        return item

    def work(batch: Sequence[int]) -> Sequence[int]:
        if batch[0] < 2:
            together.wait()
            assert second_read.wait(PATIENCE)
        return batch

    assert sorted(stream(range(3), read, work, batch_size=1, workers=2)) == [0, 1, 2]


@pytest.mark.parametrize("step", ["read", "work"])
def test_an_exception_ends_the_stream(step):
    read_items: list[int] = []

    def read(item: int) -> int:
        read_items.append(item)
        if step == "read" and item == 5:
            raise ZeroDivisionError
        return item

    def work(batch: Sequence[int]) -> Sequence[int]:
        if step == "work" and 5 in batch:
            raise ZeroDivisionError
        return batch

    with pytest.raises(ZeroDivisionError):
        list(stream(range(1000), read, work, batch_size=2, workers=2))
    assert len(read_items) < 30


def test_an_interrupted_stream_gives_the_results_of_what_is_in_hand():
    begun: list[int] = []
    interrupted = threading.Event()

    def items() -> Iterator[int]:
        yield from range(2)
        # By now the first is being worked on, and stays so until the interrupt has come.
        interrupted.set()
        raise KeyboardInterrupt

    def work(batch: Sequence[int]) -> Sequence[int]:
        begun.extend(batch)
        assert interrupted.wait(PATIENCE)
        return batch

    results: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        results.extend(_kept(results, stream(items(), int, work, batch_size=1, workers=1)))
    assert results == begun == [0]


def _kept(results: list[int], given: Iterator[int]) -> Iterator[int]:
    for result in given:
        results.append(result)
    return iter(())


@pytest.fixture(scope="module")
def light_head(tmp_path_factory) -> Path:
    return write_light_head(tmp_path_factory.mktemp("head") / "light.npz")


@pytest.fixture(scope="module")
def known(light_head) -> Reconstruction:
    """One reconstruction, in whose place others are made without any work."""
    return Reconstructor(light_head, 512).photo(data_file("astronaut.jpg"))[0]


class Copies:
    """Finds as many faces as a photo has rows, all alike, and copies of one reconstruction for them."""

    batch_size = 3

    def __init__(self, known: Reconstruction) -> None:
        self.known = known
        self.batches: list[int] = []

    def find(self, photo: Photo) -> list[FoundFace]:
        return [self.known.found] * len(photo)

    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        self.batches.append(len(tasks))
        if any(task.photo.shape[1] == 13 for task in tasks):
            raise ZeroDivisionError("thirteen")
        return [replace(self.known, photo=task.photo, seconds=task.seconds) for task in tasks]


@pytest.fixture
def saved(monkeypatch) -> list[str]:
    """The folders that would have been written."""
    folders: list[str] = []

    def save(self: Reconstruction, folder: Path, pose: str) -> None:
        if folder.name == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        folders.append(folder.name)

    monkeypatch.setattr(Reconstruction, "save", save)
    return folders


def work_on(tmp_path: Path, reconstructor: Copies, **photos: tuple[int, int]) -> list[Outcome]:
    """What becomes of photos of the given heights and widths in one batch."""
    work = PhotoWork(reconstructor, tmp_path / "out", "all", "photo", frozenset(photos))
    for name, (height, width) in photos.items():
        Image.new("RGB", (width, height)).save(tmp_path / f"{name}.png")
    return list(work.finish([work.read(PhotoJob(tmp_path / f"{name}.png", name)) for name in photos]))


def test_faces_are_gathered_over_photos_and_a_crowd_is_not_taken_at_once(tmp_path, known, saved):
    copies = Copies(known)
    outcomes = work_on(tmp_path, copies, a=(1, 9), crowd=(7, 9), b=(1, 9))
    assert copies.batches == [3, 3, 3]
    crowd = ["crowd", *(f"crowd_{number}" for number in range(2, 8))]
    assert [outcome.entry["faces"] for outcome in outcomes] == [["a"], crowd, ["b"]]
    assert saved == ["a", *crowd, "b"]
    for outcome in outcomes:
        faces = outcome.entry["seconds"]["faces"]
        assert all(set(face) == {"reading", "finding", "writing"} for face in faces)
        once = faces[0]["reading"] + faces[0]["finding"] + sum(face["writing"] for face in faces)
        assert outcome.entry["seconds"]["total"] == pytest.approx(once)


def test_an_error_strikes_the_photo_that_makes_it_and_no_other_of_its_batch(tmp_path, known, saved):
    outcomes = work_on(tmp_path, Copies(known), a=(1, 9), bad=(1, 13), b=(1, 9))
    assert [outcome.failed for outcome in outcomes] == [False, True, False]
    assert "bad.png: cannot be reconstructed (ZeroDivisionError: thirteen)" in outcomes[1].entry["error"]
    assert sorted(set(saved)) == ["a", "b"]


def test_a_full_disk_is_no_fault_of_the_photo(tmp_path, known, saved):
    with pytest.raises(OutputError, match="No space left"):
        work_on(tmp_path, Copies(known), a=(1, 9), full=(1, 9))


def numbers_in(document: object) -> list[float]:
    """Every number of a JSON document, in its order."""
    if isinstance(document, dict | list):
        parts = document.values() if isinstance(document, dict) else document
        return [number for part in parts for number in numbers_in(part)]
    return [float(document)] if isinstance(document, int | float) else []


def test_streamed_files_are_those_of_one_photo_after_another(tmp_path, light_head):
    """Sums may run in another order from one time to the next: the last digits are free."""
    photos = write_photos(tmp_path / "photos", 4, 300)
    options = ReconstructOptions(
        photos=(str(tmp_path / "photos"),), out=tmp_path / "out", head=str(light_head), texture_size=512
    )
    assert reconstruct_photos(options, Console(quiet=True)) == 0
    reconstructor = Reconstructor(light_head, 512)
    for photo in photos:
        alone = reconstructor.photo(photo)[0].save(tmp_path / "alone" / photo.stem)
        streamed = tmp_path / "out" / photo.stem
        assert {file.name for file in streamed.iterdir()} == {file.name for file in alone.iterdir()}
        for file in alone.iterdir():
            other = streamed / file.name
            if file.suffix == ".json":
                expected = numbers_in(json.loads(file.read_text()))
                assert numbers_in(json.loads(other.read_text())) == pytest.approx(
                    expected, rel=1e-4, abs=1e-5
                )
            elif file.suffix == ".png":
                pictures = [np.asarray(Image.open(path).convert("RGB"), int) for path in (file, other)]
                assert np.mean(np.abs(pictures[0] - pictures[1]) > 1) < 1e-3, file.name
            else:
                assert other.stat().st_size == pytest.approx(file.stat().st_size, rel=1e-2), file.name


def test_rates_and_times_are_said_as_people_say_them():
    assert pace(0, 10, 3.0) == ""
    assert pace(10, 20, 5.0) == "2.0 photos/s, 10 s left"
    assert pace(10, 990, 25.0) == "2.5 s a photo, 41 min 15 s left"
    assert [duration(seconds) for seconds in (0.0, 59.6, 3599.0, 3600.0, 7325.0)] == [
        "0 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "2 h 02 min",
    ]


@pytest.mark.parametrize("total", [FEW, FEW + 1])
def test_of_many_photos_only_those_that_fail_get_a_line(total):
    told = io.StringIO()
    with RunProgress(Console(file=told, width=200), total, Path("out")) as progress:
        progress.skip(Path("before.jpg"))
        done = {"status": "done", "faces": ["me"], "seconds": {"total": 1.25}}
        for _ in range(total - 2):
            progress.add(Outcome(Path("me.jpg"), done))
        progress.add(Outcome(Path("b.jpg"), {"status": "failed", "error": "b.jpg: no face found"}))
    lines = told.getvalue().splitlines()
    assert progress.failures == 1
    assert "failed b.jpg: no face found" in lines
    if total <= FEW:
        assert lines[0].startswith("before.jpg: done before, skipped")
        assert lines.count("out/me (1.2 s)") == total - 2
    else:
        assert lines[:-1] == ["failed b.jpg: no face found"]
        assert lines[-1].startswith(f"{total - 2} done, 1 skipped, 1 failed in ")


def test_a_terminal_sees_a_bar_with_rate_and_time_left():
    told = io.StringIO()
    console = Console(file=told, width=100, force_terminal=True)
    with RunProgress(console, 3, Path("out")) as progress:
        time.sleep(0.01)
        progress.add(Outcome(Path("me.jpg"), {"status": "failed", "error": "me.jpg: no face found"}))
    assert "1/3" in told.getvalue()
    assert " left, 1 failed" in told.getvalue()


def command(*arguments: str | Path) -> list[str]:
    return [str(Path(sys.executable).with_name("deca")), "reconstruct", *map(str, arguments)]


def lines_of(out: Path) -> list[dict]:
    report = out / "report.jsonl"
    return [json.loads(line) for line in report.read_text().splitlines()] if report.is_file() else []


@pytest.mark.slow
@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, light_head, stopped_by):
    # Many enough that a quick machine is not through before the signal comes.
    photos = write_photos(tmp_path / "photos", 40, 300)
    out = tmp_path / "out"
    run = command(tmp_path / "photos", "--out", out, "--head", light_head, "--texture-size", "512")
    # A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
    process = subprocess.Popen(
        run,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(lines_of(out)) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(stopped_by)
    said = process.communicate(timeout=PATIENCE)[1]
    first = {line["photo"] for line in lines_of(out)}
    assert len(first) < len(photos)
    if stopped_by is signal.SIGINT:
        assert process.returncode == 130
        assert said.splitlines()[-1] == "deca: interrupted; the same command goes on from here"
        assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    finished = subprocess.run(run, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert f"{len(photos) - len(first)} done, {len(first)} skipped, 0 failed" in finished.stderr
    assert len(lines_of(out)) == len({line["photo"] for line in lines_of(out)}) == len(photos)
    assert {path.name for path in out.iterdir()} == {"report.jsonl", *(photo.stem for photo in photos)}
    assert {len(list((out / photo.stem).iterdir())) for photo in photos} == {12}


@pytest.mark.slow
def test_memory_stays_flat_over_300_photos(tmp_path, light_head):
    photos = write_photos(tmp_path / "photos", 300, 2000)
    out = tmp_path / "out"
    options = ("--out", out, "--head", light_head, "--texture-size", "512")
    of_20 = peak_megabytes(command(*photos[:20], *options))
    # The same command over all of them goes on after the first 20.
    of_300 = peak_megabytes(command(tmp_path / "photos", *options))
    assert [line["status"] for line in lines_of(out)] == 300 * ["done"]
    assert of_300 < of_20 + MEMORY_BOUND, f"{of_20:.0f} MB for 20 photos, {of_300:.0f} MB for 300"


def peak_megabytes(run: list[str]) -> float:
    """The most memory that a command holds at any time."""
    process = subprocess.Popen(run, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024
