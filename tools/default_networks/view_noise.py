"""Weights to begin the detail stage with: what makes skin lighter or darker but is no relief, from faces
whose relief is known.

    python tools/default_networks/view_noise.py START.safetensors SHARDS ... --out START.safetensors

START are small networks with a trained coarse encoder and a decoder with reliefs (wrinkle_reliefs.py); SHARDS
are folders of synthetic wrinkled faces. People who are held back are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from deca.io.files import whole_file
from deca.io.heads import default_head
from deca.io.shards import ShardFolder
from deca.model.detail_decoder import MAP_SIZE
from deca.model.networks import decoder_input
from deca.model.small_detail import PATTERNS, DetailViewEncoder
from deca.model.small_networks import SmallNetworks
from deca.training.config import read_config
from deca.training.data import FaceData
from deca.training.detail_stage import DetailStage
from deca.training.stages import crop_size, make_networks, make_stage

_FACES, _PART = 3000, 8
# How surely the true displacement tells the code, per square millimetre; what lightness counts at most.
_TRUE_PRECISION, _MOST = 10.0, 0.4
_LEAST_DEVIATION = 0.01
# Added to the squares of estimated codes, in faces.
_RIDGE = 20.0


@dataclass(frozen=True)
class Views:
    """Views of wrinkled faces at the texels that an encoder asks, two of each person, and the true codes."""

    view: Float[Tensor, "face 4 texel"]
    moves: Float[Tensor, "face move"]
    code: Float[Tensor, "face detail"]


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description="What makes skin lighter or darker but is no relief.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    settings = read_config((Path(__file__).parent / "detail.json").read_text(), "detail.json").complete()
    chosen = {str(path): 1.0 for path in arguments.shards}
    plain = replace(settings.augmentation, occluder=0.0)
    config = replace(settings, shards=chosen, batch_size=_PART, augmentation=plain)
    data = default_head()
    networks = make_networks(config, data)
    assert isinstance(networks, SmallNetworks)
    networks.load_state_dict(load_file(arguments.weights))
    stage = make_stage(config, networks, data).eval()
    assert isinstance(stage, DetailStage)
    folders = [ShardFolder(path) for path in arguments.shards]
    encoder = networks.detail_encoder
    encoder.asked.copy_(stage.skin[0, 0, ::2, ::2])
    with torch.no_grad():
        views = seen_views(stage, FaceData(config, folders, data, crop_size(config, networks)))
        learn_noise(networks, views)
        learn_output(networks, views)
    with whole_file(arguments.out) as temporary:
        save_file({name: values.contiguous() for name, values in networks.state_dict().items()}, temporary)


def seen_views(stage: DetailStage, faces: FaceData) -> Views:
    """The views of the first faces of a training."""
    networks = stage.networks
    assert isinstance(networks, SmallNetworks)
    _, texels = networks.detail_encoder.places()
    found = []
    for number in track(range(_FACES // _PART), "views"):
        batch = faces[number]
        view, parameters, true = stage.views(batch)
        moves = decoder_input(parameters)[:, : networks.detail_decoder.moves]
        code = true_codes(networks, moves, true.flatten(1)[:, texels] * 1000, texels)
        found.append((view.flatten(2)[..., texels], moves, code))
    return Views(*(torch.cat(part) for part in zip(*found, strict=True)))


def true_codes(
    networks: SmallNetworks,
    moves: Float[Tensor, "face move"],
    true: Float[Tensor, "face texel"],
    texels: Int[Tensor, " texel"],
) -> Float[Tensor, "face detail"]:
    """The codes that come nearest to true displacements, millimetres."""
    decoder = networks.detail_decoder
    openness, reliefs = decoder.openness(moves), decoder.reliefs.weight[texels]
    by_code = reliefs @ (openness[..., None] * decoder.person.weight)
    rest = true - (openness * decoder.person.bias) @ reliefs.mT
    precision = _TRUE_PRECISION * by_code.mT @ by_code + torch.eye(by_code.shape[2])
    return torch.cholesky_solve(
        _TRUE_PRECISION * by_code.mT @ rest[..., None], torch.linalg.cholesky(precision)
    )[..., 0]


def learn_noise(networks: SmallNetworks, views: Views) -> None:
    """Mean, deviation and patterns of the lightness that true codes leave."""
    encoder = networks.detail_encoder
    place, texels = encoder.places()
    rest = torch.empty(len(views.code), len(texels))
    for part in torch.arange(len(rest)).split(_PART):
        lightness, _, by_right, by_up = views.view[part].unbind(1)
        by_code, average = networks.detail_decoder.lightness(views.moves[part], texels, by_right, by_up)
        relief = average + (by_code @ views.code[part][..., None])[..., 0]
        rest[part] = (lightness - relief).clamp(-_MOST, _MOST)
    seen = views.view[:, 1]
    count = seen.sum(0) + 1
    mean = (seen * rest).sum(0) / count
    rest = (rest - mean) * seen
    variance = rest.square().sum(0) / count
    # What stands out at one place does not decide the patterns of all.
    values, vectors = torch.linalg.eigh(((rest / variance.sqrt()) @ (rest / variance.sqrt()).mT).double())
    print(f"{PATTERNS} patterns hold {float(values[-PATTERNS:].sum() / values.sum()):.1%} of the noise")
    patterns = (rest.mT @ vectors[:, -PATTERNS:].float()) / len(rest) ** 0.5
    left = (variance - patterns.square().sum(1)).clamp_min(_LEAST_DEVIATION**2).sqrt()
    for parameter, learnt in (
        (encoder.mean, mean),
        (encoder.log_deviations, left.log()),
        (encoder.patterns, patterns / left[:, None]),
    ):
        parameter.data.flatten(0, 1)[place] = learnt


def learn_output(networks: SmallNetworks, views: Views) -> None:
    """What is to be expected of a person where a photo's most likely code is known, by least squares."""
    encoder = networks.detail_encoder
    found = torch.cat(
        [likely(encoder, networks, views, part) for part in torch.arange(len(views.code)).split(_PART)]
    )
    # Both photos tell of the same person.
    wanted = views.code.unflatten(0, (-1, 2)).mean(1, keepdim=True).expand(-1, 2, -1).flatten(0, 1)
    inputs = torch.cat([found, torch.ones(len(found), 1)], 1).double()
    ridge = _RIDGE * torch.eye(inputs.shape[1], dtype=torch.double)
    solved = torch.linalg.solve(inputs.mT @ inputs + ridge, inputs.mT @ wanted.double()).float()
    off = (wanted - inputs.float() @ solved).square().mean() / wanted.square().mean()
    print(f"codes: {float(off):.2f} of their variance is left open")
    encoder.output.weight.copy_(solved[:-1].mT)
    encoder.output.bias.copy_(solved[-1])


def likely(
    encoder: DetailViewEncoder, networks: SmallNetworks, views: Views, part: Int[Tensor, " face"]
) -> Float[Tensor, "face detail"]:
    """The most likely codes of some views."""
    _, texels = encoder.places()
    view = torch.zeros(len(part), 4, MAP_SIZE * MAP_SIZE)
    view[..., texels] = views.view[part]
    return encoder.likely(view.unflatten(2, (MAP_SIZE, MAP_SIZE)), networks.detail_decoder, views.moves[part])


if __name__ == "__main__":
    main()
