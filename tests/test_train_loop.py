from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_faces import training_config, write_faces

from deca.training import loop
from deca.training.checkpoints import CheckpointError, latest_checkpoint
from deca.training.config import AugmentationConfig, ConfigError, TrainConfig
from deca.training.divergence import DivergedError
from deca.training.loop import learning_rate, step_count, train
from deca.training.stage import LossTerm
from deca.training.tally import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("training")
    write_faces(path / "faces", people=4, photos=2, truth=True)
    return path


def config_in(folder: Path, out: Path, **changes) -> TrainConfig:
    return training_config(folder, out=str(out), image_size=64, **changes)


def run(config: TrainConfig, small_head) -> list[Progress]:
    told: list[Progress] = []
    outcome = train(config, small_head, told.append)
    assert outcome.finished
    return told


def final(out: Path) -> dict[str, torch.Tensor]:
    """Everything that the last checkpoint holds."""
    path = latest_checkpoint(out / "checkpoints")
    assert path is not None
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(path.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(tensor.equal(second[name]) for name, tensor in first.items())


class KilledError(Exception):
    pass


def test_a_run_that_was_killed_and_one_that_never_was_come_to_the_same_weights(folder, small_head, tmp_path):
    settings = {
        "steps": 5,
        "checkpoint_every": 2,
        "average": 0.9,
        "augmentation": AugmentationConfig(),
        "warm_up": 3,
    }
    never = run(config_in(folder, tmp_path / "never", **settings), small_head)

    def die(progress: Progress) -> None:
        if progress.step == 3:
            raise KilledError

    config = config_in(folder, tmp_path / "killed", **settings)
    with pytest.raises(KilledError):
        train(config, small_head, die)
    resumed = run(config, small_head)
    assert [progress.step for progress in resumed] == [3, 4, 5]
    assert [progress.loss for progress in resumed] == [progress.loss for progress in never[2:]]
    assert equal(final(tmp_path / "killed"), final(tmp_path / "never"))
    weights = load_file(tmp_path / "killed" / "weights.safetensors")
    # What one uses are the averaged weights, where they are kept.
    checkpoint = final(tmp_path / "never")
    name = "coarse_encoder.outputs.weight"
    assert weights[name].equal(checkpoint[f"average/{name}"])
    assert not weights[name].equal(checkpoint[f"weights/{name}"])
    assert weights.keys() == {
        key.removeprefix("weights/") for key in checkpoint if key.startswith("weights/")
    }


def test_a_run_that_is_asked_to_stop_writes_where_it_is(folder, small_head, tmp_path):
    config = config_in(folder, tmp_path / "out", steps=6, keep_checkpoints=1)
    told: list[Progress] = []
    outcome = train(config, small_head, told.append, lambda: len(told) == 2)
    assert (outcome.step, outcome.finished) == (3, False)
    assert not (tmp_path / "out" / "weights.safetensors").exists()
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-00000003"]
    run(config, small_head)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-00000006"]
    # Done is done: no step is taken again.
    assert run(config, small_head) == []


def test_losses_fall_and_are_drawn_as_curves(folder, small_head, tmp_path):
    config = config_in(
        folder, tmp_path / "out", steps=12, learning_rate=1e-3, log_every=4, pictures_every=8, batch_size=8
    )
    told = run(config, small_head)
    assert [progress.step for progress in told] == [4, 8, 12]
    assert told[-1].loss < 0.8 * told[0].loss
    assert told[0].faces == 32
    events = EventAccumulator(str(tmp_path / "out" / "curves"))
    events.Reload()
    curve = events.Scalars("loss")
    assert [point.step for point in curve] == [4, 8, 12]
    assert curve[0].value == pytest.approx(told[0].loss, rel=1e-5)
    assert {"learning_rate", "gradient", "terms/landmarks", "terms/true_points"} <= set(
        events.Tags()["scalars"]
    )
    assert [image.step for image in events.Images("faces")] == [1, 9]


def test_accumulated_parts_are_one_larger_batch(folder, small_head, tmp_path):
    settings = {"batch_size": 8, "steps": 3, "clip": 0.5, "shards": {str(folder / "faces"): 1.0}}
    whole = run(config_in(folder, tmp_path / "whole", **settings), small_head)
    parts = run(config_in(folder, tmp_path / "parts", accumulation=4, **settings), small_head)
    assert [p.loss for p in parts] == pytest.approx([p.loss for p in whole], rel=1e-5)
    assert [p.gradient for p in parts] == pytest.approx([p.gradient for p in whole], rel=1e-4)
    for name in whole[0].terms:
        assert parts[1].terms[name] == pytest.approx(whole[1].terms[name], rel=1e-4), name


SCRIPT = """
import json, sys
sys.path.insert(0, {tests!r})
import torch
from small_head import make_small_head
from deca.training.config import read_config
from deca.training.loop import train

torch.set_num_threads(1)
config = read_config(open(sys.argv[1]).read(), sys.argv[1])
losses = []
train(config, make_small_head(), lambda progress: losses.append(progress.loss))
if losses:
    open(sys.argv[2], "w").write(json.dumps(losses))
"""


@pytest.fixture(scope="module")
def coarse_weights(folder, small_head, tmp_path_factory) -> Path:
    """Weights for the detail stage to begin with."""
    out = tmp_path_factory.mktemp("coarse")
    run(config_in(folder, out, steps=1), small_head)
    return out / "weights.safetensors"


@pytest.mark.parametrize("stage", ["coarse", pytest.param("detail", marks=pytest.mark.slow)])
def test_two_processes_come_to_the_same_curve_as_one(folder, small_head, tmp_path, coarse_weights, stage):
    write_faces(tmp_path / "photos", people=3, photos=2, truth=False)
    # Terms are defined for some of the faces, of which the two processes do not have equally many.
    shards = {str(folder / "faces"): 1.0, str(tmp_path / "photos"): 2.0}
    # Adam makes whole steps of gradients that are nothing but rounding: they are to be small.
    settings = {"stage": stage, "steps": 3, "batch_size": 8, "shards": shards, "learning_rate": 1e-5}
    if stage == "detail":
        losses = {"true_displacement": 1.0, "mrf": 0.0}
        settings |= {"initial_weights": str(coarse_weights), "losses": losses, "batch_size": 4}
    one = run(config_in(folder, tmp_path / "one", **settings), small_head)
    config = config_in(folder, tmp_path / "two", devices=2, **settings)
    (tmp_path / "config.json").write_text(loop.config_text(config))
    (tmp_path / "script.py").write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    command = [sys.executable, "script.py", "config.json", "losses.json"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    losses = json.loads((tmp_path / "losses.json").read_text())
    assert losses == pytest.approx([progress.loss for progress in one], rel=1e-5)
    ours, theirs = final(tmp_path / "one"), final(tmp_path / "two")
    for name, tensor in ours.items():
        if name.startswith("weights/"):
            torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-4)


def test_a_detail_stage_that_was_stopped_goes_on_as_if_it_never_was(
    folder, small_head, tmp_path, coarse_weights
):
    settings = {"stage": "detail", "initial_weights": str(coarse_weights), "losses": {"mrf": 0.0}, "steps": 2}
    never = run(config_in(folder, tmp_path / "never", **settings), small_head)
    config = config_in(folder, tmp_path / "stopped", **settings)
    assert not train(config, small_head, stop=lambda: True).finished
    assert run(config, small_head)[-1].loss == never[-1].loss
    assert equal(final(tmp_path / "stopped"), final(tmp_path / "never"))
    before, after = load_file(coarse_weights), final(tmp_path / "never")
    learnt = "detail_encoder.output.weight"
    assert not after[f"weights/{learnt}"].equal(before[learnt])
    coarse = [name for name in before if name.startswith("coarse_encoder")]
    assert all(after[f"weights/{name}"].equal(before[name]) for name in coarse)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_face(
    folder, small_head, tmp_path, monkeypatch
):
    config = config_in(folder, tmp_path / "out", steps=6, checkpoint_every=2)
    stages = loop.make_stage

    def spoilt(config, networks, data):
        stage = stages(config, networks, data)
        losses = stage.losses

        def spoil(batch, step):
            terms = losses(batch, step)
            if step < 3:
                return terms
            term = terms["eyes"]
            row = torch.arange(len(batch)) == 2
            return terms | {"eyes": LossTerm(torch.where(row, torch.nan, 1) * term.values, term.defined)}

        stage.losses = spoil
        return stage

    monkeypatch.setattr(loop, "make_stage", spoilt)
    with pytest.raises(
        DivergedError, match=r"step 3: loss not finite: eyes of \S*/faces/face-\d+; .*step-00000002 is"
    ):
        train(config, small_head)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-00000002"]


def test_a_gradient_that_is_not_finite_is_traced_to_its_face(folder, small_head, tmp_path, monkeypatch):
    stages = loop.make_stage

    def spoilt(config, networks, data):
        stage = stages(config, networks, data)
        losses = stage.losses

        def spoil(batch, step):
            terms = losses(batch, step)
            term = terms["eyes"]
            bad = torch.tensor([name.endswith("face-101") for name in batch.names])
            if bad.any():
                # The root of zero: finite, with no derivative.
                root = (term.values - term.values.detach()).sqrt()
                term = LossTerm(torch.where(bad, root, term.values), term.defined)
            return terms | {"eyes": term}

        stage.losses = spoil
        return stage

    monkeypatch.setattr(loop, "make_stage", spoilt)
    with pytest.raises(
        DivergedError, match=r"step \d: gradient not finite: eyes of \S*/faces/face-101; there is no"
    ):
        train(config_in(folder, tmp_path / "out", ring=1, batch_size=2), small_head)


def test_another_configuration_is_refused_with_what_differs(folder, small_head, tmp_path):
    config = config_in(folder, tmp_path / "out", steps=1)
    run(config, small_head)
    with pytest.raises(ConfigError, match=r"learning_rate was 0.0001, is 0.01; .*choose another folder"):
        train(replace(config, learning_rate=0.01), small_head)
    # What changes no weight may change, and a constant learning rate lets a training go on longer.
    told = run(replace(config, steps=2, checkpoint_every=5), small_head)
    assert [progress.step for progress in told] == [2]
    with pytest.raises(ConfigError, match="beyond step 1"):
        train(config, small_head)


def test_a_damaged_checkpoint_is_named(folder, small_head, tmp_path):
    config = config_in(folder, tmp_path / "out", steps=1)
    run(config, small_head)
    path = tmp_path / "out" / "checkpoints" / "step-00000001"
    (path / "optimiser.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"step-00000001: damaged .* remove this folder"):
        train(replace(config, steps=2), small_head)


def test_a_training_begins_with_the_weights_of_another(folder, small_head, tmp_path):
    run(config_in(folder, tmp_path / "first", steps=2), small_head)
    weights = tmp_path / "first" / "weights.safetensors"
    config = config_in(
        folder, tmp_path / "second", steps=1, initial_weights=str(weights), learning_rate=1e-12
    )
    run(config, small_head)
    before, after = load_file(weights), load_file(tmp_path / "second" / "weights.safetensors")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor)
    with pytest.raises(CheckpointError, match="no readable weights"):
        train(config_in(folder, tmp_path / "third", initial_weights="nowhere.safetensors"), small_head)


def test_bf16_comes_near_the_same_losses(folder, small_head, tmp_path):
    whole = run(config_in(folder, tmp_path / "f32", steps=2), small_head)
    half = run(config_in(folder, tmp_path / "bf16", steps=2, precision="bf16"), small_head)
    assert half[0].loss != whole[0].loss
    assert half[0].loss == pytest.approx(whole[0].loss, rel=0.05)


def test_learning_rates_rise_and_fall():
    config = TrainConfig(learning_rate=1.0, warm_up=4)
    assert [learning_rate(config, step, 100) for step in (0, 1, 3, 4, 99)] == pytest.approx(
        [0.2, 0.4, 0.8, 1, 1]
    )
    falling = replace(config, schedule="cosine", warm_up=0)
    assert [learning_rate(falling, step, 100) for step in (0, 50)] == pytest.approx([1.0, 0.5])
    assert learning_rate(falling, 99, 100) < 0.001


def test_epochs_are_counted_in_faces():
    assert step_count(TrainConfig(epochs=1.5, batch_size=10), [80, 25]) == 16
    assert step_count(TrainConfig(steps=7), [80]) == 7
