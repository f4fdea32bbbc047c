"""What docs/training.md tells people to type works as written, on fewer and smaller faces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_head import make_small_head
from training_faces import write_faces
from typed import run

from deca.io.heads import write_head
from deca.training import coarse_stage, detail_stage
from deca.training.presets import PAPER

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
SMALLER = {
    "backbone": "small",
    "head": "head.npz",
    "batch_size": 2,
    "ring": 2,
    "image_size": 64,
    "workers": 0,
}
SMALLER |= {"photometric_size": 32, "checkpoint_every": 1, "pictures_every": 0}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_loss_is_explained():
    losses = PAGE.split("## Losses")[1].split("## ")[0]
    for name in (*coarse_stage.TERMS, *detail_stage.TERMS):
        assert f"`{name}`" in losses, name


def test_the_table_of_stages_is_that_of_the_preset():
    assert PAPER.pretrain.photometric == 0
    assert PAPER.coarse.shape_consistency == PAPER.detail.consistency == 1


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path, capsys):
    write_head(make_small_head(), tmp_path / "head.npz")
    write_faces(tmp_path / "photos", people=2, photos=2, truth=False)
    write_faces(tmp_path / "synthetic", people=2, photos=2, truth=True)
    for text in blocks("json"):
        settings = json.loads(text)
        length = {"steps": 1} if "steps" in settings else {"epochs": 0.5}
        (tmp_path / f"{settings['stage']}.json").write_text(json.dumps(settings | SMALLER | length))
    (commands,) = blocks("sh")
    for line in commands.splitlines():
        command = line.split("#")[0].replace("120000", "2").split()
        assert command[:2] == ["deca", "train"]
        status, said = run(*command[1:], folder=tmp_path), capsys.readouterr().err
        assert status == 0, said
        assert "is written" in said
    assert (tmp_path / "detail" / "checkpoints" / "step-00000002").is_dir()
    assert (tmp_path / "detail" / "weights.safetensors").is_file()
