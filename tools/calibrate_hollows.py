"""Measure how much darker skin is where an expression makes a hollow.

    python tools/calibrate_hollows.py PHOTOS FITS

FITS are fitted photographs (tools/default_networks/fit_photos.py) of PHOTOS. Between two photos of one person
under the same lamps, the logarithm of a place's lightness changes with its shading and with how deep it lies
below its surroundings (`deca.render.hollows`): a linear regression over the cheeks and folds of all pairs, of
which the change of depth is what the person's own wrinkles would be in the second expression. People who are
held back are in no fit. Prints the slopes for some reaches; DARKENING and REACH are what explains most.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track

from deca.animation.wrinkles import Wrinkles, explaining_code
from deca.fitting.observation import observe, vertices_in_photo
from deca.fitting.skin import seen_weights, skin_region
from deca.head.detail import DetailModel
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.default_networks import default_networks
from deca.io.heads import default_head
from deca.io.images import read_photo
from deca.io.maps import read_displacement
from deca.io.parameter_files import read_parameters
from deca.model.networks import decoder_input
from deca.parameters import Parameters
from deca.render.hollows import Hollows
from deca.render.lighting import shade

SIZE = 256
REACHES = (0.0015, 0.003, 0.006, 0.012)
# Cheeks and folds: across, up and forward of the mean head's points, metres.
NEAR, FAR, LOW, HIGH, FRONT = 0.014, 0.048, -0.052, -0.002, 0.03
# Beyond this logarithm of a ratio it is no skin that changed: hair, teeth, a highlight.
LARGEST = 0.7


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how much darker hollows of the skin are.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("fits", type=Path)
    options = parser.parse_args()
    changes = Changes()
    parts = [changes.between(*pair) for pair in track(list(pairs(options.photos, options.fits)), "pairs")]
    lightness, shading, *depths = np.concatenate(parts).T
    for reach, depth in zip(REACHES, depths, strict=True):
        known = np.stack([shading, depth, np.ones_like(depth)], 1)
        slopes, (left,), *_ = np.linalg.lstsq(known, lightness, rcond=None)
        explained = 1 - left / np.square(lightness - lightness.mean()).sum()
        print(f"reach {1000 * reach:4.1f} mm: darkening {-slopes[1]:4.0f} a metre, {explained:.1%} explained")


def pairs(photos: Path, fits: Path) -> Iterator[tuple[tuple[Path, Path], tuple[Path, Path]]]:
    """(photo, fit) of one person twice: the neutral one, and the smiling one."""
    for neutral in sorted(fits.glob("*_neutral")):
        smiling = neutral.with_name(neutral.name.replace("_neutral", "_smiling"))
        if smiling.is_dir():
            sources = [json.loads((fit / "about.json").read_text())["source"] for fit in (neutral, smiling)]
            yield (photos / sources[0], neutral), (photos / sources[1], smiling)


class Changes:
    """What changes between two photos of a person: logarithms of lightness and of shading, and depths for
    each of REACHES (metres), at texels of cheeks and folds."""

    def __init__(self) -> None:
        self.data = data = default_head()
        self.head_model, self.layout = HeadModel(data), UVLayout(data, SIZE)
        self.detail_model = DetailModel(data, self.layout)
        self.hollows = [Hollows(data, reach) for reach in REACHES]
        self.decoder = default_networks().detail_decoder
        x, y, z = self.layout.to_uv(torch.from_numpy(data.template_vertices)[None])[0].numpy()
        near = (np.abs(x) > NEAR) & (np.abs(x) < FAR) & (y > LOW) & (y < HIGH) & (z > FRONT)
        self.near = near & skin_region(data, self.layout)[0, 0].numpy()

    def between(
        self, first: tuple[Path, Path], second: tuple[Path, Path]
    ) -> Float[np.ndarray, "texel value"]:
        """The changes from the first photo and its fit to the second."""
        parameters, relief = self.fit(first[1])
        other, _ = self.fit(second[1])
        code = torch.zeros(1, self.decoder.person.weight.shape[1])
        parameters, other = parameters.replace(detail=code), other.replace(detail=code)
        code = explaining_code(relief, parameters, self.decoder)
        parameters = parameters.replace(detail=code)
        wrinkles = Wrinkles(relief, parameters, lambda moved: self.decoder(decoder_input(moved)))
        seen, before = self.seen(first, parameters), self.geometry(parameters, relief, parameters)
        seen_then, after = self.seen(second, other), self.geometry(other, wrinkles.under(other), parameters)
        lightness = np.log(seen_then[0] / seen[0])
        chosen = self.near & seen[1] & seen_then[1] & (before[0] > 0) & (after[0] > 0)
        lightness -= np.median(lightness[chosen])
        chosen &= np.abs(lightness) < LARGEST
        depths = [now[chosen] - then[chosen] for now, then in zip(after[1:], before[1:], strict=True)]
        shading = np.log(after[0][chosen] / before[0][chosen])
        return np.stack([lightness[chosen], shading, *depths], 1)

    def fit(self, folder: Path) -> tuple[Parameters, Float[torch.Tensor, "1 1 map map"]]:
        """The parameters and the displacement of a fit."""
        parameters = read_parameters(folder / "parameters.json", self.data).parameters
        return parameters, torch.from_numpy(read_displacement(folder / "displacement.png"))[None, None]

    def seen(self, photo_and_fit: tuple[Path, Path], parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """The photo's lightness at the texels, and where it says anything."""
        crop = read_parameters(photo_and_fit[1] / "parameters.json", self.data).crop
        vertices = self.head_model(parameters).vertices
        in_photo = vertices_in_photo(vertices, parameters.camera, crop)
        found = observe(read_photo(photo_and_fit[0]), vertices, in_photo, self.head_model, self.layout)
        return found.colour[0].mean(0).clamp_min(0.02).numpy(), (seen_weights(found)[0, 0] > 0.5).numpy()

    def geometry(
        self,
        parameters: Parameters,
        displacement: Float[torch.Tensor, "1 1 map map"],
        lit: Parameters,
    ) -> list[np.ndarray]:
        """Shading under the light of `lit`, and depths for each of REACHES."""
        vertices = self.head_model(parameters).vertices
        small = torch.nn.functional.interpolate(displacement, size=(SIZE, SIZE), mode="area")
        normals = self.detail_model(vertices, small)[0].flatten(1).mT.contiguous()
        shading = shade(normals, lit.lighting[0]).mean(1).view(SIZE, SIZE).numpy()
        return [shading, *(hollows.depths(vertices, displacement) for hollows in self.hollows)]


if __name__ == "__main__":
    main()
