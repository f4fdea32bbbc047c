"""The kinds of files that users own and this system understands, as named plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


class AssetError(ValueError):
    """A file is not what it should be; the message names the file, what was found and the remedy."""


class UnknownAssetError(AssetError):
    """A file is of no kind that is known here; among many files it is passed over."""


@dataclass(frozen=True)
class Kind:
    """What a kind of file is, under which terms its owner got it, and under which name it is published."""

    description: str
    licence: str
    file: str


_FLAME = "FLAME licence of the Max Planck Society (registration; see flame.is.tue.mpg.de)"
_BASEL = "Basel Face Model licence (non-commercial research)"
_DECA = "DECA licence of the Max Planck Society (non-commercial research)"

KINDS: Mapping[str, Kind] = {
    "flame": Kind("FLAME head model", _FLAME, "generic_model.pkl"),
    "flame-landmarks": Kind("landmark embedding of FLAME", _DECA, "landmark_embedding.npy"),
    "flame-template": Kind("FLAME's mesh with its UV layout", _DECA, "head_template.obj"),
    "flame-masks": Kind("vertex masks of FLAME's regions", _FLAME, "FLAME_masks.pkl"),
    "albedo-bfm": Kind("Basel albedo in FLAME's UV layout", _BASEL, "FLAME_albedo_from_BFM.npz"),
    "albedo-flame": Kind("FLAME texture space", _FLAME, "FLAME_texture.npz"),
    "mean-texture": Kind("mean face texture", _DECA, "mean_texture.jpg"),
    "uv-face-mask": Kind("mask of the face in UV", _DECA, "uv_face_mask.png"),
    "uv-face-eye-mask": Kind("mask of face and eyes in UV", _DECA, "uv_face_eye_mask.png"),
    "fixed-displacement": Kind("fixed displacement map", _DECA, "fixed_displacement_256.npy"),
    "dense-template": Kind("dense mesh of one vertex a texel", _DECA, "texture_data_256.npy"),
    "deca-weights": Kind("DECA's encoders and detail decoder", _DECA, "deca_model.tar"),
    "face-recognition": Kind(
        "ResNet-50 of face recognition, VGGFace2",
        "VGGFace2 model licence (CC BY-SA 4.0)",
        "resnet50_ft_weight.pkl",
    ),
    "vgg19": Kind("VGG-19 features, ImageNet", "BSD-3-Clause (torchvision)", "vgg19.pth"),
    "head": Kind("head model in this system's format", "as its own file says", "a head's npz"),
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
