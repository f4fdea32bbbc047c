"""Oriented band-pass filters of a map: where it has lines, how strong, which way, dark or bright."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from jaxtyping import Complex, Float

# Ratio of the deviation to the centre of a log-Gabor filter's frequencies: about one octave wide.
_BANDWIDTH = 0.70
# Deviation of a filter's orientations, in steps between orientations: neighbours overlap and add up evenly.
_SPREAD = 0.85
# A band is kept at a reduced size as long as a wave has this many texels there.
_TEXELS_PER_WAVE = 3.4

Map = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class Band:
    """What a map holds around one wavelength, split by orientation.

    The responses are analytic: the real parts add up to the band, and the phase at a place is 0 on a bright
    line, pi on a dark one and half way on an edge. `angles` are the directions across the lines, in radians
    from the columns' direction towards the rows'. The band is stored `reduction` times smaller than the
    map.
    """

    responses: Complex[np.ndarray, "orientation height width"]
    angles: Float[np.ndarray, " orientation"]
    reduction: int

    def reduced(self, values: Map) -> Float[np.ndarray, "band_height band_width"]:
        """A map of full size as means at the band's size."""
        if self.reduction == 1:
            return values
        height, width = self.responses.shape[1:]
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)

    def enlarged(self, values: Float[np.ndarray, "band_height band_width"]) -> Map:
        """A map of the band's size at full size, smoothly."""
        if self.reduction == 1:
            return values
        height, width = values.shape
        size = (width * self.reduction, height * self.reduction)
        return cv2.resize(values, size, interpolation=cv2.INTER_CUBIC)


def bands(values: Map, wavelengths: Float[np.ndarray, " band"], orientations: int) -> Iterator[Band]:
    """Bands of a square map around wavelengths in texels, each with the same number of orientations.

    Log-Gabor filters (Field 1987), laid out as by Kovesi (1999), in the frequency domain; the map is taken
    as periodic, so it should fade to zero at its border.
    """
    size = len(values)
    spectrum = np.asarray(scipy.fft.fft2(values.astype(np.float32)))
    for wavelength in wavelengths:
        reduction = 1
        while wavelength / (2 * reduction) >= _TEXELS_PER_WAVE and size % (2 * reduction) == 0:
            reduction *= 2
        small = size // reduction
        # The frequencies in units of the full map, so that a reduced band is a plain cut out of the spectrum.
        frequency = scipy.fft.fftfreq(small, d=reduction).astype(np.float32)
        across, down = frequency[None, :], frequency[:, None]
        radius = np.maximum(np.hypot(across, down), 0.25 / size)
        kept = np.r_[0 : (small + 1) // 2, size - small // 2 : size]
        radial = np.exp(-(np.log(radius * np.float32(wavelength)) ** 2) / (2 * np.log(_BANDWIDTH) ** 2))
        radial[0, 0] = 0
        part = spectrum[np.ix_(kept, kept)] * (radial / reduction**2)
        step = np.pi / orientations
        angles = np.arange(orientations) * step
        direction = np.arctan2(down, across)
        responses = np.empty((orientations, small, small), np.complex64)
        for index, angle in enumerate(angles):
            off = np.abs(np.remainder(direction - angle + np.pi, 2 * np.pi) - np.pi)
            # Twice the half plane, for an analytic response; divided by the sum of the overlapping filters.
            angular = np.exp(-0.5 * (off / (_SPREAD * step)) ** 2) * (2 / (_SPREAD * np.sqrt(2 * np.pi)))
            responses[index] = np.asarray(scipy.fft.ifft2((part * angular).astype(np.complex64)))
        yield Band(responses, angles, reduction)


def coherence(band: Band, deviation: float) -> Map:
    """How far the energy at a place lies in one orientation, in [0, 1]: high on lines, low on spots and
    noise.

    The length of the energies' mean direction (of the doubled angle), both averaged by a Gaussian of
    `deviation` texels.
    """
    energy = np.abs(band.responses) ** 2
    along = np.einsum("ohw,o->hw", energy, np.cos(2 * band.angles).astype(np.float32))
    across = np.einsum("ohw,o->hw", energy, np.sin(2 * band.angles).astype(np.float32))
    smooth = [blurred(part, deviation) for part in (along, across, energy.sum(0))]
    return np.hypot(smooth[0], smooth[1]) / (smooth[2] + 1e-12)


def blurred(values: Map, deviation: float) -> Map:
    """Gaussian mean; the map's border is repeated."""
    return cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
