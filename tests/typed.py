"""`deca` as people type it, in the test's own process: a new one spends seconds on its imports alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deca.apps import cli


def run(*arguments: object, folder: Path | None = None) -> int:
    """The exit status of `deca` with these arguments, called in a folder, by default the present one."""
    with pytest.MonkeyPatch.context() as patch:
        if folder is not None:
            patch.chdir(folder)
        patch.setattr(sys, "argv", ["deca", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)
