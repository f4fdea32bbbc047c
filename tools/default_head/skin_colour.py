"""Colours of skin and hair from their pigments, by the Beer-Lambert law in linear red, green and blue."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Melanin absorbs as wavelength^-3.33 (Jacques 1998, Skin Optics); relative to red, at the three primaries'
# 610, 545 and 465 nm. Light that comes back from depth has met little of the strongest absorption, so the
# exponent acts softened.
WAVELENGTHS = np.array([610, 545, 465], np.float32)
MELANIN = (WAVELENGTHS / WAVELENGTHS[0]) ** -2.2
# Haemoglobin, three quarters oxygenated, absorbs in green and blue (Prahl's tables, softened likewise), as in
# the independent components that Tsumura et al. (2003) find in photographs of skin.
HAEMOGLOBIN = np.array([0.10, 0.55, 0.47], np.float32)
# Carotene and bilirubin absorb blue alone.
CAROTENE = np.array([0.0, 0.08, 0.45], np.float32)
# Bloodless, unpigmented dermis, and the light that the epidermis sends back before it has met its melanin.
DERMIS = np.array([0.90, 0.79, 0.69], np.float32)
EPIDERMIS = 0.022
# Hair: eumelanin takes all colours, pheomelanin leaves red; both from the reflectance of white hair.
WHITE_HAIR = np.array([0.48, 0.44, 0.39], np.float32)
EUMELANIN = np.array([1.0, 1.35, 1.85], np.float32)
PHEOMELANIN = np.array([0.25, 0.85, 1.65], np.float32)


def skin_reflectance(
    melanin: Float[np.ndarray, "*points"],
    haemoglobin: Float[np.ndarray, "*points"],
    carotene: Float[np.ndarray, "*points"],
) -> Float[np.ndarray, "*points 3"]:
    """Linear RGB of skin: 0.1 melanin is very light, 0.5 medium, 2 very dark; haemoglobin and carotene are
    about 0.5.

    Pigments multiply the light that reaches the dermis twice, and the epidermis adds a constant share
    (Jimenez et al. 2010 and Tsumura et al. 2003 use the same two pigments; this is their law without the
    measured tables).
    """
    density = melanin[..., None] * MELANIN + haemoglobin[..., None] * HAEMOGLOBIN
    density = density + carotene[..., None] * CAROTENE
    return EPIDERMIS + (1 - EPIDERMIS) * DERMIS * np.exp(-density)


def hair_reflectance(
    eumelanin: Float[np.ndarray, "*points"], pheomelanin: Float[np.ndarray, "*points"]
) -> Float[np.ndarray, "*points 3"]:
    """Linear RGB of hair: eumelanin 0 is white, 0.6 blond, 1.6 brown, 3 black; pheomelanin turns it red."""
    density = eumelanin[..., None] * EUMELANIN + pheomelanin[..., None] * PHEOMELANIN
    return 0.008 + WHITE_HAIR * np.exp(-density)


def encode(linear: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """sRGB-encoded values of linear RGB (IEC 61966-2-1)."""
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
