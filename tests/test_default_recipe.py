"""The recipe of the weights that ship: its configurations are ones that `deca train` takes."""

from __future__ import annotations

import json

import pytest
import train_default

from deca.training.ablations import ABLATIONS
from deca.training.config import read_config
from deca.training.stages import loss_weights


@pytest.mark.parametrize("stage", ["coarse", "detail"])
def test_trainings_leave_out_the_people_held_back_and_know_their_losses(tmp_path, stage):
    path = train_default.write_config(stage, tmp_path)
    config = read_config(path.read_text(), str(path))
    assert config.hold_back
    assert config.backbone == "small"
    assert str(config.out) == str(tmp_path / stage)
    assert all(str(folder).startswith(str(tmp_path)) for folder in config.shards)
    assert set(config.losses) <= set(loss_weights(config))


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
def test_an_ablation_differs_by_one_loss_and_its_folder(tmp_path, ablation):
    whole = json.loads(train_default.write_config(ablation.stage, tmp_path).read_text())
    path = train_default.write_config(ablation.stage, tmp_path, ablation)
    lacking = json.loads(path.read_text())
    assert lacking["losses"].pop(ablation.loss) == 0
    assert whole["losses"].pop(ablation.loss) > 0
    assert lacking.pop("out") == str(tmp_path / ablation.name)
    whole.pop("out")
    assert lacking == whole
