"""Weights of the losses in the three stages, as the paper and as the released code have them.

A stage's loss is the mean over the batch of the weighted sum of its losses, each one value a face.
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
# Photos in a batch, as published.
_COARSE_BATCH, _DETAIL_BATCH = 32, 6

PAPER = LossPreset(
    pretrain=CoarseWeights(
        landmarks=1e-4 * _PIXELS_SUMMED, photometric=0.0, identity=0.0, shape_consistency=0.0, albedo=0.0
    ),
    coarse=CoarseWeights(),
    detail=DetailWeights(),
    released=False,
)


def released_preset(coarse_batch: int = _COARSE_BATCH, detail_batch: int = _DETAIL_BATCH) -> LossPreset:
    """What the released code adds up for batches of so many photos, by default as published.

    It doubles the batch, once with the shapes or details exchanged, and takes means over all of it where the
    paper adds the two: hence the halves. Regularisers of the coarse codes, ID-MRF and symmetry it sums over
    the batch. It weighs ID-MRF by the photometric weight too: 0.1, not 0.05.
    """
    size = 1e-4 * 2 * coarse_batch
    return LossPreset(
        # What needs no rendering, on a batch that is not doubled but has twice as many photos.
        pretrain=CoarseWeights(
            lips=0.5,
            photometric=0.0,
            identity=0.0,
            shape_consistency=0.0,
            shape=size,
            expression=size,
            albedo=0.0,
        ),
        coarse=CoarseWeights(
            landmarks=1.0 / 2,
            eyes=1.0 / 2,
            lips=0.5 / 2,
            photometric=2.0 / 2,
            identity=0.2 / 2,
            shape=size,
            expression=size,
            albedo=size,
            lighting=1.0,
        ),
        detail=DetailWeights(
            photometric=2.0 / 2,
            mrf=2.0 * 0.05 * detail_batch,
            symmetry=0.005 * detail_batch,
            size=0.005 / 2,
            roughness=0.005 / 2,
        ),
        released=True,
    )


RELEASED = released_preset()
PRESETS: Mapping[str, LossPreset] = {"paper": PAPER, "released-code": RELEASED}
