"""The left half of the outer skin, flattened into an upright box whose left side is the face's midline."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from default_head.charts import Chart, along, boundary_loops
from default_head.flatten import minimise_distortion, reference_triangles, tutte_embedding
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

# How large skin far from the face is drawn, and over how many metres it shrinks to that.
FAR_SCALE, EAR_SCALE, SHRINKING = 0.25, 0.6, 0.025
# How much the shape of a triangle counts, on the face and elsewhere; the fill of a hole only keeps it open.
FACE_WEIGHT, EAR_WEIGHT, OTHER_WEIGHT, FILL_WEIGHT = 1.0, 0.6, 0.1, 1e-3
# The seam begins where the head is highest when it is bowed by this slope.
CROWN_FORWARD = 0.5
LID_OPENING, LIP_OPENING = 0.004, 0.002
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
    midline = vertex_mirror[used] == used
    outer, *holes = boundary_loops(local)
    inside_mouth = np.isin(used, triangles[regions["mouth_interior"]])
    shapes = [reference_triangles(positions, local)]
    fans, centres = [], []
    for loop, opening in [(hole, LID_OPENING) for hole in holes] + [
        (_chain(outer, inside_mouth), LIP_OPENING)
    ]:
        centre = len(positions) + len(centres)
        closed = [*loop, loop[0]] if opening == LID_OPENING else loop
        fans += [(second, first, centre) for first, second in pairwise(closed)]
        lengths = np.linalg.norm(np.diff(positions[closed], axis=0), axis=1)
        shapes.append(
            np.stack(
                [np.stack([lengths, lengths / 2], 1), np.stack([0 * lengths, 0 * lengths + opening], 1)], 1
            )
        )
        centres.append(positions[loop].mean(0))
    lips = len(positions) + len(centres) - 1
    all_triangles = np.concatenate([local, fans])
    all_shapes = np.concatenate(shapes)

    border = _border(outer, inside_mouth, midline, positions, lips)
    points, fixed = _on_box(border, np.concatenate([positions, centres]), low, high)
    points = tutte_embedding(all_triangles, fixed.any(1), points)

    face = regions["face"][numbers]
    middles = positions[local].mean(1)
    distance = cKDTree(middles[face]).query(middles)[0]
    scale = FAR_SCALE + (1 - FAR_SCALE) * np.exp(-distance / SHRINKING)
    ears = regions["ears"][numbers]
    scale = np.where(ears, EAR_SCALE, scale)
    area = np.linalg.det(shapes[0]) * scale**2
    size = np.array(high) - low
    unit = np.sqrt(2 * size.prod() / area.sum())
    filler = len(all_triangles) - len(local)
    all_shapes *= unit * np.concatenate([scale, np.ones(filler)])[:, None, None]
    weights = area * np.where(face, FACE_WEIGHT, np.where(ears, EAR_WEIGHT, OTHER_WEIGHT)) / area.sum()
    weights = np.concatenate([weights, np.full(filler, FILL_WEIGHT * weights.mean())])
    points = minimise_distortion(points, all_triangles, all_shapes, weights, fixed)
    return Chart(numbers, points[local])


def _chain(loop: list[int], chosen: Bool[np.ndarray, " vertex"]) -> list[int]:
    """The run of chosen vertices of a loop, in its direction."""
    start = next(i for i, vertex in enumerate(loop) if chosen[vertex] and not chosen[loop[i - 1]])
    turned = loop[start:] + loop[:start]
    return [vertex for vertex in turned if chosen[vertex]]


def _border(outer, inside_mouth, midline, positions, lips) -> dict[str, list[int]]:
    """The runs of the border from corner to corner, counter-clockwise: neck, seam, and midline with the mouth
    filled.
    """
    on_neck = np.zeros(len(positions), bool)
    on_neck[[vertex for vertex in outer if not midline[vertex] and not inside_mouth[vertex]]] = True
    first = next(i for i, vertex in enumerate(outer) if on_neck[vertex] and not on_neck[outer[i - 1]]) - 1
    turned = outer[first:] + outer[:first]
    nape = max(i for i, vertex in enumerate(turned) if on_neck[vertex]) + 1
    crown = max(
        range(len(turned)), key=lambda i: positions[turned[i], 1] + CROWN_FORWARD * positions[turned[i], 2]
    )
    front = [*turned[crown:], turned[0]]
    mouth = [i for i, vertex in enumerate(front) if inside_mouth[vertex]]
    front = [*front[: mouth[0] + 1], lips, *front[mouth[-1] :]]
    return {"neck": turned[: nape + 1], "seam": turned[nape : crown + 1], "front": front}


def _on_box(border, positions, low, high) -> tuple[np.ndarray, np.ndarray]:
    """Places on the box for the border's vertices, and which of their coordinates the box holds."""
    points, fixed = np.zeros((len(positions), 2)), np.zeros((len(positions), 2), bool)
    around = border["neck"][:-1] + border["seam"]
    neck = along(positions, border["neck"])
    seam = along(positions, border["seam"])
    lower = int(np.abs(neck - NECK_CORNER).argmin())
    upper = len(border["neck"]) - 1 + int(np.abs(seam - SEAM_CORNER).argmin())
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1]), low], dtype=float)
    runs = [around[: lower + 1], around[lower : upper + 1], around[upper:], border["front"]]
    for number, run in enumerate(runs):
        start, stop = corners[number], corners[number + 1]
        points[run] = start + along(positions, run)[:, None] * (stop - start)
        # Along a level side the height is held, along an upright one the column; at a corner both are.
        fixed[run, 1 - number % 2] = True
    return points, fixed
