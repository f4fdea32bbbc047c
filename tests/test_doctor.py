"""`deca doctor` says of every extra whether it is installed, what it is for and how to get it."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from deca.apps import cli, doctor


def test_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    offered = {
        name: sorted(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines)
        for name, lines in project["optional-dependencies"].items()
        if name not in ("build", "dev")
    }
    assert {name: sorted(packages) for name, (_, packages) in doctor.EXTRAS.items()} == offered


def test_extras_that_are_here_and_one_that_is_not(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def without_uvicorn(name: str) -> str:
        if name == "uvicorn":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", without_uvicorn)
    found = {finding.subject: finding for finding in doctor.examine()}
    for name in ("evaluate", "video"):
        assert found[f"deca[{name}]"].found.endswith("; installed")
    assert found["deca[serve]"].found == "deca serve and deca view: the page; not installed: uvicorn"
    monkeypatch.setattr(sys, "argv", ["deca", "doctor"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as left:
        cli.main()
    # What only an extra lacks is no failure.
    assert left.value.code == 0
    assert "pip install 'deca[serve]'" in capsys.readouterr().out
