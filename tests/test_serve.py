"""The server: what it answers, what it refuses, and what is left of it when things go wrong."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import safetensors.numpy
import uvicorn
from deca_server import deca_server
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serve import load
from serve_stand_in import run_stand_in

from deca.apps.errors import UsageError
from deca.apps.server.api import Limits, make_app, shown_name
from deca.apps.server.guard import Rate
from deca.apps.server.heads import HeadStore, ViewedHeads
from deca.apps.server.workers import WorkerPool
from deca.io.files import data_file

LOCAL = "http://localhost"
USUAL = Limits()
ASTRONAUT = data_file("astronaut.jpg")


@contextmanager
def serving(
    root: Path, limits: Limits = USUAL, *, waiting: int = 50, seconds: float = 30.0, host: str = "127.0.0.1"
) -> Iterator[TestClient]:
    """The application over a store, with one stand-in worker."""
    with application(root, limits, waiting, seconds, host) as app, TestClient(app, LOCAL) as client:
        yield client


@contextmanager
def application(
    root: Path, limits: Limits, waiting: int, seconds: float, host: str = "127.0.0.1"
) -> Iterator[FastAPI]:
    store = HeadStore(root, limits.keep_seconds)
    makers = WorkerPool(run_stand_in, 1, waiting, seconds)
    helpers = WorkerPool(run_stand_in, 1, 4, seconds)
    try:
        yield make_app(store, store, makers, helpers, host, limits)
    finally:
        store.close()


def post(client: TestClient | httpx.Client, photo: bytes = b"0", name: str = "me.jpg", **fields: str):
    return client.post("/api/jobs", files={"photo": (name, photo, "image/jpeg")}, data=fields)


def events(client: TestClient | httpx.Client, job_id: str) -> list[dict]:
    """Every state of a job until it has ended."""
    with client.stream("GET", f"/api/jobs/{job_id}/events", timeout=120) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_photo_becomes_a_job_and_the_job_a_head(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        answer = post(client, b"30")
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["location"] == f"/api/jobs/{job['id']}"
        assert len(job["id"]) == 22
        seen = events(client, job["id"])
        # Of steps that follow each other at once some may be passed over.
        steps = [state["steps"].index(state["step"]) for state in seen if state["state"] == "working"]
        assert steps
        assert steps == sorted(steps)
        assert seen[-1]["state"] == "done"
        assert client.get(f"/api/jobs/{job['id']}").json()["state"] == "done"
        assert client.get(f"/api/heads/{job['id']}").json() == ["head.glb", "parameters.json"]
        head = client.get(f"/api/heads/{job['id']}/files/head.glb")
        assert (head.content, head.headers["content-type"]) == (b"glTF", "model/gltf-binary")
        answer = client.get(f"/api/heads/{job['id']}/archive.zip")
        assert answer.headers["content-disposition"] == 'attachment; filename="head.zip"'
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None
        assert archive.namelist() == ["head.glb", "parameters.json"]
        assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
        assert client.get(f"/api/heads/{job['id']}").status_code == 404
        assert client.delete(f"/api/jobs/{job['id']}").status_code == 404
        assert list((tmp_path / "work").iterdir()) == []


def test_a_photo_that_fails_says_why_by_its_own_name(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        job = post(client, b"bad", "holiday.jpg").json()
        assert events(client, job["id"])[-1]["error"] == "holiday.jpg: not a picture file"
        assert list((tmp_path / "work").iterdir()) == []
        assert list((tmp_path / "heads").iterdir()) == []


@pytest.mark.parametrize("trouble", ["crash", "hang"])
def test_a_photo_that_takes_its_worker_down_fails_alone(tmp_path: Path, trouble: str) -> None:
    with serving(tmp_path, seconds=3.0) as client:
        first, second = post(client, trouble.encode()).json(), post(client).json()
        assert second["ahead"] == 1
        assert events(client, first["id"])[-1]["state"] == "failed"
        assert events(client, second["id"])[-1]["state"] == "done"


@pytest.mark.parametrize(
    "path",
    [
        "/api/heads/{id}/files/..%2f..%2fsecret",
        "/api/heads/{id}/files/%2e%2e/secret",
        "/api/heads/{id}/files/secret",
        "/api/heads/..%2f..%2fheads/files/head.glb",
        "/api/heads/%2e%2e/files/parameters.json",
        "/api/heads/{id}%00/files/head.glb",
        "/assets/..%2f..%2f..%2f__init__.py",
        "/assets/../index.html%00",
    ],
)
def test_no_path_of_a_client_is_a_path_here(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    with serving(tmp_path) as client:
        job = post(client).json()
        events(client, job["id"])
        (tmp_path / "heads" / job["id"] / "secret").write_text("secret")
        answer = client.get(path.format(id=job["id"]))
        assert answer.status_code in (404, 422)
        assert "secret" not in answer.text.replace("/secret", "") or "literal_error" in answer.text


def test_names_of_clients_are_only_shown() -> None:
    assert shown_name("../../etc/passwd") == "passwd"
    assert shown_name("a\nb\x1b[31m.jpg") == "ab[31m.jpg"
    assert shown_name(None) == shown_name("") == "the photo"
    assert len(shown_name("x" * 500)) == 80


def test_too_large_is_refused_whether_it_says_so_or_not(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(upload_bytes=2000)) as client:
        answer = post(client, b"0" * 4000)
        assert answer.status_code == 413
        assert "larger than 0.002 MB" in answer.json()["detail"]

        def pieces() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield b"0" * 100
            yield b"\r\n--x--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post("/api/jobs", content=pieces(), headers=kind)
        assert answer.status_code == 413
        assert list((tmp_path / "work").iterdir()) == []


def test_rate_and_queue_have_an_end_and_say_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, Limits(uploads_per_minute=6), waiting=3) as client:
        codes = [post(client, b"400").status_code for _ in range(8)]
        busy = next(i for i, code in enumerate(codes) if code == 503)
        assert 3 <= busy < 6
        assert codes[6:] == [429, 429]
        refused = post(client)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 11
        assert len(list((tmp_path / "work").iterdir())) <= 4


def test_the_rate_is_each_clients_own_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = Rate(2)
    assert [rate.take("a") for _ in range(3)] == [0, 0, 30]
    assert rate.take("b") == 0
    now = 31.0
    assert rate.take("a") == 0
    assert rate.take("a") > 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "localhost:8000"}, 202),
        ({"Host": "[::1]:8000"}, 202),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Origin": "http://localhost"}, 202),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
    ],
)
def test_other_sites_pages_are_shut_out(tmp_path: Path, headers: dict[str, str], code: int) -> None:
    with serving(tmp_path) as client:
        answer = client.post("/api/jobs", files={"photo": ("me.jpg", b"0")}, headers=headers)
        assert answer.status_code == code


def test_every_answer_carries_its_policy(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        for path in ("/", "/docs", "/openapi.json", "/api/about", "/api/heads/x", "/nothing"):
            answer = client.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/api/jobs", "/api/jobs/{job_id}/events", "/api/movement"} <= set(paths)
        for page in (client.get("/").text, client.get("/docs").text):
            addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
            assert addresses
            assert all(address.startswith("./") for address in addresses)


def test_on_other_addresses_any_host_may_be_named_but_no_other_origin(tmp_path: Path) -> None:
    with serving(tmp_path, host="0.0.0.0") as client:
        assert client.get("/api/about", headers={"Host": "box.lan:8000"}).status_code == 200
        headers = {"Host": "box.lan:8000", "Origin": "http://evil.example"}
        answer = client.post("/api/jobs", files={"photo": ("me.jpg", b"0")}, headers=headers)
        assert answer.status_code == 403


def test_results_expire_and_unfinished_work_is_swept(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        old, young = post(client).json()["id"], post(client).json()["id"]
        for job_id in (old, young):
            events(client, job_id)
        day = time.time() - 86_401
        os.utime(tmp_path / "heads" / old, (day, day))
        # Gone for clients at once, and from the disk by the next sweep.
        assert client.get(f"/api/heads/{old}").status_code == 404
        assert client.get(f"/api/jobs/{old}").status_code == 404
        with pytest.raises(UsageError, match="another server"):
            HeadStore(tmp_path, 86_400.0)
    (tmp_path / "work" / "left").mkdir(parents=True)
    with serving(tmp_path) as client:
        assert [path.name for path in (tmp_path / "heads").iterdir()] == [young]
        assert list((tmp_path / "work").iterdir()) == []
        assert client.get(f"/api/jobs/{young}").json()["state"] == "done"


def test_what_two_delete_at_once_is_deleted_once(tmp_path: Path) -> None:
    store = HeadStore(tmp_path, 60.0)
    for number in range(200):
        old = tmp_path / "heads" / f"{number:022}"
        old.mkdir()
        os.utime(old, (0, 0))
    with ThreadPoolExecutor(4) as threads:
        for sweeping in [threads.submit(store.sweep) for _ in range(4)]:
            sweeping.result()
    assert [*(tmp_path / "heads").iterdir(), *(tmp_path / "work").iterdir()] == []
    store.close()


def test_a_job_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        first, second = post(client, b"300").json(), post(client).json()
        assert client.delete(f"/api/jobs/{second['id']}").status_code == 204
        assert client.get(f"/api/jobs/{second['id']}").status_code == 404
        assert events(client, first["id"])[-1]["state"] == "done"
        deadline = time.monotonic() + 5
        while list((tmp_path / "work").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list((tmp_path / "work").iterdir()) == []


def test_folders_of_the_user_are_shown_and_nothing_else(tmp_path: Path) -> None:
    for name in ("ann", "ben"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "head.glb").write_bytes(b"glTF")
        (tmp_path / name / "parameters.json").write_text("{}")
    (tmp_path / "notes").mkdir()
    assert list(ViewedHeads(tmp_path).listed().values()) == ["ann", "ben"]
    heads = ViewedHeads(tmp_path / "ann")
    ((head_id, name),) = heads.listed().items()
    assert name == "ann"
    helpers = WorkerPool(run_stand_in, 1, 4, 30.0)
    with TestClient(make_app(heads, None, None, helpers, "127.0.0.1", Limits()), LOCAL) as client:
        about = client.get("/api/about").json()
        assert (about["uploads"], about["heads"]) == (False, [{"id": head_id, "name": "ann"}])
        assert client.get(f"/api/heads/{head_id}/files/head.glb").content == b"glTF"
        assert client.get(f"/api/heads/{head_id}/files/texture.png").status_code == 404
        assert client.get("/api/heads/ben/files/head.glb").status_code == 404
        assert post(client).status_code in (404, 405)
    with pytest.raises(UsageError, match="no reconstructed face"):
        ViewedHeads(tmp_path / "notes")
    with pytest.raises(UsageError, match="no such folder"):
        ViewedHeads(tmp_path / "nobody")


def test_twenty_clients_at_once_lose_nothing(tmp_path: Path) -> None:
    """`benchmarks/serve.py` does the same for a minute with the real workers."""
    limits = Limits(uploads_per_minute=10_000)
    with application(tmp_path, limits, 40, 30.0) as app:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            answers = asyncio.run(load(address, b"20", 20, 3.0, "fit"))
        finally:
            server.should_exit = True
            thread.join()
    assert answers.failed == []
    assert answers.asked_to_wait == 0
    # Each client has had its head; how many more in the time is a matter of the machine.
    assert len(answers.seconds) >= 20
    assert list((tmp_path / "heads").iterdir()) == []


# The real thing, as a process of its own.


@contextmanager
def deca_serve(store: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    with (
        deca_server("serve", "--store", store) as (process, address),
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        yield process, client


def children(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for path in listed for pid in path.read_text().split()]


@pytest.mark.slow
def test_a_real_photo_and_a_server_that_is_killed(tmp_path: Path) -> None:
    photo = ASTRONAUT.read_bytes()
    with deca_serve(tmp_path) as (process, client):
        done = post(client, photo, quality="encode").json()["id"]
        assert events(client, done)[-1]["state"] == "done"
        assert {"head.glb", "photo.jpg", "sheet.png"} <= set(client.get(f"/api/heads/{done}").json())
        figure = safetensors.numpy.load(client.get(f"/api/heads/{done}/figure.safetensors").content)
        parameters = client.get(f"/api/heads/{done}/files/parameters.json").json()["parameters"]
        assert figure["expression"] == pytest.approx(parameters["expression"])
        assert figure["identity"].shape[0] == 10
        assert figure["relief"].shape == (512, 512)
        starts, columns = figure["surroundings_starts"], figure["surroundings_columns"]
        assert len(starts) == figure["identity"].shape[1] + 1
        assert starts[-1] == len(columns) == len(figure["surroundings_weights"])
        tagged = client.get("/api/decoder.onnx")
        again = client.get("/api/decoder.onnx", headers={"If-None-Match": tagged.headers["etag"]})
        assert (tagged.status_code, again.status_code) == (200, 304)
        seen = client.post("/api/movement", files={"photo": ("me.jpg", photo)}).json()
        assert seen["expression"]["mouthSmileLeft"] > 0.2
        assert seen["box"][0] < 0.45 < seen["box"][2]
        no_face = client.post("/api/movement", files={"photo": ("README.md", b"# deca")})
        assert no_face.status_code == 422
        assert no_face.json()["detail"].startswith("README.md: not a picture")
        unfinished = [post(client, photo).json()["id"] for _ in range(2)]
        while client.get(f"/api/jobs/{unfinished[0]}").json()["step"] in (None, "starting"):
            time.sleep(0.02)
        workers = children(process)
        assert workers
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = {path.name for path in (tmp_path / "work").iterdir()}
        assert set(unfinished) & left
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their server"
        time.sleep(0.1)
    with deca_serve(tmp_path) as (_, client):
        assert list((tmp_path / "work").iterdir()) == []
        assert client.get(f"/api/jobs/{done}").json()["state"] == "done"
        assert client.get(f"/api/heads/{done}/files/head.glb").content[:4] == b"glTF"
        assert client.get(f"/api/jobs/{unfinished[1]}").status_code == 404
