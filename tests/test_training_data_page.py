"""What docs/training-data.md tells people to type works as written; its figures are the program's."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from PIL import Image

from deca.apps.photo_table import list_sources
from deca.apps.prepare_options import PrepareOptions, QualityLimits
from deca.io.files import data_file
from deca.io.shards import ShardFolder
from deca.photo.quality import Quality

PAGE = (Path(__file__).parents[1] / "docs" / "training-data.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_commands_and_the_program_run_in_order(tmp_path):
    for name in ("ann", "bob"):
        (tmp_path / "people" / name).mkdir(parents=True)
        with Image.open(data_file("astronaut.jpg")) as astronaut:
            astronaut.crop((40, 0, 460, 400)).save(tmp_path / "people" / name / "1.jpg")
    (table,) = re.findall(r"```\n(file,.*?)```", PAGE, re.DOTALL)
    (tmp_path / "people.csv").write_text(table)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for line in block("sh").splitlines():
        run = shlex.split(line, comments=True)
        assert run[:2] == ["deca", "prepare"]
        finished = subprocess.run(
            run, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        said.append(finished.stderr)
    assert [text.count("skipped") for text in said] == [0, 2, 0, 0]
    licences = {}
    for folder in ("shards", "by-name", "by-table"):
        entries = ShardFolder(tmp_path / folder).entries
        assert [entry.identity for entry in entries] == ["ann", "bob"]
        licences[folder] = [entry.licence for entry in entries]
    assert licences["shards"] == ["CC0", "CC0"]
    assert licences["by-table"] == ["CC-BY-4.0, Ann", "CC0"]
    program = [sys.executable, "-c", block("python")]
    printed = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed == "2 (320, 320, 3) ann CC0\n"


def test_the_limits_are_those_of_the_program():
    rows = dict(re.findall(r"^\| (`[^|]*) \|[^|]*\|([^|]*)\|$", PAGE, re.MULTILINE))
    measures = {name: row for names, row in rows.items() for name in re.findall(r"`([a-z]+)`", names)}
    assert {field.name for field in fields(Quality)} <= measures.keys()
    for field in fields(QualityLimits):
        _, measure = field.name.split("_")
        assert f"{field.default:g}" in measures[measure]


def test_the_layouts_of_the_page_are_understood(tmp_path):
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+\.(?:jpg|mp4))`", PAGE, re.MULTILINE)
    assert [layout for layout, _ in rows] == ["vggface2", "bupt", "voxceleb2", "celeba"]
    for layout, name in rows:
        folder = tmp_path / layout
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        (folder / "identity_CelebA.txt").write_text("000001.jpg 1\n")
        options = PrepareOptions(folder=folder, out=tmp_path, layout=layout)  # pyright: ignore[reportArgumentType]
        assert [source.name for source in list_sources(options)] == [name]
