"""Published files that are an npz: FLAME, both albedo models, and head models."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import numpy as np

from deca.conversion.asset import Asset, AssetError
from deca.conversion.map_arrays import ALBEDO_COMPONENTS, ALBEDO_COUNT, albedo_arrays
from deca.conversion.named_arrays import NamedArrays
from deca.head.data import HeadData, HeadError
from deca.io.archives import Archive, open_archive
from deca.io.damage import unknown_file
from deca.io.heads import read_head
from deca.io.published_arrays import FLAME_NAMES, flame_asset

_HEAD_NAMES = {"template_vertices", "shape_basis", "expression_joint_rotations"}


def read_published_archive(path: Path) -> Asset:
    """The asset in an npz; only the arrays that are needed are unpacked. AssetError where it is unknown."""
    with open_archive(path) as archive:
        names = set(archive.headers)
        if {"MU", "PC"} <= names:
            return _albedo_asset(archive, path, "albedo-bfm", ("MU", "PC"), white=1)
        if {"mean", "tex_dir"} <= names:
            return _albedo_asset(archive, path, "albedo-flame", ("mean", "tex_dir"), white=255)
        if {"v_template", "shapedirs"} <= names:
            arrays = {name: archive.array(name) for name in FLAME_NAMES if name in names}
            return flame_asset(NamedArrays(str(path), arrays), path)
        if names >= _HEAD_NAMES:
            for name in names:
                archive.check(name)
            return _head_asset(path)
    raise unknown_file(path, names)


def _albedo_asset(archive: Archive, path: Path, kind: str, names: tuple[str, str], white: int) -> Asset:
    mean, basis = names
    shape = archive.headers[basis].shape
    if math.prod(shape[:-1]) != ALBEDO_COUNT or shape[-1] < ALBEDO_COMPONENTS:
        wanted = f"{ALBEDO_COUNT} colours of at least {ALBEDO_COMPONENTS} components"
        raise AssetError(f"{path}: {basis} has shape {shape}, expected {wanted}")
    arrays = {mean: archive.array(mean), basis: archive.leading_components(basis, ALBEDO_COMPONENTS)}
    converted = albedo_arrays(NamedArrays(str(path), arrays), mean, basis, white)
    details = {"components": f"{ALBEDO_COMPONENTS} of {shape[-1]}"}
    return Asset(kind, kind, converted, details)


def _head_asset(path: Path) -> Asset:
    try:
        head = read_head(path)
    except HeadError as error:
        raise AssetError(str(error)) from None
    arrays = {field.name: np.asarray(getattr(head, field.name)) for field in fields(HeadData)}
    details = {"version": head.version, "source": head.source, "licence": head.licence}
    return Asset(head.name, "head", arrays, details)
