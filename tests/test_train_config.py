from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deca.training.config import (
    AugmentationConfig,
    ConfigError,
    TrainConfig,
    config_text,
    differences,
    read_config,
)

CONFIG = TrainConfig(
    shards={"a": 1.0, "b": 2.5},
    steps=10,
    losses={"landmarks": 3.0},
    augmentation=AugmentationConfig(flip=0.25),
    initial_weights="weights.safetensors",
)


def test_a_configuration_survives_its_file():
    assert read_config(config_text(CONFIG), "here") == CONFIG


def test_what_is_not_given_takes_its_default():
    found = read_config('{"steps": 3, "augmentation": {"flip": 0}}', "here")
    assert found == TrainConfig(steps=3, augmentation=AugmentationConfig(flip=0.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"batch_sise": 3}', "here: unknown setting 'batch_sise'; did you mean 'batch_size'?"),
        (
            '{"augmentation": {"flop": 1}}',
            "unknown setting 'augmentation.flop'; did you mean 'augmentation.flip'",
        ),
        ('{"qqq": 3}', "known are .*seed"),
        ('{"stage": "fine"}', 'stage must be "pretrain" or "coarse" or "detail", found "fine"'),
        ('{"steps": 1.5}', "steps must be a whole number, found 1.5"),
        ('{"steps": true}', "steps must be a whole number, found true"),
        ('{"hold_back": 1}', "hold_back must be true or false, found 1"),
        ('{"out": 1}', "out must be a text"),
        ('{"learning_rate": "fast"}', 'learning_rate must be a number, found "fast"'),
        ('{"losses": {"eyes": "many"}}', r"losses\['eyes'\] must be a number"),
        ('{"losses": 1}', "losses must be an object of numbers"),
        ('{"augmentation": 1}', "augmentation must be an object"),
        ("[]", "must be an object"),
        ("{", "not JSON"),
    ],
)
def test_what_cannot_be_understood_is_named(text, said):
    with pytest.raises(ConfigError, match=said):
        read_config(text, "here")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shards": {}}, "no shards"),
        ({"shards": {"a": 0.0}}, "shards must be"),
        ({"steps": None}, "either steps or epochs"),
        ({"epochs": 1.0}, "either steps or epochs"),
        ({"steps": 0}, "steps must be above 0"),
        ({"batch_size": 30}, "multiple of 4"),
        ({"devices": 3}, "multiple of 12"),
        ({"clip": 0.0}, "clip must be above 0, or null"),
        ({"average": 1.0}, "average must be between 0 and 1"),
        ({"augmentation": AugmentationConfig(scale_least=2.0)}, "scale_least"),
        ({"augmentation": AugmentationConfig(flip=2.0)}, "augmentation.flip must be a chance"),
        ({"augmentation": AugmentationConfig(gain=-1.0)}, "augmentation.gain must be at least 0"),
        ({"losses": {"eyes": float("nan")}}, "finite"),
    ],
)
def test_what_cannot_be_trained_is_named(changes, said):
    with pytest.raises(ConfigError, match=said):
        replace(CONFIG, **changes).complete()


def test_the_detail_stage_begins_with_a_coarse_encoder():
    with pytest.raises(ConfigError, match="needs initial_weights"):
        replace(CONFIG, stage="detail", initial_weights=None).complete()


@pytest.mark.parametrize(
    ("stage", "faces", "ring"), [("pretrain", 64, 1), ("coarse", 32, 4), ("detail", 6, 3)]
)
def test_published_sizes_are_filled_in(stage, faces, ring):
    complete = replace(CONFIG, stage=stage).complete()
    assert (complete.batch_size, complete.ring) == (faces, ring)
    assert replace(CONFIG, stage=stage, batch_size=24, ring=2).complete().batch_size == 24


def test_only_what_moves_weights_makes_a_training_another():
    other = replace(CONFIG, out="elsewhere", workers=3, checkpoint_every=7, steps=20)
    assert differences(CONFIG, other) == {}
    falling = replace(CONFIG, schedule="cosine")
    assert differences(falling, replace(falling, steps=20)) == {"steps": (10, 20)}
    assert differences(CONFIG, replace(CONFIG, augmentation=AugmentationConfig(flip=0.5), seed=1)) == {
        "augmentation.flip": (0.25, 0.5),
        "seed": (0, 1),
    }
    assert differences(CONFIG, replace(CONFIG, losses={})) == {"losses.landmarks": (3.0, None)}


def test_the_file_holds_every_setting():
    assert {"stage", "shards", "augmentation", "pictures_every"} <= set(json.loads(config_text(CONFIG)))
