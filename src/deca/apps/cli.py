"""The `deca` command: reconstruct, doctor."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from tyro.extras import SubcommandApp

from deca.apps.errors import OutputError, UsageError
from deca.apps.options import ReconstructOptions

app = SubcommandApp()


@app.command
def reconstruct(options: Annotated[ReconstructOptions, tyro.conf.arg(name="")]) -> int:
    """Turn photos into animatable, detailed 3D heads, one folder a face."""
    # Imported late: `deca --help` should not wait for PyTorch.
    from deca.apps.batch import reconstruct_photos

    try:
        failures = reconstruct_photos(options, Console(stderr=True))
    except (UsageError, OutputError) as error:
        print(f"deca: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("deca: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 1 if failures else 0


@app.command
def doctor() -> int:
    """Say what is installed, which device, heads and networks are here, and what is missing."""
    from deca.apps.doctor import examine

    table = Table("", "found", "to do", title="deca doctor", title_justify="left")
    findings = examine()
    for finding in findings:
        style = "" if not finding.remedy else "red" if finding.needed else "yellow"
        table.add_row(finding.subject, finding.found, finding.remedy, style=style)
    Console().print(table)
    return 1 if any(finding.remedy and finding.needed for finding in findings) else 0


def main() -> None:
    """Run the command line; exits with 0 on success, 1 if a photo failed, 2 for wrong usage."""
    if sys.argv[1:] == ["--version"]:
        print(f"deca {version('deca')}")
        return
    description = f"deca {version('deca')}: one photo of a face in, an animatable detailed 3D head out."
    sys.exit(app.cli(prog="deca", description=description))
