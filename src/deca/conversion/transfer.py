"""What other heads lack, carried over from the default head: landmarks, regions and albedo."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from deca.conversion.albedo_transfer import carried_albedo
from deca.conversion.registration import INNER_REGIONS, Registration, outer_skin, register_head
from deca.conversion.surface_points import ClosestPoints, SurfacePoints, vertex_normals
from deca.conversion.target import TargetSurface
from deca.head.data import HeadData

# Vertices are mirror images of each other when they lie this close after mirroring, metres.
_MIRRORED = 0.0005


@dataclass(frozen=True)
class Features:
    """What a target head has from the default head, in the shapes and under the names of a HeadData.

    `regions` are the skin's regions by name, and `eyeballs`. `registration` is the default head on the
    target, for whatever else is to be carried over.
    """

    landmark_triangles: Int[np.ndarray, "51"]
    landmark_barycentrics: Float[np.ndarray, "51 3"]
    contour_triangles: Int[np.ndarray, "79 17"]
    contour_barycentrics: Float[np.ndarray, "79 17 3"]
    full_landmark_triangles: Int[np.ndarray, "68"]
    full_landmark_barycentrics: Float[np.ndarray, "68 3"]
    dense_landmark_triangles: Int[np.ndarray, "468"]
    dense_landmark_barycentrics: Float[np.ndarray, "468 3"]
    regions: dict[str, Bool[np.ndarray, " triangle"]]
    vertex_mirror: Int[np.ndarray, " mirror"]
    albedo_mean: Float[np.ndarray, "height width 3"]
    albedo_basis: Float[np.ndarray, "albedo basis_height basis_width 3"]
    registration: Registration

    def landmark_arrays(self) -> dict[str, np.ndarray]:
        """The landmarks' triangles and barycentrics under their names in a HeadData."""
        names = (field.name for field in fields(self))
        return {name: getattr(self, name) for name in names if name.endswith(("_triangles", "_barycentrics"))}

    def moved(self, shift: Float[np.ndarray, "3"]) -> Features:
        """The same for the target moved by a shift."""
        registration = replace(
            self.registration,
            vertices=self.registration.vertices + shift,
            translation=self.registration.translation + shift,
        )
        return replace(self, registration=registration)


def transfer_features(target: TargetSurface, default: HeadData) -> Features:
    """Bring the default head onto a target and carry over every feature to where it comes to lie.

    Where the target has landmarks of its own, these stay the inner 51 of its 68; the outline is the default
    head's, so that it slides in the same way.
    """
    registration = register_head(target, default)
    surface = ClosestPoints(target.vertices, target.triangles, target.skin)
    normals = vertex_normals(registration.vertices, default.triangles[outer_skin(default)])

    def carried(name: str) -> SurfacePoints:
        corners = default.triangles[getattr(default, f"{name}_triangles")].reshape(-1, 3)
        weights = getattr(default, f"{name}_barycentrics").reshape(-1, 3, 1)
        points = (registration.vertices[corners] * weights).sum(1)
        return surface.find(points, (normals[corners] * weights).sum(1))

    inner, contour = carried("landmark"), carried("contour")
    full, dense = carried("full_landmark"), carried("dense_landmark")
    if target.landmarks is not None:
        inner = surface.find(target.landmarks[17:])
        full = SurfacePoints(*(np.concatenate([a[:17], b]) for a, b in zip(full, inner, strict=True)))
    albedo_mean, albedo_basis = carried_albedo(target, registration, default)
    return Features(
        landmark_triangles=inner.triangle,
        landmark_barycentrics=inner.barycentrics.astype(np.float32),
        contour_triangles=contour.triangle.reshape(79, 17),
        contour_barycentrics=contour.barycentrics.reshape(79, 17, 3).astype(np.float32),
        full_landmark_triangles=full.triangle,
        full_landmark_barycentrics=full.barycentrics.astype(np.float32),
        dense_landmark_triangles=dense.triangle,
        dense_landmark_barycentrics=dense.barycentrics.astype(np.float32),
        regions=_regions(target, registration, default),
        vertex_mirror=mirrored_vertices(target.vertices),
        albedo_mean=albedo_mean,
        albedo_basis=albedo_basis,
        registration=registration,
    )


def mirrored_vertices(vertices: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, " mirror"]:
    """Each vertex's mirror image across x = 0; none where the head has one without."""
    distance, index = map(np.asarray, KDTree(vertices).query(vertices * [-1, 1, 1]))
    paired = distance.max() < _MIRRORED and (index[index] == np.arange(len(vertices))).all()
    return index.astype(np.int64) if paired else np.zeros(0, np.int64)


def _regions(
    target: TargetSurface, registration: Registration, default: HeadData
) -> dict[str, Bool[np.ndarray, " triangle"]]:
    """The regions of the default head's skin, each target triangle in those its middle lies in."""
    skin = np.flatnonzero(target.skin)
    corners = target.vertices[target.triangles[skin]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    source = ClosestPoints(registration.vertices, default.triangles, outer_skin(default))
    found = source.find(corners.mean(1), normals).triangle
    regions = {}
    for name in default.region_names:
        if name not in INNER_REGIONS:
            regions[name] = np.zeros(len(target.triangles), bool)
            regions[name][skin] = default.region(name)[found]
    regions["eyeballs"] = target.left_eyeball | target.right_eyeball
    return regions
