"""Google's GNM Head on disk: one npz."""

from __future__ import annotations

import zipfile
from pathlib import Path

from deca.conversion.asset import Asset
from deca.conversion.gnm import gnm_arrays, gnm_head
from deca.conversion.named_arrays import NamedArrays
from deca.io.archives import open_archive
from deca.io.damage import naming_file
from deca.io.heads import default_head, head_arrays

_MARKS = ("template_vertex_positions", "vertex_identity_basis")
_NAMES = (
    *_MARKS, "version", "variant", "template_joint_positions", "joint_identity_basis", "expression_basis",
    "joint_names", "expression_names", "joint_parent_indices", "skinning_weights", "triangles",
    "triangle_uvs", "pose_correctives_regressor", "vertex_groups", "vertex_group_names",
)  # fmt: skip


def is_gnm(path: str | Path) -> bool:
    """Whether a file is an npz with GNM's names."""
    if not zipfile.is_zipfile(path):
        return False
    with naming_file(path), zipfile.ZipFile(path) as archive:
        return {f"{name}.npy" for name in _MARKS} <= set(archive.namelist())


def read_gnm(path: str | Path) -> Asset:
    """GNM Head as the head "gnm"; AssetError, which names the file, where it is damaged or does not fit."""
    with open_archive(path) as archive:
        arrays = {name: archive.array(name) for name in _NAMES if name in archive.headers}
    gnm = gnm_arrays(NamedArrays(str(path), arrays))
    head = gnm_head(gnm, default_head(), str(path))
    details = {
        "version": head.version,
        "vertices": str(len(head.template_vertices)),
        "shape": str(len(head.shape_basis)),
        "expression": str(len(head.expression_basis)),
        "licence": head.licence,
    }
    return Asset(head.name, "head", head_arrays(head), details)
