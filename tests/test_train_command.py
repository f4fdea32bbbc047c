from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from safetensors.torch import load_file
from training_faces import training_config, write_faces
from typed import run

from deca.apps.errors import UsageError
from deca.apps.train import configured
from deca.training.config import AugmentationConfig, TrainConfig, config_text, read_config

DECA = Path(sys.executable).parent / "deca"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("command")
    write_faces(path / "faces", people=4, photos=2, truth=True)
    return path


def written(folder: Path, out: Path, **changes) -> Path:
    """A configuration file."""
    config = training_config(folder, out=str(out), image_size=64, **changes)
    path = out.with_suffix(".json")
    path.write_text(config_text(config))
    return path


def test_help_prints_every_setting_with_its_default(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run("train", "--help") == 0
    said = re.sub(r"\s+", " ", capsys.readouterr().out.replace("│", " "))
    for prefix, kind in (("", TrainConfig), ("augmentation.", AugmentationConfig)):
        for field in fields(kind):
            if field.name == "augmentation":
                continue
            option = "--" + (prefix + field.name).replace("_", "-")
            default = getattr(kind(), field.name)
            shown = "" if default == {} else str(default)
            assert re.search(
                rf"{re.escape(option)}\b[^()]*(\([^()]*\)[^()]*)*\(default: {re.escape(shown)}\)", said
            ), option


def test_options_take_the_place_of_the_file(folder, tmp_path):
    path = written(folder, tmp_path / "out")
    config = configured(path, ["--steps", "9", "--augmentation.flip", "0.75", "--losses", "eyes", "3"])
    before = read_config(path.read_text(), "").complete()
    assert (config.steps, config.augmentation.flip) == (9, 0.75)
    assert config.losses == before.losses | {"eyes": 3.0}
    changed = asdict(config) | {
        "steps": before.steps,
        "losses": before.losses,
        "augmentation": asdict(before.augmentation),
    }
    assert changed == asdict(before)
    with pytest.raises(UsageError, match=r"nowhere.json: cannot be read .*name a JSON file"):
        configured(tmp_path / "nowhere.json", [])


def test_what_cannot_be_trained_is_told_in_one_line(folder, tmp_path, capsys):
    unknown = tmp_path / "unknown.json"
    unknown.write_text('{"stepps": 3}')
    for path, said in (
        (unknown, "unknown setting 'stepps'; did you mean 'steps'?"),
        (written(folder, tmp_path / "shards", shards={"nowhere": 1.0}), "nowhere: no training shards here"),
        (written(folder, tmp_path / "head", head="nobody"), "nobody"),
        (written(folder, tmp_path / "losses", losses={"eye": 1.0}), "did you mean 'eyes'?"),
        (written(folder, tmp_path / "weights", initial_weights="nowhere"), "nowhere: no readable weights"),
        (written(folder, tmp_path / "identity", identity="nowhere.onnx"), "nowhere.onnx"),
    ):
        assert run("train", path) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deca:")]
        assert said in line


def started(*arguments: str | Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [DECA, "train", *arguments]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_weights_of_one_that_never_was(folder, tmp_path):
    settings = {"steps": 12, "checkpoint_every": 2, "workers": 1, "augmentation": AugmentationConfig()}
    never = written(folder, tmp_path / "never", **settings)
    # Without a worker, and in this process: neither makes a difference.
    assert run("train", never, "--workers", "0") == 0
    killed = written(folder, tmp_path / "killed", **settings)
    process = started(killed)
    wait_for(tmp_path / "killed" / "checkpoints" / "step-00000004", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    process = started(killed)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "weights.safetensors is written" in said
    ours, theirs = (load_file(tmp_path / name / "weights.safetensors") for name in ("never", "killed"))
    assert ours.keys() == theirs.keys()
    assert all(tensor.equal(theirs[name]) for name, tensor in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_writes_a_checkpoint(folder, tmp_path, number):
    path = written(folder, tmp_path / "out", steps=10000, checkpoint_every=9999, workers=1)
    process = started(path)
    wait_for(tmp_path / "out" / "config.json", process)
    # The first step may not have begun, nor the worker; that is no reason to lose it.
    time.sleep(1)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "stopped; the same command goes on from here" in said
    (checkpoint,) = (tmp_path / "out" / "checkpoints").iterdir()
    assert json.loads((checkpoint / "state.json").read_text())["step"] >= 1


@pytest.mark.slow
def test_two_processes_tell_of_one_training(folder, tmp_path):
    path = written(folder, tmp_path / "out", steps=2)
    process = started(path, "--devices", "2")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert said.count("is written") == 1
    assert (tmp_path / "out" / "weights.safetensors").exists()
