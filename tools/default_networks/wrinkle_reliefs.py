"""Weights to begin the detail stage with: the decoder's reliefs are the principal components of random
people's wrinkles.

    python tools/default_networks/wrinkle_reliefs.py WEIGHTS.safetensors --out START.safetensors

WEIGHTS are small networks with a trained coarse encoder; all but the reliefs is as it is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from deca.head.uv import UVLayout
from deca.io.files import whole_file
from deca.io.heads import default_head
from deca.model.detail_decoder import MAP_SIZE
from deca.model.small_networks import RELIEFS
from deca.training.synthetic.population import Population
from deca.training.synthetic.wrinkles import WrinkleModel

_PEOPLE, _EXPRESSIONS = 1200, 4
_SEED = 17


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description="Weights to begin the detail stage with.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    mean, reliefs = principal_reliefs(random_displacements())
    tensors = load_file(arguments.weights)
    tensors["detail_decoder.reliefs.weight"] = reliefs.contiguous()
    tensors["detail_decoder.reliefs.bias"] = mean.contiguous()
    with whole_file(arguments.out) as temporary:
        save_file(tensors, temporary)


def random_displacements() -> Float[Tensor, "map texel"]:
    """Displacement maps of random people, millimetres: each at rest, and with expressions."""
    data = default_head()
    model, population = WrinkleModel(data, UVLayout(data, MAP_SIZE)), Population(data)
    random = np.random.default_rng(_SEED)
    maps = torch.empty(_PEOPLE * _EXPRESSIONS, MAP_SIZE * MAP_SIZE)
    for first in track(range(0, len(maps), _EXPRESSIONS), "wrinkles"):
        person = model.person(random)
        for number in range(_EXPRESSIONS):
            # The first one at rest.
            moves = (min(number, 1) * values for values in population.expression(random))
            given = (torch.from_numpy(values).float()[None] for values in moves)
            maps[first + number] = 1000 * model.displacement(person, *given).flatten()
    return maps


def principal_reliefs(
    maps: Float[Tensor, "map texel"],
) -> tuple[Float[Tensor, " texel"], Float[Tensor, "texel relief"]]:
    """The mean and the first principal components, of a size that gives strengths of unit size."""
    mean = maps.mean(0)
    rest = maps - mean
    # Far more texels than maps: the components follow from the maps' products.
    values, vectors = torch.linalg.eigh((rest @ rest.mT).double())
    chosen = vectors[:, -RELIEFS:].flip(1).float()
    print(f"{RELIEFS} reliefs hold {float(values[-RELIEFS:].sum() / values.sum()):.1%} of the variance")
    # A component's size is its deviation: the eigenvalue's root over that of the number of maps.
    return mean, rest.mT @ chosen / len(maps) ** 0.5


if __name__ == "__main__":
    main()
