"""The parity set's stand-ins for published files, written once a session; skips where the set is absent."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

PARITY = Path(__file__).parents[1].parent / "shared" / "parity" / "dev"
SEED = "101"
# A temporary directory goes with the object that holds it: this list keeps it until the session ends.
_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def published_folder() -> Path:
    """A folder with every published file: generic_model.pkl, deca_model.tar and so on; 1.6 GB."""
    if not (PARITY / "expand_assets.py").is_file():
        pytest.skip("the parity set is not there")
    holder = tempfile.TemporaryDirectory(prefix="deca-published-")
    _kept.append(holder)
    for arguments in (["expand_assets.py"], ["fill_weights.py", SEED]):
        program, *rest = arguments
        subprocess.run([sys.executable, str(PARITY / program), *rest, holder.name], check=True)
    return Path(holder.name)


def loaders_folder() -> Path:
    """The set's small model files, good and hostile."""
    folder = PARITY / "loaders"
    if not folder.is_dir():
        pytest.skip("the parity set is not there")
    return folder
