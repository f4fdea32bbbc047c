from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from light_photos import write_light_head, write_photos

PATIENCE = 180.0
PHOTOS = 12


def command(*arguments: str | Path) -> list[str]:
    """`deca reconstruct` on a Ray of this machine alone, with two workers."""
    deca = str(Path(sys.executable).with_name("deca"))
    return [deca, "reconstruct", *map(str, arguments), "--engine", "ray", "--workers", "2"]


@pytest.fixture
def environment(monkeypatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def arguments(tmp_path, environment) -> list[str | Path]:
    write_photos(tmp_path / "photos", PHOTOS, 300)
    (tmp_path / "photos" / "text.jpg").write_text("this is no picture")
    head = write_light_head(tmp_path / "light.npz")
    return [tmp_path / "photos", "--out", tmp_path / "out", "--head", head, "--texture-size", "512"]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_photo(tmp_path, arguments):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        wait_until(lambda: process.poll() is not None or any(out.glob("*/sheet.png")))
        # A worker's photos are told of when its whole task is done: those of this one have to be done again.
        assert (out / "report.jsonl").read_text() == ""
        os.kill(next(workers_of(process.pid)), signal.SIGKILL)
        said_out, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 1
    names = {f"{number:03}" for number in range(PHOTOS)}
    lines = [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()]
    assert sorted(Path(line["photo"]).stem for line in lines) == sorted([*names, "text"])
    assert {Path(line["photo"]).stem for line in lines if line["status"] == "done"} == names
    assert {path.name for path in out.iterdir()} == {"report.jsonl", *names}
    assert {len(list((out / name).iterdir())) for name in names} == {12}
    # Ray's own news is not the user's.
    assert said_out == ""
    # On a busy machine there is a line a minute too.
    told = [line for line in said.splitlines() if f" of {PHOTOS + 1} photos" not in line]
    assert len(told) == PHOTOS + 1
    assert sum("text.jpg: not a picture" in line for line in told) == 1

    again = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert again.stderr.count("skipped") == PHOTOS
    assert again.returncode == 1


def wait_until(condition) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def workers_of(process: int) -> Iterator[int]:
    """The workers of Ray among the processes that descend from one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            parents[int(status.parent.name)] = (int(fields[1]), (status.parent / "cmdline").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue
    for number, (parent, line) in parents.items():
        while parent not in (0, process):
            parent = parents.get(parent, (0, b""))[0]
        if parent == process and b"RayWorker" in line:
            yield number


def test_without_ray_one_line_says_how_to_install_it(tmp_path, arguments):
    program = "import sys; sys.modules['ray'] = None; from deca.apps.cli import main; main()"
    run = [sys.executable, "-c", program, *command(*arguments)[1:]]
    finished = subprocess.run(run, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr == "deca: --engine ray needs Ray; to install it, run: pip install 'deca[ray]'\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cluster_that_is_not_there_is_wrong_usage(tmp_path, arguments):
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    finished = subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE
    )
    assert finished.returncode == 2
    assert "Ray at 127.0.0.1:1: cannot be used" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
