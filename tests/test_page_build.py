"""The page that ships is the one that its sources make, and all of it comes from this machine."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from deca.io.files import data_file

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "page"
BUILT = data_file("page/index.html").parent


def test_the_build_is_that_of_the_sources() -> None:
    digest = hashlib.sha256()
    files = [path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*") if path.is_file()]
    for name in sorted(name for name in files if not name.startswith("node_modules")):
        digest.update(f"{name}\n".encode())
        digest.update((SOURCES / name).read_bytes())
    assert (BUILT / "sources.sha256").read_text().strip() == digest.hexdigest(), "run `make page`"


def test_pages_name_files_of_the_build_alone() -> None:
    for page in ("index.html", "docs.html"):
        text = (BUILT / page).read_text()
        addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert addresses
        for address in addresses:
            assert (BUILT / address).is_file() or address == "./docs", address
        assert "<style" not in text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)


def test_versions_are_pinned_and_their_licences_ship() -> None:
    package = json.loads((SOURCES / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    licences = (BUILT / "licences.md").read_text() + (BUILT / "licence-onnxruntime-web.txt").read_text()
    notice = (ROOT / "NOTICE").read_text()
    for name in package["dependencies"]:
        assert name in licences
        assert f"{name} {package['dependencies'][name]}" in notice
