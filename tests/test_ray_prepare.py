"""`deca prepare` on a Ray of this machine: the shards are those of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from light_photos import write_photos

from deca.apps.drop_list import DROPPED
from deca.apps.face_preparation import Drop, Prepared
from deca.io.shard_members import EncodedFace
from deca.io.shards import ShardFolder


def prepare(folder: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    deca = str(Path(sys.executable).with_name("deca"))
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    arguments = [deca, "prepare", str(folder), "--out", str(out), "--identity", "photo", *more]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)


def lines(finished: subprocess.CompletedProcess[str]) -> list[str]:
    """What was told of photos, less the lines that come once a minute."""
    return sorted(line for line in finished.stderr.splitlines() if " of 10 photos" not in line)


@pytest.mark.slow
def test_two_workers_make_the_shards_that_one_process_makes(tmp_path):
    pytest.importorskip("ray")
    write_photos(tmp_path / "photos", 9, 600)
    (tmp_path / "photos" / "text.jpg").write_text("this is no picture")
    here = prepare(tmp_path / "photos", tmp_path / "here", "--workers", "1")
    assert here.returncode == 1
    there = prepare(tmp_path / "photos", tmp_path / "there", "--engine", "ray", "--workers", "2")
    assert there.returncode == 1, there.stderr
    assert lines(there) == lines(here)
    stored = []
    for name in ("here", "there"):
        shards = ShardFolder(tmp_path / name)
        assert len(shards) == 9
        stored.append({entry.key: shards.read(index) for index, entry in enumerate(shards.entries)})
    for key, face in stored[0].items():
        other = stored[1][key]
        assert np.abs(face.image.astype(int) - other.image).max() <= 2
        assert np.abs(face.landmarks - other.landmarks).max() < 1e-3
        assert face.about.keys() == other.about.keys()
    (line,) = (tmp_path / "there" / DROPPED).read_text().splitlines()
    assert json.loads(line)["reason"] == "failed"
    # How they were made makes no difference to what is done.
    again = prepare(tmp_path / "photos", tmp_path / "there", "--workers", "1")
    assert again.stderr.count("skipped") == 9


def test_a_result_crosses_the_cluster_as_text_and_bytes():
    pytest.importorskip("ray")
    from deca.apps.ray_prepare import packed, unpacked

    members = {"jpg": b"\x00\xff\n", "json": b"{}", "dense.npy": b""}
    faces = [EncodedFace("one", {"identity": "a"}, members), EncodedFace("two", {}, {"jpg": b"\xfe"})]
    drops = [Drop("v.mp4#3", "blur", "blur is 1, more than 0.75", {"blur": 1.0})]
    for prepared in (Prepared("v.mp4", faces, drops), Prepared("x.jpg", [], [], "damaged")):
        result = packed(prepared)
        assert json.loads(json.dumps(result.entry)) == result.entry
        assert unpacked(result) == prepared
