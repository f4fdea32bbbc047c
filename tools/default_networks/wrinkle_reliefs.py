"""Weights to begin the detail stage with: a decoder whose reliefs are the principal components of random
people's wrinkles, and what smiles add in photographs.

    python tools/default_networks/wrinkle_reliefs.py WEIGHTS.safetensors FITS --out START.safetensors

WEIGHTS are small networks with a trained coarse encoder, FITS fitted photographs (fit_photos.py). In the
result, codes are the coordinates of people: what is always there and what each movement adds are principal
components of all of it together, each kept as a few reliefs of its own, which open with its movement alone.
One more relief is what a smile adds in everybody: it is learnt from photos of one person.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from deca.fitting.skin import skin_region
from deca.head.data import HeadData
from deca.head.face_part import face_part
from deca.head.uv import UVLayout
from deca.io.files import whole_file
from deca.io.heads import default_head
from deca.io.maps import read_displacement
from deca.io.parameter_files import read_parameters
from deca.model.detail_decoder import MAP_SIZE
from deca.model.small_detail import DETAIL, GATES, RELIEFS, RISE
from deca.training.config import read_config
from deca.training.stages import make_networks
from deca.training.synthetic.population import Population
from deca.training.synthetic.wrinkles import MOVEMENTS, WrinkleModel

_PEOPLE, _EXPRESSIONS = 1200, 1200
_SEED = 17
_SMILE = len(MOVEMENTS)
# What one movement is worth at least beside what is always there: most faces are at rest.
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class People:
    """Random people's reliefs at the skin's texels, millimetres: first what is always there, then what each
    of MOVEMENTS adds; and how much of each counts."""

    parts: Float[Tensor, "part person texel"]
    shares: Float[Tensor, " part"]
    texels: Int[Tensor, " texel"]


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description="Weights to begin the detail stage with.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("fits", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    data = default_head()
    model = WrinkleModel(data, UVLayout(data, MAP_SIZE))
    people = random_people(data, model)
    # What else is in the file was never trained.
    coarse = {
        name: values
        for name, values in load_file(arguments.weights).items()
        if name.startswith("coarse_encoder.")
    }
    config = read_config((Path(__file__).parent / "detail.json").read_text(), "detail.json")
    tensors = make_networks(config, data).state_dict() | coarse
    gates = movements(model)
    smile = smile_relief(changes(data, arguments.fits, gates))
    found = principal_reliefs(people, smile.flatten()[people.texels]) | {"detail_decoder.gates.weight": gates}
    with whole_file(arguments.out) as temporary:
        save_file(tensors | {name: values.contiguous() for name, values in found.items()}, temporary)


def random_people(data: HeadData, model: WrinkleModel) -> People:
    """People as the training stream has them."""
    random = np.random.default_rng(_SEED)
    skin = skin_region(face_part(data), UVLayout(face_part(data), MAP_SIZE))[0, 0]
    parts = torch.empty(1 + len(MOVEMENTS), _PEOPLE, int(skin.sum()), dtype=torch.half)
    for number in track(range(_PEOPLE), "wrinkles"):
        person = model.person(random)
        both = torch.cat([person.static[None], person.moved])
        parts[:, number] = (1000 * both[:, skin]).half()
    population = Population(data)
    moved = np.zeros(len(MOVEMENTS))
    for _ in range(_EXPRESSIONS):
        expression, jaw = (torch.from_numpy(values).float()[None] for values in population.expression(random))
        moved += model.movements(expression, jaw) ** 2 / _EXPRESSIONS
    shares = np.concatenate([[1], np.maximum(moved, _LEAST_SHARE)])
    return People(parts, torch.from_numpy(shares).float(), skin.flatten().nonzero()[:, 0])


def principal_reliefs(people: People, smile: Float[Tensor, " texel"]) -> dict[str, Tensor]:
    """The tensors of the decoder that people and the relief of smiles decide."""
    count = people.parts.shape[1]
    means = people.parts.float().mean(1)
    products = torch.zeros(count, count, dtype=torch.double)
    for part, mean, share in zip(people.parts, means, people.shares, strict=True):
        rest = part.float() - mean
        products += share * (rest @ rest.mT).double()
    values, vectors = torch.linalg.eigh(products)
    print(f"{DETAIL} numbers hold {float(values[-DETAIL:].sum() / values.sum()):.1%} of the variance")
    # Of unit deviation over people.
    codes = vectors[:, -DETAIL:].flip(1).float() / count**0.5
    components = torch.stack(
        [(part.float() - mean).mT @ codes for part, mean in zip(people.parts, means, strict=True)]
    )
    # What everybody has: the means of the parts, and the smile.
    common = torch.cat([means, smile[None]])
    reliefs, person, part = few_reliefs(components, people.shares, RELIEFS - len(common))
    reliefs = torch.cat([reliefs, common])
    part = torch.cat([part, torch.arange(len(common))])
    weight = torch.zeros(MAP_SIZE * MAP_SIZE, RELIEFS)
    weight[people.texels] = reliefs.mT
    opens = torch.zeros(RELIEFS, GATES)
    moving = (part > 0).nonzero()[:, 0]
    opens[moving, part[moving] - 1] = 1
    return {
        "detail_decoder.reliefs.weight": weight,
        "detail_decoder.person.weight": torch.cat([person, torch.zeros(len(common), DETAIL)]),
        "detail_decoder.person.bias": (torch.arange(RELIEFS) >= len(person)).float(),
        "detail_decoder.open.weight": opens,
        "detail_decoder.open.bias": (part == 0).float(),
    }


def few_reliefs(
    components: Float[Tensor, "part texel code"], shares: Float[Tensor, " part"], count: int
) -> tuple[Float[Tensor, "relief texel"], Float[Tensor, "relief code"], Int[Tensor, " relief"]]:
    """The reliefs that hold most of all parts' components, how codes make them, and whose part each is."""
    found = [torch.linalg.svd(component, full_matrices=False) for component in components]
    sizes = torch.cat([share.sqrt() * values for share, (_, values, _) in zip(shares, found, strict=True)])
    part = torch.arange(len(components)).repeat_interleave(components.shape[2])
    chosen = sizes.argsort(descending=True)[:count].sort().values
    left = torch.cat([vectors.mT for vectors, _, _ in found])[chosen]
    right = torch.cat([values[:, None] * vectors for _, values, vectors in found])[chosen]
    # Both factors of about unit size, so that training changes them alike.
    size = right.norm(dim=1, keepdim=True)
    return left * size, right / size, part[chosen]


def movements(model: WrinkleModel) -> Float[Tensor, "gate move"]:
    """How jaw and expression drive the gates: as they drive the wrinkles of random people, and one more that
    opens with both folds."""
    jaw, actions = model.efforts()
    drives = np.concatenate([jaw, actions], 1)
    folds = [drive for name, drive in zip(MOVEMENTS, drives, strict=True) if name.startswith("fold")]
    weight = torch.zeros(GATES, drives.shape[1])
    weight[: _SMILE + 1] = torch.from_numpy(
        np.concatenate([drives, np.mean(folds, 0, keepdims=True)])
    ).float()
    return weight


def changes(
    data: HeadData, fits: Path, gates: Float[Tensor, "gate move"]
) -> Iterator[tuple[float, Float[np.ndarray, "map map"]]]:
    """By how much the gate of smiles, and the relief in millimetres, differ between fitted photos of one
    person."""
    photos: dict[str, list[tuple[float, np.ndarray]]] = {}
    for folder in sorted(path for path in fits.iterdir() if path.is_dir() and not path.name.startswith(".")):
        identity = json.loads((folder / "about.json").read_text(encoding="utf-8"))["identity"]
        parameters = read_parameters(folder / "parameters.json", data).parameters
        effort = torch.cat([parameters.jaw, parameters.expression], 1)[0] @ gates[_SMILE]
        gate = float(1 - torch.exp(-(effort.clamp_min(0) ** RISE)))
        relief = 1000 * read_displacement(folder / "displacement.png")
        small = cv2.resize(relief, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_AREA)
        photos.setdefault(identity, []).append((gate, small))
    for (first, relief), *others in photos.values():
        yield from ((gate - first, other - relief) for gate, other in others)


def smile_relief(
    changes: Iterable[tuple[float, Float[np.ndarray, "map map"]]],
) -> Float[Tensor, "map map"]:
    """The relief that explains changes best as its product with the gate's: least squares."""
    product, squares = np.zeros((MAP_SIZE, MAP_SIZE)), 1e-6
    for gate, relief in changes:
        product += gate * relief
        squares += gate**2
    return torch.from_numpy(product / squares).float()


if __name__ == "__main__":
    main()
