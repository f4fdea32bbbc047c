"""The `deca` command: reconstruct, doctor."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.extras import SubcommandApp

app = SubcommandApp()


@app.command
def reconstruct(
    photos: Annotated[tuple[str, ...], tyro.conf.Positional],
    /,
    out: Path,
    face: Literal["all", "largest"] = "all",
    pose: Literal["photo", "neutral"] = "photo",
    head: Path | None = None,
    texture_size: Literal[512, 1024, 2048] = 1024,
    overwrite: bool = False,
) -> int:
    """Turn photos into animatable, detailed 3D heads, one folder a face.

    Args:
        photos: Photo files, folders or quoted glob patterns.
        out: Folder for the results; what is done there already is skipped.
        face: Every face, left to right, or the largest alone.
        pose: How head.glb opens: posed as in the photo, or neutral.
        head: A head file in place of the default head.
        texture_size: Pixels along a side of texture.png.
        overwrite: Do again what is done.
    """
    # Imported late: `deca --help` should not wait for PyTorch.
    from deca.apps.batch import UsageError, reconstruct_photos

    console = Console(stderr=True)
    try:
        failures = reconstruct_photos(
            photos,
            out,
            face=face,
            pose=pose,
            head=head,
            texture_size=texture_size,
            overwrite=overwrite,
            console=console,
        )
    except UsageError as error:
        print(f"deca: {error}", file=sys.stderr)
        return 2
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
    sys.exit(
        app.cli(
            prog="deca", description=f"deca {version('deca')}: a photo in, an animatable detailed head out."
        )
    )
