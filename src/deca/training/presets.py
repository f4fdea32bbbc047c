"""Weights of the losses in the three stages, as the paper and as the released code have them.

A stage's loss is the mean over the batch of the weighted sum of its losses, each one value a face. What the
released code sums over a batch therefore carries here the published number of faces in one; every face is
there twice, once with another photo's shape or detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CoarseWeights:
    """Weights of `deca.training.losses`; a loss of weight zero need not be computed."""

    landmarks: float = 1.0
    """Distance of the landmarks."""
    eyes: float = 1.0
    """How far the eyes are closed."""
    lips: float = 0.0
    """How far the lips are closed; not in the paper."""
    photometric: float = 2.0
    """Difference of rendering and photo on the skin."""
    identity: float = 0.2
    """Difference of rendering and photo as a face-recognition network sees them; off where there is none."""
    shape_consistency: float = 1.0
    """All of the above once more, with the shape that another photo of the person gave."""
    shape: float = 1e-4
    """Size of the shape coefficients."""
    expression: float = 1e-4
    """Size of the expression coefficients."""
    albedo: float = 1e-4
    """Size of the albedo coefficients."""
    lighting: float = 0.0
    """Distance of the light from grey; not in the paper."""


@dataclass(frozen=True)
class DetailWeights:
    """Weights of `deca.training.detail_losses` and `deca.training.mrf`."""

    photometric: float = 2.0
    """Difference of detailed rendering and photo on the skin."""
    mrf: float = 0.05
    """Difference of their structure, ID-MRF."""
    symmetry: float = 0.005
    """Difference of the displacement's two sides."""
    consistency: float = 1.0
    """All of the above once more, with the detail code that another photo of the person gave."""
    size: float = 0.005
    """Size of the displacement."""
    roughness: float = 0.0
    """Roughness of the light on the detail; not in the paper."""


@dataclass(frozen=True)
class LossPreset:
    """The weights of all stages, and whether the losses have the released code's forms."""

    pretrain: CoarseWeights
    coarse: CoarseWeights
    detail: DetailWeights
    released: bool


# The paper weighs landmarks by 1e-4 in pretraining and by 1 thereafter, without units. A sum over 68 points
# in pixels of a crop of 224 makes the first 1.5 of the means here, which fits the second.
_PIXELS_SUMMED = 68 * 2 * 224 / 2
# Faces in a batch, each there twice.
_COARSE_ROWS, _DETAIL_ROWS = 32 * 2, 6 * 2

PAPER = LossPreset(
    pretrain=CoarseWeights(
        landmarks=1e-4 * _PIXELS_SUMMED, photometric=0.0, identity=0.0, shape_consistency=0.0, albedo=0.0
    ),
    coarse=CoarseWeights(),
    detail=DetailWeights(),
    released=False,
)
_RELEASED_COARSE = CoarseWeights(
    lips=0.5,
    shape=1e-4 * _COARSE_ROWS,
    expression=1e-4 * _COARSE_ROWS,
    albedo=1e-4 * _COARSE_ROWS,
    lighting=1.0,
)
RELEASED = LossPreset(
    # Without what needs a rendering: there the batch is not doubled, but has twice as many photos.
    pretrain=CoarseWeights(
        lips=0.5,
        photometric=0.0,
        identity=0.0,
        shape_consistency=0.0,
        shape=1e-4 * _COARSE_ROWS,
        expression=1e-4 * _COARSE_ROWS,
        albedo=0.0,
    ),
    coarse=_RELEASED_COARSE,
    detail=DetailWeights(mrf=0.05 * _DETAIL_ROWS, symmetry=0.005 * _DETAIL_ROWS, size=0.005, roughness=0.005),
    released=True,
)
PRESETS: Mapping[str, LossPreset] = {"paper": PAPER, "released-code": RELEASED}
