"""No figure of the parity set is forgotten: each is compared, or docs/parity.md says why it is not."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from parity_head import PARITY

ROOT = Path(__file__).parents[1]
STAGES = sorted((PARITY / "stages").glob("*.npz"))


@cache
def _document() -> str:
    return (ROOT / "docs" / "parity.md").read_text()


@cache
def _patterns() -> list[re.Pattern[str]]:
    """The strings of the parity tests, what is filled in at run time standing for anything."""
    found = []
    for path in ROOT.glob("tests/test_parity_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.escape(node.value))
            if isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w*"
                    for part in node.values
                ]
                # A name of which hardly anything is written would stand for everything.
                if len("".join(parts).replace(r"\w*", "")) >= 4:
                    found.append("".join(parts))
    return [re.compile(pattern) for pattern in set(found)]


@pytest.mark.skipif(not STAGES, reason="the parity set is not there")
@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_every_figure_is_compared_or_listed(path: Path) -> None:
    _, _, uncompared = _document().partition("## Not compared")
    uncompared, _, _ = uncompared.partition("\n## ")
    with np.load(path, allow_pickle=False) as archive:
        keys = archive.files
    for key in keys:
        if f"`{key}`" in uncompared:
            continue
        names = {
            key,
            key.removeprefix("enc_"),
            key.removesuffix("_tform"),
            re.sub(r"tform(\d)", r"crop\1", key),
        }
        assert any(pattern.fullmatch(name) for pattern in _patterns() for name in names), key
