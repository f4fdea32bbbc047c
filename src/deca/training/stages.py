"""The three stages: their networks, the weights of their losses, and what each one trains."""

from __future__ import annotations

import re
from dataclasses import asdict
from difflib import get_close_matches

import torch

from deca.head.data import HeadData
from deca.model.networks import DecaNetworks, NetworkSizes
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.training import coarse_stage
from deca.training.coarse_stage import CoarseStage
from deca.training.config import ConfigError, TrainConfig
from deca.training.identity import find_recognition
from deca.training.presets import PRESETS
from deca.training.stage import Stage, TrainedNetworks

_EYES = 4


def make_networks(config: TrainConfig, data: HeadData) -> TrainedNetworks:
    """Networks for a head at random first weights, which follow from the seed; they begin near the mean
    face."""
    shape, expression, albedo = (
        len(basis) for basis in (data.shape_basis, data.expression_basis, data.albedo_basis)
    )
    # Of heads without facial actions the eyes stay at rest, as published.
    sizes = NetworkSizes(shape, albedo, expression, eyes=_EYES if data.has_actions else 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.backbone == "small":
            return SmallNetworks(sizes)
        networks = DecaNetworks(sizes)
    _begin_at_rest(networks, sizes)
    return networks


def loss_weights(config: TrainConfig) -> dict[str, float]:
    """The weights of a stage's losses: the preset's, and in place of some the configuration's.

    ConfigError for a name that the stage does not have; it says the nearest one.
    """
    preset = PRESETS[config.preset]
    published = asdict(getattr(preset, config.stage))
    known = coarse_stage.TERMS
    for name in config.losses:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"losses: stage {config.stage} has no loss {name!r}; {hint}")
    return published | config.losses


def make_stage(config: TrainConfig, networks: TrainedNetworks, data: HeadData) -> Stage:
    """The stage of a configuration, ready to be trained: what it does not train is frozen."""
    weights, released = loss_weights(config), PRESETS[config.preset].released
    stage = CoarseStage(
        networks,
        data,
        weights,
        config.photometric_size,
        config.seed,
        released,
        config.draw_known,
        find_recognition(config.identity, released) if weights["identity"] else None,
    )
    _freeze(networks, config.frozen)
    return stage


def _freeze(networks: TrainedNetworks, pattern: str | None) -> None:
    """Let tensors whose names begin with the pattern be as they are; ConfigError where it fits none."""
    if pattern is None:
        return
    try:
        chosen = [values for name, values in networks.named_parameters() if re.match(pattern, name)]
    except re.error as error:
        raise ConfigError(f"frozen: {pattern!r} is no regular expression ({error})") from None
    if not chosen:
        raise ConfigError(
            f"frozen: no tensor's name begins with {pattern!r}; they are those of weights.safetensors"
        )
    for values in chosen:
        values.requires_grad_(False)


def silent_losses(config: TrainConfig) -> list[str]:
    """Losses that have a weight but cannot be computed with what is here, each as a sentence."""
    found = []
    weights, released = loss_weights(config), PRESETS[config.preset].released
    if weights.get("identity") and find_recognition(config.identity, released) is None:
        found.append(
            "the identity loss is off: there is no face-recognition network; name one as identity, or "
            "`deca assets add` one"
        )
    return found


def _begin_at_rest(networks: DecaNetworks, sizes: NetworkSizes) -> None:
    """Let the coarse encoder's first outputs be those of a neutral face, nearly."""
    rest = Parameters.neutral(shape=sizes.shape, expression=sizes.expression, albedo=sizes.albedo)
    outputs = networks.coarse_encoder.outputs
    values = [
        rest.shape,
        rest.albedo,
        rest.expression,
        rest.pose,
        rest.jaw,
        rest.camera,
        rest.lighting.flatten(1),
    ]
    values.append(torch.zeros(1, sizes.eyes))
    with torch.no_grad():
        outputs.weight *= 0.01
        outputs.bias.copy_(torch.cat(values, 1)[0])
