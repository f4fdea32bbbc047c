"""The left half of the outer skin, flattened into an upright box whose left side is the face's midline."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from default_head.charts import Chart, along, boundary_loops
from default_head.flatten import minimise_distortion, reference_triangles, tutte_embedding
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

# How large skin far from the face and ears are drawn, and over how many metres skin shrinks to that.
FAR_SCALE, EAR_SCALE, SHRINKING = 0.25, 0.6, 0.025
# How much the shape of a triangle counts; the fill of a hole only keeps it open.
FACE_WEIGHT, EAR_WEIGHT, OTHER_WEIGHT, FILL_WEIGHT = 1.0, 0.6, 0.1, 1e-3
# The height of the triangles that fill the holes of lids and lips, metres.
LID_OPENING, LIP_OPENING = 0.004, 0.002
# The seam at the back begins where the head would be highest if it were bowed by this slope.
BOW = 0.5
# Where the box's two right corners cut the border: fractions of the neck's ring and of the seam at the back.
NECK_CORNER, SEAM_CORNER = 0.5, 0.5


def skin_chart(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    numbers: Int[np.ndarray, " chosen"],
    vertex_mirror: Int[np.ndarray, " vertex"],
    regions: dict[str, Bool[np.ndarray, " triangle"]],
    low: tuple[float, float],
    high: tuple[float, float],
) -> Chart:
    """Flatten the triangles `numbers`, the outer skin of the left half, into the box from `low` to `high`.

    The midline from throat to crown slides along the box's left side; the seam from the crown down to the
    nape and the ring of the neck slide along the other three. Lids and lips are holes.
    """
    used, local = np.unique(triangles[numbers], return_inverse=True)
    local = local.reshape(-1, 3)
    positions = vertices[used]
    outer, lids = boundary_loops(local)
    in_mouth = np.isin(used, triangles[regions["mouth_interior"]])
    lips = _run(outer, in_mouth)

    eye, mouth = len(used), len(used) + 1
    positions = np.concatenate([positions, [positions[lids].mean(0), positions[lips].mean(0)]])
    lid_fill, lid_shapes = _fan(positions, [*lids, lids[0]], eye, LID_OPENING)
    lip_fill, lip_shapes = _fan(positions, lips, mouth, LIP_OPENING)
    filled = np.concatenate([local, lid_fill, lip_fill])

    neck, seam, front = _border(outer, in_mouth, vertex_mirror[used] == used, positions, mouth)
    points, fixed = _on_box(neck, seam, front, positions, low, high)
    points = tutte_embedding(filled, np.logical_or(*fixed.T), points)

    skin_shapes = reference_triangles(positions, local)
    scale, importance = _scale_and_importance(positions[local].mean(1), numbers, regions)
    area = np.linalg.det(skin_shapes) / 2 * scale**2
    unit = np.sqrt(np.subtract(high, low).prod() / area.sum())
    shapes = np.concatenate([skin_shapes * scale[:, None, None], lid_shapes, lip_shapes]) * unit
    weights = area * importance / area.sum()
    fill_weights = np.full(len(filled) - len(local), FILL_WEIGHT * weights.mean())
    points = minimise_distortion(points, filled, shapes, np.concatenate([weights, fill_weights]), fixed)
    return Chart(numbers, points[local])


def _scale_and_importance(middles, numbers, regions) -> tuple[np.ndarray, np.ndarray]:
    """The size at which each triangle is to be drawn, that of the face being one, and how much its shape
    counts.
    """
    face, ears = regions["face"][numbers], regions["ears"][numbers]
    from_face = KDTree(middles[face]).query(middles)[0]
    scale = FAR_SCALE + (1 - FAR_SCALE) * np.exp(-from_face / SHRINKING)
    importance = np.where(face, FACE_WEIGHT, np.where(ears, EAR_WEIGHT, OTHER_WEIGHT))
    return np.where(ears, EAR_SCALE, scale), importance


def _fan(positions, path, centre, height) -> tuple[np.ndarray, np.ndarray]:
    """Triangles from the edges of a hole's border to its centre, and isosceles shapes for them."""
    triangles = np.array([(second, first, centre) for first, second in pairwise(path)])
    lengths = np.linalg.norm(np.diff(positions[path], axis=0), axis=1)
    shapes = np.zeros((len(lengths), 2, 2))
    shapes[:, 0, 0], shapes[:, 0, 1], shapes[:, 1, 1] = lengths, lengths / 2, height
    return triangles, shapes


def _run(loop: list[int], chosen: Bool[np.ndarray, " vertex"]) -> list[int]:
    """The one run of chosen vertices of a loop, in its direction."""
    start = next(place for place, vertex in enumerate(loop) if chosen[vertex] and not chosen[loop[place - 1]])
    return [vertex for vertex in loop[start:] + loop[:start] if chosen[vertex]]


def _border(outer, in_mouth, midline, positions, mouth) -> tuple[list[int], list[int], list[int]]:
    """The border counter-clockwise in three runs: neck, seam up to the crown, and the midline down the front.

    The filled mouth is crossed by way of its centre.
    """
    on_neck = np.zeros(len(positions), bool)
    on_neck[[vertex for vertex in outer if not midline[vertex] and not in_mouth[vertex]]] = True
    ring = next(i for i, vertex in enumerate(outer) if on_neck[vertex] and not on_neck[outer[i - 1]])
    turned = outer[ring - 1 :] + outer[: ring - 1]
    nape = max(place for place, vertex in enumerate(turned) if on_neck[vertex]) + 1
    crown = int(np.argmax(positions[turned] @ [0, 1, BOW]))
    front = [*turned[crown:], turned[0]]
    lips = [place for place, vertex in enumerate(front) if in_mouth[vertex]]
    return turned[: nape + 1], turned[nape : crown + 1], [*front[: lips[0] + 1], mouth, *front[lips[-1] :]]


def _on_box(neck, seam, front, positions, low, high) -> tuple[np.ndarray, np.ndarray]:
    """Places on the box for the border's vertices, and which of their coordinates the box holds."""
    points, fixed = np.zeros((len(positions), 2)), np.zeros((len(positions), 2), bool)
    around = neck[:-1] + seam
    lower = int(np.abs(along(positions, neck) - NECK_CORNER).argmin())
    upper = len(neck) - 1 + int(np.abs(along(positions, seam) - SEAM_CORNER).argmin())
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1]), low], dtype=float)
    runs = [around[: lower + 1], around[lower : upper + 1], around[upper:], front]
    for number, run in enumerate(runs):
        start, stop = corners[number], corners[number + 1]
        points[run] = start + along(positions, run)[:, None] * (stop - start)
        # Along a level side the height is held, along an upright one the column; at a corner both are.
        fixed[run, 1 - number % 2] = True
    return points, fixed
