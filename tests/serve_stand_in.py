"""Workers for tests of the server: what they do is written in the photo."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection

from deca.apps.server.tasks import Reconstruct


def run_stand_in(line: Connection) -> None:
    """Answers as a worker does. A photo of the bytes `crash` ends the process, `hang` never comes back, `bad`
    fails; any other becomes a head of two files after as many milliseconds as it says."""
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        if not isinstance(task, Reconstruct):
            line.send(("done", None))
            continue
        line.send(("step", "reading"))
        content = task.photo.read_bytes()
        if content == b"crash":
            os._exit(1)
        if content == b"hang":
            time.sleep(1000)
        if content == b"bad":
            line.send(("failed", f"{task.name}: not a picture file"))
            continue
        time.sleep(int(content or b"0") / 1000)
        line.send(("step", "writing"))
        task.folder.mkdir()
        (task.folder / "head.glb").write_bytes(b"glTF")
        (task.folder / "parameters.json").write_text("{}")
        line.send(("done", None))
