"""How the server bears many clients at once: each sends photos one after another and fetches every head."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deca.io.files import data_file

PROGRAM = "from deca.apps.cli import main; main()"


@dataclass
class Answers:
    """What clients were answered: seconds from each photo to its head, and everything that was no head."""

    seconds: list[float] = field(default_factory=list)
    asked_to_wait: int = 0
    failed: list[str] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)


async def load(address: str, photo: bytes, clients: int, seconds: float, quality: str) -> Answers:
    """So many clients for so many seconds; each sees its last photo through, however long that takes."""
    answers = Answers()
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=3 * clients)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as client:
        await asyncio.gather(*(_client(client, photo, quality, until, answers) for _ in range(clients)))
    return answers


async def _client(
    client: httpx.AsyncClient, photo: bytes, quality: str, until: float, answers: Answers
) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        answer = await client.post("/api/jobs", files={"photo": ("me.jpg", photo)}, data={"quality": quality})
        answers.codes[answer.status_code] += 1
        if answer.status_code in (429, 503):
            answers.asked_to_wait += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            continue
        if answer.status_code != 202:
            answers.failed.append(f"{answer.status_code} {answer.text}")
            continue
        head_id = answer.json()["id"]
        last = await _last_event(client, head_id)
        if last["state"] != "done":
            answers.failed.append(str(last))
            continue
        head = await client.get(f"/api/heads/{head_id}/files/head.glb")
        answers.codes[head.status_code] += 1
        if head.content[:4] != b"glTF":
            answers.failed.append(f"{head_id}: {head.status_code} instead of head.glb")
            continue
        answers.seconds.append(time.monotonic() - began)
        await client.delete(f"/api/jobs/{head_id}")


async def _last_event(client: httpx.AsyncClient, job_id: str) -> dict:
    last: dict = {}
    async with client.stream("GET", f"/api/jobs/{job_id}/events") as events:
        async for line in events.aiter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    return last


def main() -> None:
    """Start a server, load it, and print what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--quality", choices=("fit", "encode"), default="fit")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-c", PROGRAM, "serve", "--no-browser", "--port", "0", "--store", store]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            found = re.search(r"http://localhost:\d+", server.stderr.readline())
            assert found, "the server did not start"
            photo = data_file("astronaut.jpg").read_bytes()
            asyncio.run(load(found[0], photo, 1, 0.1, options.quality))
            began = time.monotonic()
            answers = asyncio.run(load(found[0], photo, options.clients, options.seconds, options.quality))
            took = time.monotonic() - began
            memory = _resident(server.pid)
        finally:
            server.terminate()
            server.wait()
    seconds = sorted(answers.seconds)
    print(f"{options.clients} clients for {options.seconds:g} s, --quality {options.quality}:")
    print(f"  {len(seconds)} photos became heads, {len(answers.failed)} were lost, in {took:.0f} s")
    print(f"  from photo to head: median {statistics.median(seconds):.1f} s, longest {seconds[-1]:.1f} s")
    print(f"  asked to come back later: {answers.asked_to_wait}; answers: {dict(answers.codes)}")
    print(f"  memory of the server itself at the end: {memory} MB")
    for failure in answers.failed[:5]:
        print(f"  lost: {failure}")


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 // 2**20


if __name__ == "__main__":
    main()
