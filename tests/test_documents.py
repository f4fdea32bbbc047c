"""What the README and the lessons tell people to type works as written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scan_cases import write_now_data
from typed import run

from deca.io.files import data_file

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a photo of me, where the README's programs are run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(data_file("astronaut.jpg"), folder / "me.jpg")
    (folder / "people" / "me").mkdir(parents=True)
    shutil.copy(data_file("astronaut.jpg"), folder / "people" / "me")
    write_now_data(folder / "NoW")
    settings = {"stage": "pretrain", "backbone": "small", "shards": {"shards": 1, "synthetic": 1}}
    settings |= {"steps": 2, "batch_size": 2, "workers": 0, "pictures_every": 0}
    (folder / "coarse.json").write_text(json.dumps(settings))
    return folder


def started(home: Path, *command: str) -> str:
    """What a process of its own says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        command, cwd=home, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_lines_of_python_run_as_written(home):
    (program,) = blocks("python")
    assert len([line for line in program.splitlines() if line.strip()]) <= 5
    assert "tensor" in started(home, sys.executable, "-c", program)
    assert (home / "out" / "head.glb").is_file()


def test_the_lessons_run_in_order(home):
    lessons = sorted((ROOT / "examples").glob("*.py"))
    assert [lesson.name[:2] for lesson in lessons] == [
        f"{number:02}" for number in range(1, len(lessons) + 1)
    ]
    arguments = {
        "01": ("me.jpg", "lesson"),
        "02": ("lesson", "smile.mp4", "smile.glb"),
        "03": ("lesson", "relit.png"),
        "04": ("lesson", "smiling.glb"),
    }
    for lesson in lessons:
        assert len(lesson.read_text().splitlines()) <= 40, lesson.name
        started(home, sys.executable, str(lesson), *arguments[lesson.name[:2]])
    assert (home / "lesson" / "sheet.png").is_file()
    assert (home / "smiling.glb").is_file()


def test_the_commands_run_as_written(home, capsys):
    # Servers run until they are stopped; tests/test_serve_page.py starts and stops them.
    mine = [command for command in commands() if re.match(r"deca (?!serve|view)", command)]
    # One as it is installed, and those that start processes; the others are spared a start of seconds.
    apart = [mine[0], *(command for command in mine if re.match(r"deca (prepare|synthesise)", command))]
    assert len(apart) == 3
    for command in mine:
        if command in apart:
            started(home, *command.split())
        else:
            status, said = run(*command.split()[1:], folder=home), capsys.readouterr().err
            assert status == 0, f"{command}\n{said}"


@pytest.mark.parametrize("command", [command for command in commands() if command.startswith("make ")])
def test_make_knows_every_target_that_is_named(command):
    finished = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONVENTIONS.md", *sorted((ROOT / "docs").glob("*.md"))]
)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} names {target}"
