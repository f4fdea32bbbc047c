"""The three stages: their networks, the weights of their losses, and what each one trains."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from difflib import get_close_matches

import torch
from torch import nn

from deca.head.data import HeadData
from deca.io.asset_records import assets_folder, read_record
from deca.model.detail_view import VIEW_CROP
from deca.model.networks import IMAGE_SIZE, DecaNetworks, NetworkSizes
from deca.model.small_detail import DETAIL
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.training import coarse_stage, detail_stage
from deca.training.coarse_stage import CoarseStage
from deca.training.config import ConfigError, TrainConfig
from deca.training.detail_stage import DetailStage
from deca.training.identity import find_recognition
from deca.training.perceptual import (
    PAPER_LAYERS,
    RELEASED_LAYERS,
    NetworkFeatures,
    VGG19Features,
    read_vgg19,
)
from deca.training.presets import PRESETS
from deca.training.stage import Stage, TrainedNetworks, input_size

_EYES = 4
# Parts whose maps have a quarter and an eighth of the picture's size, as VGG-19's conv3 and conv4 have.
_RESNET_LAYERS = ("layer1", "layer2")
_SMALL_LAYERS = ("4", "5")


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
            return SmallNetworks(replace(sizes, detail=DETAIL))
        networks = DecaNetworks(sizes)
    _begin_at_rest(networks, sizes)
    return networks


def loss_weights(config: TrainConfig) -> dict[str, float]:
    """The weights of a stage's losses: the preset's, and in place of some the configuration's.

    ConfigError for a name that the stage does not have; it says the nearest one.
    """
    preset = PRESETS[config.preset]
    published = asdict(getattr(preset, config.stage))
    known = detail_stage.TERMS if config.stage == "detail" else coarse_stage.TERMS
    for name in config.losses:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"losses: stage {config.stage} has no loss {name!r}; {hint}")
    return published | config.losses


def make_stage(config: TrainConfig, networks: TrainedNetworks, data: HeadData) -> Stage:
    """The stage of a configuration, ready to be trained: what it does not train is frozen."""
    weights, released = loss_weights(config), PRESETS[config.preset].released
    made = (networks, data, weights, config.photometric_size, config.seed, released, config.draw_known)
    if config.stage == "detail":
        stage = DetailStage(*made, features=_features(config, networks) if weights["mrf"] else None)
    else:
        recognition = find_recognition(config.identity, released) if weights["identity"] else None
        stage = CoarseStage(*made, recognition=recognition)
    _freeze(networks, config.frozen)
    return stage


def crop_size(config: TrainConfig, networks: TrainedNetworks) -> int:
    """Pixels a side of the crops that a stage is to be given."""
    if config.image_size is not None:
        return config.image_size
    viewed = config.stage == "detail" and isinstance(networks, SmallNetworks)
    return VIEW_CROP if viewed else input_size(networks)


def _features(config: TrainConfig, networks: TrainedNetworks) -> VGG19Features | NetworkFeatures:
    """What ID-MRF compares: maps of VGG-19, or of the coarse encoder at a quarter and an eighth of its
    pictures."""
    layers = RELEASED_LAYERS if PRESETS[config.preset].released else PAPER_LAYERS
    if _has_vgg19(config):
        return read_vgg19(config.vgg19, layers)
    if isinstance(networks, SmallNetworks):
        backbone = networks.coarse_encoder.backbone
        first = (nn.ZeroPad2d((0, 1, 0, 1)), backbone.first, backbone.first_activation)
        mesh = nn.Sequential(*first, *backbone.face_mesh[: len(_SMALL_LAYERS) + 1])
        return NetworkFeatures(mesh, _SMALL_LAYERS, networks.image_size)
    return NetworkFeatures(networks.coarse_encoder.backbone, _RESNET_LAYERS, IMAGE_SIZE)


def _has_vgg19(config: TrainConfig) -> bool:
    return config.vgg19 is not None or read_record(assets_folder(), "vgg19") is not None


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
    if weights.get(coarse_stage.POINTS) and config.backbone != "small":
        found.append(f"the loss {coarse_stage.POINTS} is off: only the small backbone sees points itself")
    if weights.get("mrf") and not _has_vgg19(config):
        found.append(
            "ID-MRF compares features of the coarse encoder: there is no VGG-19; name its weights as vgg19, "
            "or `deca assets add` them"
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
