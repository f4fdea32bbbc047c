"""What docs/batches.md tells people to type works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from light_photos import write_photos

PAGE = (Path(__file__).parents[1] / "docs" / "batches.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.mark.slow
def test_the_commands_and_the_program_run_in_order(tmp_path):
    write_photos(tmp_path / "photos", 2, 300)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for line in block("sh").splitlines():
        run = line.split("#")[0].split()
        assert run[:2] == ["deca", "reconstruct"]
        environment = {**os.environ, "PATH": path}
        environment.pop("RAY_ADDRESS", None)
        finished = subprocess.run(
            run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        said.append(finished.stderr)
    assert [text.count("skipped") for text in said] == [0, 2, 0]
    assert sorted(entry.name for entry in (tmp_path / "heads").iterdir()) == ["000", "001", "report.jsonl"]
    program = [sys.executable, "-c", block("python")]
    assert subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "[]\n"
