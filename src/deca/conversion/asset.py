"""The kinds of files that users own and this system understands, as named plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


class AssetError(ValueError):
    """A file is not what it should be; the message names the file, what was found and the remedy."""


@dataclass(frozen=True)
class Kind:
    """What a kind of file is and under which terms its owner got it."""

    description: str
    licence: str


_FLAME = "FLAME licence of the Max Planck Society (registration; see flame.is.tue.mpg.de)"
_BASEL = "Basel Face Model licence (non-commercial research)"
_DECA = "DECA licence of the Max Planck Society (non-commercial research)"

KINDS: Mapping[str, Kind] = {
    "flame": Kind("FLAME head model", _FLAME),
    "flame-landmarks": Kind("landmark embedding of FLAME", _DECA),
    "flame-template": Kind("FLAME's mesh with its UV layout", _DECA),
    "flame-masks": Kind("vertex masks of FLAME's regions", _FLAME),
    "albedo-bfm": Kind("Basel albedo in FLAME's UV layout", _BASEL),
    "albedo-flame": Kind("FLAME texture space", _FLAME),
    "mean-texture": Kind("mean face texture", _DECA),
    "uv-face-mask": Kind("mask of the face in UV", _DECA),
    "uv-face-eye-mask": Kind("mask of face and eyes in UV", _DECA),
    "fixed-displacement": Kind("fixed displacement map", _DECA),
    "dense-template": Kind("dense mesh of one vertex a texel", _DECA),
    "deca-weights": Kind("DECA's encoders and detail decoder", _DECA),
    "face-recognition": Kind(
        "ResNet-50 of face recognition, VGGFace2", "VGGFace2 model licence (CC BY-SA 4.0)"
    ),
    "vgg19": Kind("VGG-19 features, ImageNet", "BSD-3-Clause (torchvision)"),
    "head": Kind("head model in this system's format", "as its own file says"),
}


@dataclass(frozen=True)
class Asset:
    """One file's content after conversion: arrays under our names, in our units, frames and axis order.

    `name` is what users call it by; it is the kind, except for heads and for further FLAMEs. `details` are
    facts worth showing, such as FLAME's version.
    """

    name: str
    kind: str
    arrays: Mapping[str, np.ndarray]
    details: Mapping[str, str] = field(default_factory=dict)
