"""What detail adds to a coarse surface: errors of displacement maps, against scans, and in the photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deca.conversion.surface_points import closest_barycentrics, unit, vertex_normals
from deca.evaluation.surface import Surface
from deca.io.meshes import Mesh


@dataclass(frozen=True)
class Gain:
    """An error of the coarse surface, and the same error of the detailed one."""

    coarse: float
    detailed: float

    @property
    def percent(self) -> float:
        """By how much detail lowers the error; negative where it raises it, 0 where neither has one."""
        if self.coarse == 0:
            return 0.0 if self.detailed == 0 else -np.inf
        return 100 * (1 - self.detailed / self.coarse)


@dataclass(frozen=True)
class DisplacementError:
    """Predicted against true displacement of a region; root mean squares in metres.

    `correlation` is Pearson's, not a number where either map is constant. `truth` is the true displacement's
    own root mean square, which is the error of predicting none.
    """

    correlation: float
    error: float
    truth: float

    @property
    def ratio(self) -> float:
        """The error by the truth: below 1 is better than none; not a number where the truth is 0."""
        return self.error / self.truth if self.truth else float("nan")


@dataclass(frozen=True)
class RegionGain:
    """What detail gains in a region of a scan.

    `distance` is the mean over the region's `vertices`, in the scan's unit. `angle` is the mean between
    normals in degrees, over the `with_normals` vertices where scan and both surfaces have one; not a number
    where there are none.
    """

    distance: Gain
    angle: Gain
    vertices: int
    with_normals: int


@dataclass(frozen=True)
class ScanGain:
    """What detail gains in each region of a scan, and in all of them together, each vertex counted once."""

    regions: dict[str, RegionGain]
    overall: RegionGain


def displacement_error(
    predicted: Float[np.ndarray, "size size"],
    truth: Float[np.ndarray, "size size"],
    region: Bool[np.ndarray, "size size"],
) -> DisplacementError:
    """How near a predicted displacement map (metres, UV) is to the true one, over the texels of a region.

    ValueError for an empty region and for a value in it that is not finite.
    """
    found, known = _inside("predicted", predicted, region), _inside("truth", truth, region)
    return DisplacementError(
        _correlation(found, known),
        float(np.sqrt(np.square(found - known).mean())),
        float(np.sqrt(np.square(known).mean())),
    )


def scan_gain(
    scan: Mesh, coarse: Mesh, detailed: Mesh, regions: Mapping[str, Int[np.ndarray, " _"]]
) -> ScanGain:
    """How much nearer a detailed surface is to a scan than the coarse one, by named regions of its vertices.

    All three meshes lie in one frame, in one unit, whichever it is, with triangles counter-clockwise seen
    from outside. Each vertex of the scan is compared with the closest point of a surface; normals there are
    the surface's vertex normals, weighted by area and interpolated. ValueError for no regions, an empty one
    and one with vertices that do not exist.
    """
    for name, indices in regions.items():
        if not len(indices):
            raise ValueError(f"region {name}: it is empty; leave it out")
        if indices.min() < 0 or indices.max() >= len(scan.vertices):
            wrong = indices.min() if indices.min() < 0 else indices.max()
            raise ValueError(f"region {name}: names vertex {wrong}, and the scan has {len(scan.vertices)}")
    if not regions:
        raise ValueError("regions: there are none; name at least one, such as the whole scan")
    chosen = np.unique(np.concatenate(list(regions.values())))
    points = scan.vertices[chosen].astype(np.float64)
    normals = vertex_normals(scan.vertices.astype(np.float64), scan.triangles)[chosen]
    coarse_distances, coarse_normals = _closest(coarse, points)
    detailed_distances, detailed_normals = _closest(detailed, points)
    known = np.all([each.any(1) for each in (normals, coarse_normals, detailed_normals)], axis=0)
    coarse_angles, detailed_angles = _degrees(coarse_normals, normals), _degrees(detailed_normals, normals)

    def gain(part: Int[np.ndarray, " part"]) -> RegionGain:
        turned = part[known[part]]
        return RegionGain(
            Gain(_mean(coarse_distances[part]), _mean(detailed_distances[part])),
            Gain(_mean(coarse_angles[turned]), _mean(detailed_angles[turned])),
            len(part),
            len(turned),
        )

    by_region = {name: gain(np.searchsorted(chosen, np.unique(indices))) for name, indices in regions.items()}
    return ScanGain(by_region, gain(np.arange(len(chosen))))


def photo_gain(
    photo: Float[np.ndarray, "height width 3"],
    coarse: Float[np.ndarray, "height width 3"],
    detailed: Float[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
) -> Gain:
    """The mean absolute error of two renderings of a photo, colours in [0, 1], over the pixels of a mask.

    ValueError for an empty mask and for a value in it that is not finite.
    """
    colours = _inside("photo", photo, mask)
    return Gain(
        float(np.abs(_inside("coarse", coarse, mask) - colours).mean()),
        float(np.abs(_inside("detailed", detailed, mask) - colours).mean()),
    )


def _inside(name: str, values: np.ndarray, mask: np.ndarray) -> Float[np.ndarray, "chosen *channel"]:
    inside = values[mask].astype(np.float64)
    if not len(inside):
        raise ValueError(f"{name}: the mask chooses nothing of it; give one that is true somewhere")
    if not np.isfinite(inside).all():
        raise ValueError(
            f"{name}: {(~np.isfinite(inside)).sum()} values in the mask are not finite; mask them"
        )
    return inside


def _correlation(first: Float[np.ndarray, " texel"], second: Float[np.ndarray, " texel"]) -> float:
    # Exactly constant: centred, rounding alone would be left and would correlate somehow.
    if not np.ptp(first) or not np.ptp(second):
        return float("nan")
    a, b = first - first.mean(), second - second.mean()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _closest(
    mesh: Mesh, points: Float[np.ndarray, "point 3"]
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, "point 3"]]:
    """Distances from the points to a mesh, and its smooth normals where they are nearest."""
    surface = Surface(mesh.vertices, mesh.triangles)
    distances, triangles, closest = surface.closest(points)
    corners = surface.triangles[triangles]
    weights = closest_barycentrics(closest, *np.moveaxis(surface.vertices[corners], 1, 0))
    normals = vertex_normals(surface.vertices, surface.triangles)
    return distances, unit((normals[corners] * weights[..., None]).sum(1))


def _degrees(
    first: Float[np.ndarray, "point 3"], second: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, " point"]:
    # Their cosine says nothing of small angles.
    sine = np.linalg.norm(np.cross(first, second), axis=1)
    return np.degrees(np.arctan2(sine, (first * second).sum(1)))


def _mean(values: Float[np.ndarray, " value"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
