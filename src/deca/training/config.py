"""What a training can be asked for: frozen dataclasses, read from JSON and written back, every key
checked."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Stage = Literal["pretrain", "coarse", "detail"]
Preset = Literal["paper", "released-code"]
Backbone = Literal["resnet50", "small"]

Config = TypeVar("Config")

# Faces a step and photos a person, as published (method of DECA, section 5).
_PUBLISHED_FACES: Mapping[Stage, int] = {"pretrain": 64, "coarse": 32, "detail": 6}
_PUBLISHED_RING: Mapping[Stage, int] = {"pretrain": 1, "coarse": 4, "detail": 3}


class ConfigError(ValueError):
    """A configuration is not what it should be; the message names the key, what was found, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How the crop of a face and its picture are varied; chances are those of one face, or of one ring."""

    scale_least: float = 1.25
    """Side of the crop, least, over 1.1 times the landmarks' box; inference uses 1.25, published training
    1.4."""
    scale_most: float = 1.8
    """The same, most."""
    shift: float = 0.1
    """The crop's centre moves by up to this part of 1.1 times the box, along each axis."""
    flip: float = 0.5
    """Chance that a ring is mirrored, all its photos at once; never one of known truth, whose shape has no
    mirror."""
    gain: float = 0.25
    """Each colour is multiplied by up to 1 + this, or divided; the light of a known truth follows."""
    colour: float = 0.08
    """The same, for each colour on its own."""
    gamma: float = 0.25
    """Exponent of the picture, up to 1 + this, or one over it; not where truth is known."""
    grey: float = 0.05
    """Chance of a picture without colour, from which no skin colour is learnt; not where truth is known."""
    blur: float = 0.2
    """Chance of a blur, of a standard deviation up to 1 % of the crop."""
    noise: float = 0.2
    """Chance of noise of each pixel, of a standard deviation up to 0.05."""
    jpeg: float = 0.2
    """Chance of JPEG artefacts, of a quality from 25 to 90."""
    occluder: float = 0.25
    """Chance of a patch over the face, which is taken off the skin."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training: a stage, the faces it sees, what it minimises, and for how long."""

    stage: Stage = "coarse"
    """pretrain and coarse train the coarse encoder; detail the detail encoder and decoder."""
    shards: dict[str, float] = field(default_factory=dict)
    """Folders of shards (`deca prepare`), each with its part of the batches; parts need not sum to one."""
    hold_back: bool = False
    """Leave out the people on whom the default weights are measured (one in five, by name)."""
    out: str = "training"
    """Folder for checkpoints, curves, this configuration and, at the end, the weights."""
    initial_weights: str | None = None
    """Weights to begin with (.safetensors): all networks, or some of them whole. None: at random."""
    frozen: str | None = None
    """Regular expression: tensors whose names begin with it stay as the initial weights have them."""
    head: str | None = None
    """A stored head (`deca assets list`) or a head file (.npz) in place of the default head."""
    backbone: Backbone = "resnet50"
    """ResNet-50 at 224 pixels as published, or a small one at 192 for processors."""
    seed: int = 0
    """Order, augmentation and first weights follow from this number."""

    steps: int | None = None
    """Steps of the optimiser; give these or epochs."""
    epochs: float | None = None
    """Times that as many faces as the folders hold are seen; published: 2 (pretrain), 1.5 (coarse)."""
    batch_size: int | None = None
    """Faces a step, over all devices. None: as published, 64 (pretrain), 32 (coarse), 6 (detail)."""
    ring: int | None = None
    """Photos of one person side by side. None: as published, 1 (pretrain), 4 (coarse), 3 (detail)."""
    accumulation: int = 1
    """Parts that the faces of a step are worked on in, one after the other, where memory is short."""

    learning_rate: float = 1e-4
    """Of Adam, as published."""
    schedule: Literal["constant", "cosine"] = "constant"
    """The learning rate stays (as published), or falls to zero along half a cosine."""
    warm_up: int = 0
    """Steps over which the learning rate first rises in a line."""
    weight_decay: float = 0.0
    """Decoupled from the gradient (AdamW)."""
    clip: float | None = None
    """Largest norm of the gradient; a larger one is shortened to it."""
    average: float | None = None
    """Decay of an exponential moving average of the weights, such as 0.999, which is kept beside them."""

    preset: Preset = "paper"
    """Weights of the losses: as in the paper, or as in the released code."""
    losses: dict[str, float] = field(default_factory=dict)
    """Weights of single losses in place of the preset's; 0 leaves one out. docs/training.md lists them."""
    image_size: int | None = None
    """Pixels a side of the crops that are made. None: as many as the networks are given in use."""
    photometric_size: int = 224
    """Pixels a side at which faces are drawn and compared."""
    draw_known: bool = True
    """Compare pictures of faces whose truth is known, too, and not only their truth."""
    identity: str | None = None
    """Face-recognition network of the identity loss: VGGFace2's weights or an ONNX file. None: the stored
    asset `face-recognition`, and without it the loss is off."""
    vgg19: str | None = None
    """Weights of VGG-19 (torchvision's vgg19.pth), whose features ID-MRF compares. None: the stored asset
    `vgg19`, and without it the features of the coarse encoder that the detail stage begins with."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """How pictures are varied."""

    precision: Literal["f32", "bf16"] = "f32"
    """Numbers in the networks' layers; heads, pictures and losses are always f32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Graphics processors where there are any, or as said."""
    devices: int = 1
    """How many, each with its part of a step's faces; on a CPU, processes."""
    workers: int = 1
    """Processes a device that read and vary faces; 0: the training itself does. Changes no result."""

    checkpoint_every: int = 1000
    """Steps between checkpoints; one more at the end, and at Ctrl-C."""
    keep_checkpoints: int = 2
    """The latest so many are kept."""
    log_every: int = 20
    """Steps between points of the curves, each the mean of its steps."""
    pictures_every: int = 1000
    """Steps between pictures in TensorBoard; 0: none."""

    def complete(self) -> TrainConfig:
        """With what the stage prescribes filled in; raises ConfigError where nothing can be trained like
        this."""
        config = replace(
            self,
            batch_size=self.batch_size or _PUBLISHED_FACES[self.stage],
            ring=self.ring or _PUBLISHED_RING[self.stage],
        )
        _check(config)
        return config

    @property
    def faces(self) -> int:
        """Faces a step."""
        return self.batch_size or _PUBLISHED_FACES[self.stage]

    @property
    def photos_a_person(self) -> int:
        """Photos of one person side by side."""
        return self.ring or _PUBLISHED_RING[self.stage]


# What may be changed when a training goes on: nothing of it moves a weight by more than its last digits.
_FREE = frozenset(
    {
        "out",
        "device",
        "devices",
        "workers",
        "checkpoint_every",
        "keep_checkpoints",
        "log_every",
        "pictures_every",
    }
)


def differences(config: TrainConfig, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """The settings by which two trainings would come to other weights, nested ones as `augmentation.flip`.

    How long one takes is none of them, unless its learning rate depends on it.
    """
    free = _FREE | ({"steps", "epochs"} if config.schedule == other.schedule == "constant" else set())
    ours, theirs = _flat(asdict(config)), _flat(asdict(other))
    keys = sorted((set(ours) | set(theirs)) - free)
    return {key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)}


def read_config(text: str, where: str) -> TrainConfig:
    """A configuration from JSON; what is not given takes its default.

    Raises ConfigError, which says `where` and names the key, for one that is unknown or of another kind.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON ({error})") from None
    return _built(TrainConfig, values, where, "")


def config_text(config: TrainConfig) -> str:
    """The JSON that `read_config` reads, every setting in it."""
    return json.dumps(asdict(config), indent=2) + "\n"


def _built(kind: type[Config], values: Any, where: str, prefix: str) -> Config:
    assert dataclasses.is_dataclass(kind)
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {prefix.removesuffix('.') or 'the file'} must be an object of settings")
    hints = get_type_hints(kind)
    known = [entry.name for entry in fields(kind)]
    found = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown setting {prefix + key!r}{_nearest(key, known, prefix)}")
        if dataclasses.is_dataclass(hints[key]):
            found[key] = _built(hints[key], value, where, f"{prefix}{key}.")  # pyright: ignore[reportArgumentType]
        else:
            found[key] = _checked(value, hints[key], f"{where}: {prefix}{key}")
    return kind(**found)


def _nearest(key: str, known: list[str], prefix: str) -> str:
    near = get_close_matches(key, known, 1)
    return f"; did you mean {prefix + near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"


def _checked(value: Any, hint: Any, where: str) -> Any:
    """The value, where it is of the kind that is asked for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return _checked(value, hint, where)
    if origin is Literal:
        if value not in arguments:
            allowed = " or ".join(json.dumps(argument) for argument in arguments)
            raise ConfigError(f"{where} must be {allowed}, found {json.dumps(value)}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be an object of numbers, found {json.dumps(value)}")
        return {key: _checked(entry, arguments[1], f"{where}[{key!r}]") for key, entry in value.items()}
    if hint is bool and isinstance(value, bool):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number:
        return float(value)
    if (hint is int and number and value == int(value)) or (hint is str and isinstance(value, str)):
        return hint(value)
    wanted = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}[hint]
    raise ConfigError(f"{where} must be {wanted}, found {json.dumps(value)}")


def _check(config: TrainConfig) -> None:
    def need(holds: bool, key: str, wanted: str) -> None:
        if not holds:
            raise ConfigError(f"{key} must be {wanted}, found {getattr(config, key.split('.')[0])}")

    if not config.shards:
        raise ConfigError("no shards given; name folders that `deca prepare` made")
    need(all(part > 0 for part in config.shards.values()), "shards", "folders with a part above 0 each")
    if (config.steps is None) == (config.epochs is None):
        raise ConfigError("give either steps or epochs")
    need((config.steps or config.epochs or 0) > 0, "steps" if config.epochs is None else "epochs", "above 0")
    for key in ("accumulation", "devices", "checkpoint_every", "keep_checkpoints", "log_every", "ring"):
        need(getattr(config, key) >= 1, key, "at least 1")
    for key in ("workers", "warm_up", "pictures_every", "weight_decay"):
        need(getattr(config, key) >= 0, key, "at least 0")
    if config.stage == "detail" and config.initial_weights is None:
        raise ConfigError("the detail stage needs initial_weights: those of a trained coarse encoder")
    need(config.learning_rate > 0, "learning_rate", "above 0")
    need(config.clip is None or config.clip > 0, "clip", "above 0, or null")
    need(config.average is None or 0 < config.average < 1, "average", "between 0 and 1, or null")
    need(config.photometric_size >= 8, "photometric_size", "at least 8")
    need(config.image_size is None or config.image_size >= 8, "image_size", "at least 8, or null")
    need(all(map(math.isfinite, config.losses.values())), "losses", "finite weights")
    varied = config.augmentation
    if not 0 < varied.scale_least <= varied.scale_most:
        raise ConfigError("augmentation.scale_least must be above 0 and at most augmentation.scale_most")
    for key in ("flip", "grey", "blur", "noise", "jpeg", "occluder"):
        if not 0 <= getattr(varied, key) <= 1:
            raise ConfigError(
                f"augmentation.{key} must be a chance from 0 to 1, found {getattr(varied, key)}"
            )
    for key in ("shift", "gain", "colour", "gamma"):
        if getattr(varied, key) < 0:
            raise ConfigError(f"augmentation.{key} must be at least 0, found {getattr(varied, key)}")
    parts = config.devices * config.accumulation * config.photos_a_person
    if config.faces % parts:
        raise ConfigError(
            f"batch_size {config.faces} cannot be shared by {config.devices} device(s) x "
            f"{config.accumulation} accumulated part(s) in rings of {config.photos_a_person}; make it a "
            f"multiple of {parts}"
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
