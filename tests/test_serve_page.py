"""What docs/page.md tells people to type works as written, against a server of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from light_photos import write_photos
from test_serve import deca_serve

from deca.apps.server.options import ServeOptions, ViewOptions

PAGE = (Path(__file__).parents[1] / "docs" / "page.md").read_text()


def blocks() -> list[list[str]]:
    found = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [[line.split("#")[0].strip() for line in block.splitlines()] for block in found]


def test_every_option_is_told_of_with_its_usual_value() -> None:
    usual = ServeOptions()
    named = set(re.findall(r"`--([a-z-]+)`", PAGE))
    fields = {name.replace("_", "-") for name in vars(usual)} - {"no-browser"}
    assert named == fields
    for name, value in (("max-megabytes", 25), ("uploads-per-minute", 120), ("max-waiting", 40)):
        assert getattr(usual, name.replace("-", "_")) == value
        assert f"| `--{name}` | {value} |" in PAGE
    assert (usual.host, usual.port, usual.workers, usual.keep_hours) == ("127.0.0.1", 8000, 1, 24)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_run_as_written(tmp_path: Path) -> None:
    (install, serve, view), curls = blocks()
    assert install == "pip install 'deca[serve]'"
    assert serve == "deca serve"
    assert view == "deca view out"
    assert ViewOptions(folder=Path("out")).port == 0
    write_photos(tmp_path / "photos", 1, 300)
    (photo,) = (tmp_path / "photos").iterdir()
    photo.rename(tmp_path / "me.jpg")
    with deca_serve(tmp_path / "store") as (_, client):
        address = f"{client.base_url.host}:{client.base_url.port}"

        def curl(line: str, job: str = "") -> str:
            assert line.startswith("curl ")
            typed = line.replace("localhost:8000", address).replace("/ID", f"/{job}")
            run = subprocess.run(typed.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
            return run.stdout

        post, follow, fetch, delete = curls
        job = re.findall(r'"id":"([^"]+)"', curl(post))[0]
        assert '"state":"done"' in curl(follow, job)
        curl(fetch, job)
        assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"
        curl(delete, job)
        assert client.get(f"/api/jobs/{job}").status_code == 404


@pytest.mark.slow
def test_view_opens_a_folder_and_a_wrong_one_is_a_line(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from deca.apps.cli import main; main()"]
    wrong = subprocess.run([*program, "view", str(tmp_path)], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "no reconstructed face" in wrong.stderr
    (tmp_path / "head.glb").write_bytes(b"glTF")
    (tmp_path / "parameters.json").write_text("{}")
    environment = {**os.environ, "BROWSER": "true"}
    process = subprocess.Popen(
        [*program, "view", str(tmp_path)], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stderr is not None
        assert re.search(r"http://localhost:\d+/", process.stderr.readline())
        assert process.poll() is None
        time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait()
