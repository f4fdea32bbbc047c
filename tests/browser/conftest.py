"""Tests in Chromium are skipped where it or its driver is missing; those of the page share a server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import httpx
import pytest
from browsing import HERE, Server
from deca_server import deca_server
from test_serve import events, post

from deca.io.files import data_file

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(scope="session", autouse=True)
def _browser() -> None:
    if not shutil.which("node") or not (HERE / "node_modules" / "three").is_dir():
        pytest.skip("three.js is not installed: install Node 20, then run `npm ci` in tests/browser")
    if not shutil.which(CHROMIUM):
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium, or set CHROMIUM")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes photos."""
    store = tmp_path_factory.mktemp("store")
    with deca_server("serve", "--store", store, "--uploads-per-minute", "1000") as (process, address):
        yield Server(address, process.pid, store)


@pytest.fixture(scope="session")
def astronaut(server: Server) -> str:
    """The id of the astronaut's head on the server."""
    with httpx.Client(base_url=server.address, timeout=120) as client:
        job = post(client, data_file("astronaut.jpg").read_bytes(), quality="encode").json()
        assert events(client, job["id"])[-1]["state"] == "done"
    return job["id"]
