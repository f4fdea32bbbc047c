"""A reconstructed face for engines: `deca bake`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from deca.animation.baking import AngleErrors, Baker, Explained
from deca.animation.person import Person
from deca.apps.bake_options import BakeOptions
from deca.apps.errors import UsageError, output_error
from deca.apps.outputs import check_replaceable
from deca.apps.people import has_default_networks, read_person
from deca.io.baked_files import (
    DESCRIPTION,
    BakedMaps,
    normal_map,
    read_baked,
    write_decoder,
    write_errors,
    write_maps,
)
from deca.io.default_networks import default_networks
from deca.io.files import data_file, whole_folder
from deca.io.gltf import at_rest, jaw_as_action, write_glb
from deca.model.small_detail import SmallDetailDecoder
from deca.parameters import Parameters
from deca.training.synthetic.population import Population

ENGINE_FILES = ("blender_wrinkles.py", "DecaWrinkles.cs", "deca_wrinkles.hlsl")
"""What ships for engines and goes beside the maps."""
MOST_MAPS = 12
"""What the engines' files take."""
# Expressions to choose the maps by, and as many others to measure them on.
_EXPRESSIONS = 2000
# Normals of whole maps are compared on fewer.
_LOOKED = 40
_SEED = 0
# Morphs that are named in a row of the table.
_NAMED = 3


@dataclass(frozen=True)
class Baking:
    """What was baked, read back from its files, and its errors on expressions held out from the choice."""

    maps: BakedMaps
    explained: Explained
    angles: AngleErrors


def bake(options: BakeOptions, console: Console) -> None:
    """Write `options.out`, whole or not at all, and say in a table how good the maps are.

    UsageError where the folder holds no face that can be baked, or something else is in the way.
    """
    if not 1 <= options.maps <= MOST_MAPS:
        raise UsageError(f"--maps must be 1 to {MOST_MAPS}, found {options.maps}")
    check_replaceable(options.out, options.overwrite, DESCRIPTION)
    begun = time.perf_counter()
    torch.set_num_threads(1)
    person = read_person(options.folder)
    decoder = _decoder(person, options.folder)
    try:
        with whole_folder(options.out) as folder:
            baking = bake_person(person, decoder, folder, options.maps, options.map_size)
    except OSError as error:
        raise output_error(options.out, error) from None
    names = person.deca.data.expression_names
    _show(console, options.out, baking, names, time.perf_counter() - begun)


def bake_person(
    person: Person, decoder: SmallDetailDecoder, folder: Path, most: int, map_size: int
) -> Baking:
    """Write every file of a baked person into an empty folder."""
    data = person.deca.data
    neutral = at_rest(person.parameters)
    chosen_by, held_out = (random_expressions(person, _EXPRESSIONS, part) for part in (0, 1))
    baker = Baker(person, decoder, neutral, map_size)
    baked = baker.bake(chosen_by, most)
    write_maps(folder, baked, data.expression_names, data.name)
    write_decoder(folder, decoder, person.parameters.detail[0])
    write_glb(
        folder / "head.glb", person.deca.head_model, neutral, person.texture, normal_map(baked.textured)
    )
    for name in ENGINE_FILES:
        shutil.copyfile(data_file(name), folder / name)
    # Measured on what engines read: eight bits a channel.
    maps = read_baked(folder, data.expression_names)
    explained = baker.explained(baked.correctives, held_out)
    looked = held_out.map(lambda values: values[:_LOOKED])
    angles = baker.angle_errors(replace(baked, neutral=maps.neutral, tilts=maps.tilts), looked)
    write_errors(folder, explained, _EXPRESSIONS, angles, _LOOKED)
    return Baking(maps, explained, angles)


def random_expressions(person: Person, count: int, part: int) -> Parameters:
    """The person at rest but for random expressions, those of synthetic faces: each action with a chance of
    one in ten, the jaw open now and then.

    The jaw is opened by its action as far as that goes, as a GLB has it.
    """
    data = person.deca.data
    random = np.random.default_rng([_SEED, part])
    drawn = [Population(data).expression(random) for _ in range(count)]
    rest = at_rest(person.parameters).map(lambda values: values.expand(count, *values.shape[1:]))
    expressions = rest.replace(
        expression=torch.from_numpy(np.stack([expression for expression, _ in drawn])),
        jaw=torch.from_numpy(np.stack([jaw for _, jaw in drawn])),
    )
    return jaw_as_action(expressions, data)


def _decoder(person: Person, folder: Path) -> SmallDetailDecoder:
    """The decoder that can be baked; UsageError where the person has none."""
    if not has_default_networks(person.deca.data):
        raise UsageError(
            f"{folder}: made with the head {person.deca.data.name!r}, whose wrinkles no decoder of movements "
            "drives; reconstruct the photo with the default head"
        )
    return default_networks().detail_decoder


def _show(console: Console, out: Path, baking: Baking, names: Sequence[str], seconds: float) -> None:
    maps, angles, explained = baking.maps, baking.angles, baking.explained
    table = Table("map", "tilts", "driven by", title=f"{out}", title_justify="left")
    for name, factors, tilt in zip(maps.names, maps.drivers.factors, maps.tilts, strict=True):
        terms = sorted(zip(factors.tolist(), names, strict=True), reverse=True)
        drivers = [f"{action} {factor:.2f}" for factor, action in terms if factor]
        more = f" and {len(drivers) - _NAMED} more" if len(drivers) > _NAMED else ""
        steepest = np.rad2deg(np.arctan(float(tilt.norm(dim=0).max())))
        table.add_row(name, f"{steepest:.0f} degrees", ", ".join(drivers[:_NAMED]) + more)
    console.print(table)
    wrinkles, everything = (
        sum(path.stat().st_size for path in out.glob(pattern)) / 1e6 for pattern in ("wrinkle_*.png", "*")
    )
    for line in (
        f"on {_EXPRESSIONS} expressions held out: {explained.tilt:.1%} of the variance of the normals "
        f"explained, {explained.displacement:.1%} of the displacement's",
        f"normals read from the files: {angles.median:.2f} degrees off (median; 95 %: "
        f"{angles.percentile_95:.2f}) where the wrinkles turn them by {angles.turned:.1f}",
        f"{len(maps.names)} maps of {maps.tilts.shape[-1]} px: {wrinkles:.1f} MB; all files: "
        f"{everything:.1f} MB; {seconds:.0f} s",
    ):
        console.print(line, highlight=False, soft_wrap=True)
