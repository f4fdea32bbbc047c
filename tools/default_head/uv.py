"""The texture layout of the default head: symmetric, the face in the middle, seams at the back and inside."""

from __future__ import annotations

import numpy as np
from default_head.charts import Chart, box_chart, round_chart, with_mirror_images
from default_head.regions import LEFT_EYEBALL, LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH
from default_head.skin_chart import skin_chart
from jaxtyping import Bool, Float, Int

# The right half of the map, which holds the subject's left: the outer skin above, the islands in a band below
# it. Boxes are ((low u, low v), (high u, high v)) and keep 6 texels of 1024 between each other, and from the
# mirrored half.
SKIN_BOX = ((0.5, 0.115), (0.996, 0.996))
EYEBALL_FRONT_BOX = ((0.892, 0.005), (0.995, 0.108))
EYEBALL_BACK_BOX = ((0.848, 0.005), (0.884, 0.041))
SOCKET_BOX = ((0.826, 0.048), (0.886, 0.108))
MOUTH_BOX = ((0.718, 0.005), (0.820, 0.108))
TONGUE_BOX = ((0.612, 0.005), (0.712, 0.108))
UPPER_TEETH_BOX = ((0.504, 0.060), (0.606, 0.108))
LOWER_TEETH_BOX = ((0.504, 0.005), (0.606, 0.053))
# The front of an eyeball, which the lids can show, ends this far from its pole.
EYEBALL_FRONT_DEGREES = 86


def unwrap(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    part: Int[np.ndarray, " triangle"],
    vertex_mirror: Int[np.ndarray, " vertex"],
    regions: dict[str, Bool[np.ndarray, " triangle"]],
) -> tuple[Float[np.ndarray, "texture_vertex 2"], Int[np.ndarray, "triangle 3"]]:
    """Texture vertices (u, v) in [0, 1] and the triangles that index them, beside `triangles`.

    The mirror image of a point of the head lies at (1 - u, v): only the left half is flattened. `part`
    numbers the parts as regions.SKIN to TONGUE do, and `regions` are those of regions.region_masks.
    """
    left = vertices[triangles].mean(1)[:, 0] > 0
    mouth, sockets = regions["mouth_interior"], regions["eye_sockets"]
    skin = np.flatnonzero(left & (part == SKIN) & ~mouth & ~sockets)
    charts = [
        skin_chart(vertices, triangles, skin, vertex_mirror, regions, *SKIN_BOX),
        round_chart(vertices, triangles, np.flatnonzero(left & mouth)).placed(*MOUTH_BOX),
        round_chart(vertices, triangles, np.flatnonzero(left & sockets)).placed(*SOCKET_BOX),
        round_chart(vertices, triangles, np.flatnonzero(left & (part == TONGUE))).placed(*TONGUE_BOX),
    ]
    for teeth, box in ((UPPER_TEETH, UPPER_TEETH_BOX), (LOWER_TEETH, LOWER_TEETH_BOX)):
        width, height = np.subtract(box[1], box[0])
        numbers = np.flatnonzero(left & (part == teeth))
        charts.append(box_chart(vertices, triangles, numbers, width, height).placed(*box))
    front, back = eyeball_charts(vertices, triangles, np.flatnonzero(part == LEFT_EYEBALL))
    charts += [front.placed(*EYEBALL_FRONT_BOX), back.placed(*EYEBALL_BACK_BOX)]
    return with_mirror_images(charts, triangles, vertex_mirror)


def eyeball_charts(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    numbers: Int[np.ndarray, " chosen"],
) -> tuple[Chart, Chart]:
    """A ball seen from the front, the iris a circle in the middle, and the rest of it seen from behind."""
    corners = vertices[triangles[numbers]]
    points = vertices[np.unique(triangles[numbers])]
    # Points of a sphere satisfy 2 c.x + (r^2 - |c|^2) = |x|^2, linear in the centre c.
    system = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    centre = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0][:3]
    x, y, z = np.moveaxis(corners - centre, -1, 0)
    across = np.maximum(np.hypot(x, y), 1e-12)
    polar = np.arctan2(across, z)
    in_front = (polar < np.radians(EYEBALL_FRONT_DEGREES)).all(1)
    seen = np.stack([x, y], -1)
    behind = (np.pi - polar)[..., None] * np.stack([-x / across, y / across], -1)
    return Chart(numbers[in_front], seen[in_front]), Chart(numbers[~in_front], behind[~in_front])
