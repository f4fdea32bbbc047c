"""What tests of the page share: the server that they look at, and the programs that look."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Server:
    """A `deca serve` with its results in a folder of the test's own."""

    address: str
    process: int
    store: Path

    def resident(self) -> int:
        """Megabytes of the server and its workers."""
        processes = [self.process]
        for task in Path(f"/proc/{self.process}/task").glob("*/children"):
            processes += [int(child) for child in task.read_text().split()]
        pages = [int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes]
        return sum(pages) * 4096 // 2**20


def run_node(program: str, *arguments: object) -> dict[str, Any]:
    """Run a program of this folder; what it printed as JSON."""
    command = ["node", str(HERE / program), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
