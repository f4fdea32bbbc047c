"""`deca serve` and `deca view` as processes of their own, for tests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = "from deca.apps.cli import main; main()"


@contextmanager
def deca_server(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `deca ARGUMENTS` on a free port until the block ends; its process and its address."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"http://localhost:\d+", line := process.stderr.readline())
        assert found, line
        yield process, found[0]
    finally:
        process.kill()
        process.wait()
