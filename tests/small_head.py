"""A head of 200 vertices made from numbers alone: an ellipsoid with everything a HeadData needs."""

from __future__ import annotations

import numpy as np

from deca.head.data import HeadData

COLUMNS = 18
RINGS = 11
RADII = np.array([0.075, 0.11, 0.095])
ARKIT_SIDES = (
    "browDown",
    "browOuterUp",
    "cheekSquint",
    "eyeBlink",
    "eyeLookDown",
    "eyeLookIn",
    "eyeLookOut",
    "eyeLookUp",
    "eyeSquint",
    "eyeWide",
    "mouthDimple",
    "mouthFrown",
    "mouthLowerDown",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
)
ARKIT_SINGLE = (
    "browInnerUp",
    "cheekPuff",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthFunnel",
    "mouthLeft",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "tongueOut",
)
# (degrees to the subject's left, degrees up) of half a face's inner points in iBUG order; mirrored below.
_BROW = [(-48, 28), (-40, 33), (-31, 35), (-21, 34), (-11, 31)]
_NOSE = [(0, 20), (0, 12), (0, 5), (0, -2), (-12, -8), (-6, -10), (0, -11), (6, -10), (12, -8)]
_EYE = [(-38, 18), (-31, 22), (-22, 22), (-15, 18), (-22, 15), (-31, 15)]
_MOUTH_OUTER = [
    (-22, -25),
    (-14, -21),
    (-6, -19),
    (0, -20),
    (6, -19),
    (14, -21),
    (22, -25),
    (14, -31),
    (6, -34),
]
_MOUTH_OUTER += [(0, -35), (-6, -34), (-14, -31)]
_MOUTH_INNER = [(-18, -25), (-7, -24), (0, -24), (7, -24), (18, -25), (7, -27), (0, -28), (-7, -27)]


def make_small_head() -> HeadData:
    """The same head every time; the face looks along +z, the UV seam runs down the back."""
    random = np.random.default_rng(7)
    longitude = -np.pi + 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    latitude = np.radians(75) * np.linspace(-1, 1, RINGS)
    vertices = np.array([_on_ellipsoid(lon, lat) for lat in latitude for lon in longitude])
    vertices = np.concatenate([vertices, [_on_ellipsoid(0, -np.pi / 2), _on_ellipsoid(0, np.pi / 2)]])
    triangles, texture_vertices, texture_triangles = _topology(latitude)
    mirror = [
        ring * COLUMNS + (COLUMNS - column) % COLUMNS for ring in range(RINGS) for column in range(COLUMNS)
    ]
    mirror += [RINGS * COLUMNS, RINGS * COLUMNS + 1]

    names = tuple(
        sorted([*ARKIT_SINGLE, *(f"{name}{side}" for name in ARKIT_SIDES for side in ("Left", "Right"))])
    )
    joint_rotations = np.zeros((len(names), 5, 3))
    joint_rotations[names.index("jawOpen"), 2, 0] = 0.35

    def locate(degrees: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
        uv = np.array([_uv(np.radians(lon), np.radians(lat)) for lon, lat in degrees])
        return _locate(uv, texture_vertices, texture_triangles)

    inner = _BROW + _mirrored(_BROW) + _NOSE + _EYE
    inner += [_mirrored(_EYE)[index] for index in (2, 3, 4, 5, 0, 1)]
    inner += _MOUTH_OUTER + _MOUTH_INNER
    inner_triangles, inner_barycentrics = locate(inner)
    yaws = [*range(40), *range(-1, -40, -1)]
    contour = [locate(_contour(yaw)) for yaw in yaws]
    spiral = [(70 * (k / 468) ** 0.5 * f(2.4 * k)) for k in range(468) for f in (np.cos, np.sin)]
    dense_triangles, dense_barycentrics = locate(list(zip(spiral[::2], spiral[1::2], strict=True)))

    centre = vertices[triangles].mean(1)
    front = centre[:, 2] > 0.02
    x, y = np.abs(centre[:, 0]), centre[:, 1]
    regions = {
        "face": front & (y < 0.075) & (y > -0.09),
        "eyes": front & (x > 0.015) & (x < 0.055) & (y > 0.02) & (y < 0.05),
        "lips": front & (x < 0.04) & (y > -0.07) & (y < -0.035),
        "nose": front & (x < 0.02) & (y > -0.03) & (y < 0.02),
        "forehead": front & (y > 0.055),
        "scalp": ~front & (y > -0.03),
        "neck": y < -0.09,
    }
    return HeadData(
        name="small",
        version="1",
        source="made from numbers",
        licence="CC0-1.0",
        template_vertices=vertices.astype(np.float32),
        triangles=triangles,
        texture_vertices=texture_vertices.astype(np.float32),
        texture_triangles=texture_triangles,
        shape_basis=_smooth_fields(random, vertices, 10, 0.004),
        expression_basis=_smooth_fields(random, vertices, len(names), 0.003),
        expression_names=names,
        expression_joint_rotations=joint_rotations.astype(np.float32),
        joint_names=("root", "neck", "jaw", "left_eye", "right_eye"),
        joint_parents=np.array([-1, 0, 1, 1, 1]),
        joint_regressor=_joint_regressor(vertices),
        skinning_weights=_skinning_weights(vertices),
        pose_basis=_smooth_fields(random, vertices, 36, 0.0005),
        landmark_triangles=inner_triangles,
        landmark_barycentrics=inner_barycentrics,
        contour_triangles=np.stack([row[0] for row in contour]),
        contour_barycentrics=np.stack([row[1] for row in contour]),
        full_landmark_triangles=np.concatenate([contour[0][0], inner_triangles]),
        full_landmark_barycentrics=np.concatenate([contour[0][1], inner_barycentrics]),
        dense_landmark_triangles=dense_triangles,
        dense_landmark_barycentrics=dense_barycentrics,
        region_names=tuple(regions),
        region_triangles=np.stack(list(regions.values())),
        vertex_mirror=np.array(mirror),
        albedo_mean=np.clip(
            np.array([0.75, 0.55, 0.45]) + 0.05 * random.normal(size=(32, 32, 1)), 0, 1
        ).astype(np.float32),
        albedo_basis=(0.03 * random.normal(size=(6, 16, 16, 3))).astype(np.float32),
    )


def _on_ellipsoid(longitude: float, latitude: float) -> np.ndarray:
    direction = [np.sin(longitude) * np.cos(latitude), np.sin(latitude), np.cos(longitude) * np.cos(latitude)]
    return RADII * direction


def _uv(longitude: float, latitude: float) -> tuple[float, float]:
    return 0.5 + 0.47 * longitude / np.pi, 0.5 + 0.47 * latitude / (np.pi / 2)


def _topology(latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A lattice of quads and two fans; in UV one column more, and a pole for each fan triangle."""
    triangles, texture_triangles = [], []
    longitude = np.linspace(-np.pi, np.pi, COLUMNS + 1)
    texture_vertices = [_uv(lon, lat) for lat in latitude for lon in longitude]
    south, north = RINGS * COLUMNS, RINGS * COLUMNS + 1

    def vertex(ring: int, column: int) -> int:
        return ring * COLUMNS + column % COLUMNS

    def texture_vertex(ring: int, column: int) -> int:
        return ring * (COLUMNS + 1) + column

    for column in range(COLUMNS):
        for ring in range(RINGS - 1):
            for corners in (((0, 0), (0, 1), (1, 1)), ((0, 0), (1, 1), (1, 0))):
                triangles.append([vertex(ring + r, column + c) for r, c in corners])
                texture_triangles.append([texture_vertex(ring + r, column + c) for r, c in corners])
        middle = (longitude[column] + longitude[column + 1]) / 2
        last, pole = RINGS - 1, len(texture_vertices)
        triangles.append([vertex(0, column + 1), vertex(0, column), south])
        texture_triangles.append([texture_vertex(0, column + 1), texture_vertex(0, column), pole])
        texture_vertices.append(_uv(middle, -np.pi / 2))
        triangles.append([vertex(last, column), vertex(last, column + 1), north])
        texture_triangles.append([texture_vertex(last, column), texture_vertex(last, column + 1), pole + 1])
        texture_vertices.append(_uv(middle, np.pi / 2))
    return np.array(triangles), np.array(texture_vertices), np.array(texture_triangles)


def _locate(
    points: np.ndarray, texture_vertices: np.ndarray, texture_triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The triangle under each UV point and its barycentrics."""
    corners = texture_vertices[texture_triangles]
    matrix = np.concatenate([corners.transpose(0, 2, 1), np.ones((len(corners), 1, 3))], 1)
    inverse = np.linalg.inv(matrix)
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], 1)
    barycentrics = np.einsum("tij,pj->pti", inverse, homogeneous)
    best = barycentrics.min(-1).argmax(-1)
    return best, barycentrics[np.arange(len(points)), best].astype(np.float32)


def _mirrored(degrees: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The subject's left side of right-side points, in iBUG order (outwards from the nose)."""
    return [(-longitude, latitude) for longitude, latitude in reversed(degrees)]


def _contour(yaw: int) -> list[tuple[float, float]]:
    """17 points from the subject's right ear over the chin to the left one, sliding against the yaw."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 17)
    return [(float(75 * np.sin(a) - 0.6 * yaw * abs(np.sin(a))), float(5 - 55 * np.cos(a))) for a in angles]


def _smooth_fields(random: np.random.Generator, vertices: np.ndarray, count: int, size: float) -> np.ndarray:
    directions = random.normal(scale=15, size=(count, 3, 3))
    phases = random.uniform(0, 2 * np.pi, size=(count, 1, 3))
    return (size * np.sin(np.einsum("kdc,vd->kvc", directions, vertices) + phases)).astype(np.float32)


def _joint_regressor(vertices: np.ndarray) -> np.ndarray:
    spine = [[0, -0.1, -0.02], [0, -0.07, -0.02], [0, -0.02, 0.01]]
    targets = np.array([*spine, [0.03, 0.035, 0.07], [-0.03, 0.035, 0.07]])
    distances = np.linalg.norm(vertices[None] - targets[:, None], axis=-1)
    weights = np.exp(-((distances / 0.04) ** 2))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _skinning_weights(vertices: np.ndarray) -> np.ndarray:
    x, y, z = vertices.T
    neck = 1 / (1 + np.exp(-(y + 0.08) / 0.01))
    jaw = neck / (1 + np.exp(((y + 0.03) - 0.3 * (z - 0.06)) / 0.01)) * (z > 0)
    left, right = (
        np.exp(-((x - side) ** 2 + (y - 0.035) ** 2) / 0.015**2) * (z > 0) for side in (0.03, -0.03)
    )
    eyes = [0.5 * neck * left, 0.5 * neck * right]
    jaw = jaw * (1 - sum(eyes))
    weights = np.stack([1 - neck, neck - jaw - eyes[0] - eyes[1], jaw, *eyes], 1)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
