"""Soft masks of a face in its texture map, painted from distances to landmarks and edges; none comes from a
photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
import scipy.sparse as sparse
from default_head.regions import HAIRLINE, LEFT_EYEBALL, NECK_LINE
from default_head.texels import Texels
from jaxtyping import Bool, Float, Int
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

# The upper edge of a beard in side view, as (forward, up) in millimetres from the middle between the eyes.
BEARD_EDGE = np.array([(-62, -20), (-30, -44), (0, -60), (22, -66), (60, -66)])
BLOTCH_WIDTH, BLOTCH_SPACING = 16.0, 20.0
FRECKLES = 350


@dataclass(frozen=True)
class FaceSurface:
    """The head that is painted: its mesh, its parts and regions, and its 68 iBUG landmarks, metres."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    part: Int[np.ndarray, " triangle"]
    regions: dict[str, Bool[np.ndarray, " triangle"]]
    landmarks: Float[np.ndarray, "68 3"]


@dataclass(frozen=True)
class Masks:
    """One row per mask of `names`, in [0, 1], one column per texel; `blotches` are smooth bumps all over the
    skin.
    """

    named: dict[str, Float[np.ndarray, " texel"]]
    blotches: Float[np.ndarray, "bump texel"]

    def __getitem__(self, name: str) -> Float[np.ndarray, " texel"]:
        return self.named[name]


def paint_masks(surface: FaceSurface, texels: Texels) -> Masks:
    """Paint every mask at the texels of a map, row by row; all are left-right symmetric.

    Lengths below are millimetres on a head of average size.
    """
    landmarks, origin = _left_landmarks(surface)
    points = texels.interpolate(surface.vertices, surface.triangles).reshape(-1, 3) * 1000 - origin
    points[:, 0] = np.abs(points[:, 0])
    side, up, forward = points.T
    triangle = texels.spread(texels.triangles[..., None])[..., 0].ravel()
    skin = surface.regions
    outside = ~(skin["mouth_interior"] | skin["eye_sockets"]) & (surface.part == 0)
    on = {name: chosen[triangle] for name, chosen in skin.items()}

    def around(centre: np.ndarray, width: float) -> np.ndarray:
        return np.exp(-0.5 * ((points - centre) ** 2).sum(1) / width**2)

    def spot(*indices: int, width: float) -> np.ndarray:
        return around(landmarks[list(indices)].mean(0), width)

    def near(path: np.ndarray, width: float) -> np.ndarray:
        return np.exp(-0.5 * (_distance_to_path(points, path)[0] / width) ** 2)

    def soft(name: str, steps: int) -> np.ndarray:
        values = _smooth_membership(surface, skin[name], outside, steps)
        return texels.interpolate(values[:, None], surface.triangles)[..., 0].ravel()

    from_lid = KDTree(_left_edge(surface, "eye_sockets", outside, origin)).query(points)[0]
    lip_edge = _left_edge(surface, "mouth_interior", outside, origin)
    mouth_corner = lip_edge[lip_edge[:, 0].argmax()]
    inner, outer = landmarks[42], landmarks[45]
    eye_line = np.interp(side, [inner[0], outer[0]], [inner[1], outer[1]])
    upper_lid = _step((up - eye_line) / 2)
    around_eye = np.exp(-0.5 * (from_lid / 6) ** 2) * ~on["lips"]
    brow = CubicSpline(np.arange(5), landmarks[22:27])(np.linspace(-0.1, 4, 40))
    from_brow, along_brow = _distance_to_path(points, brow - np.array([0, 2.2, 0]))
    brow_width = np.interp(along_brow, [0, 0.2, 0.6, 1], [2.8, 4.2, 3.4, 1.3])
    under_eye = landmarks[[42, 47, 46, 45]] + [0, -7.0, 1.0]
    cheek = landmarks[[45, 35, 54]].mean(0)
    moustache = np.stack([landmarks[group].mean(0) for group in ([33, 51], [35, 52, 53], [54])])
    jaw = _step((np.interp(forward, *BEARD_EDGE.T) - up) / 7) * _step((up + 134) / 8)
    jaw = jaw * (1 - 0.7 * near(landmarks[[54, 55, 57]] + [3, -4, 0], 3.0))
    hairline = np.minimum(np.interp(up, *HAIRLINE.T) - forward, up - np.interp(forward, *NECK_LINE.T) + 6)
    ears = soft("ears", 1)
    skin_here = (on["face"] | on["scalp"] | on["neck"] | on["ears"]).astype(float)
    lips = soft("lips", 0)
    named = {
        "cheeks": around(cheek, 17),
        "nose": spot(30, width=10) + 0.6 * spot(35, width=6),
        "chin": spot(8, 57, width=13),
        "forehead": np.exp(-0.5 * ((up - 50) / 22) ** 2) * (forward > -25),
        "ears": ears,
        "lids": around_eye * (0.35 + 0.65 * upper_lid),
        "under_eye": near(under_eye, 4.0) * (1 - upper_lid),
        "caruncle": spot(42, width=2.2),
        "lash": np.exp(-0.5 * (from_lid / 2.0) ** 2) * (0.35 + 0.65 * upper_lid) * on["face"],
        "perioral": near(landmarks[[51, 53, 54, 55, 57]], 9.0),
        "nasolabial": near(np.stack([landmarks[35] + [4, 0, 0], landmarks[54] + [6, 4, 0]]), 4.0),
        "lips": lips,
        "lip_gap": np.exp(-0.5 * (KDTree(lip_edge).query(points)[0] / 1.6) ** 2) * on["lips"],
        "brow": np.exp(-((from_brow / brow_width) ** 2)) * _step((0.9 - from_brow / 9) * 8) * on["face"],
        "moustache": near(moustache, 4.5) * (1 - lips) * on["face"] * (up < landmarks[33][1] + 3),
        "jaw": jaw * (1 - lips) * skin_here * (1 - ears),
        "hairline": hairline,
        "not_ears": (1 - ears) * skin_here,
        # The corner of the mouth is a fold too fine for the mesh.
        "occluded": np.maximum(_occlusion(surface, texels, outside), 0.6 * around(mouth_corner, 3.5)),
        "freckles": _freckles(points, surface, origin, on["face"], cheek, landmarks[30]),
    }
    named = {name: np.asarray(mask, np.float32) for name, mask in named.items()}
    blotches = _blotches(points, surface, origin, outside, skin_here)
    return Masks(named, blotches.astype(np.float32))


def _left_landmarks(surface: FaceSurface) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks made symmetric, millimetres from the middle between the eyeballs; and that middle."""
    ball = surface.vertices[np.unique(surface.triangles[surface.part == LEFT_EYEBALL])]
    origin = (ball.min(0) + ball.max(0)) / 2 * [0, 1000, 1000]
    mirrored = surface.landmarks[IBUG_MIRROR] * [-1, 1, 1]
    return (surface.landmarks + mirrored) / 2 * 1000 - origin, origin


# Where each iBUG landmark's mirror image stands: contour, brows, nose, eyes, lips outside and inside.
IBUG_MIRROR = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        [27, 28, 29, 30, 35, 34, 33, 32, 31],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],
        [64, 63, 62, 61, 60, 67, 66, 65],
    ]
)


def _step(value: np.ndarray) -> np.ndarray:
    """A smooth step from 0 to 1 over about [-2, 2]."""
    return 1 / (1 + np.exp(-np.clip(2 * value, -30, 30)))


def _left_edge(surface: FaceSurface, region: str, outside: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Points close together along the edge where the outer skin of the left half meets a region inside."""

    def edges(chosen: np.ndarray) -> np.ndarray:
        corners = surface.triangles[chosen]
        return np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)

    inner = {tuple(edge) for edge in edges(surface.regions[region]).tolist()}
    shared = np.array([edge for edge in edges(outside).tolist() if tuple(edge) in inner])
    ends = surface.vertices[shared] * 1000 - origin
    ends = ends[ends[:, :, 0].max(1) > 0]
    fractions = np.linspace(0, 1, 8)[:, None, None]
    return (ends[:, 0] * (1 - fractions) + ends[:, 1] * fractions).reshape(-1, 3)


def _distance_to_path(points: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a polyline, and the fraction of its length at the nearest point."""
    best, where = np.full(len(points), np.inf), np.zeros(len(points))
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    before = np.concatenate([[0], np.cumsum(lengths)])
    for number, length in enumerate(lengths):
        direction = (path[number + 1] - path[number]) / length
        along = np.clip((points - path[number]) @ direction, 0, length)
        distance = np.linalg.norm(points - path[number] - along[:, None] * direction, axis=1)
        closer = distance < best
        best = np.where(closer, distance, best)
        where = np.where(closer, (before[number] + along) / before[-1], where)
    return best, where


def _smooth_membership(surface, chosen, among, steps) -> Float[np.ndarray, " vertex"]:
    """How much of a region each vertex belongs to, by its triangles of `among`, smoothed over the mesh."""
    count = len(surface.vertices)
    corners = surface.triangles[among]
    total = np.bincount(corners.ravel(), minlength=count)
    inside = np.bincount(surface.triangles[among & chosen].ravel(), minlength=count)
    values = inside / np.maximum(total, 1)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    adjacency = sparse.csr_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    for _ in range(steps):
        values = np.where(total > 0, 0.5 * values + 0.5 * (adjacency @ values) / degree, values)
    return values


def _occlusion(surface, texels, outside) -> np.ndarray:
    """How enclosed the skin is: light hardly reaches nostrils, ears and the corners of the mouth."""
    triangles = surface.triangles[outside]
    used, local = np.unique(triangles, return_inverse=True)
    positions = surface.vertices[used]
    local = local.reshape(-1, 3)
    normals = igl.per_vertex_normals(positions, local)
    hidden = np.zeros((len(surface.vertices), 1))
    hidden[used, 0] = igl.ambient_occlusion(positions, local, positions, normals, 200)
    # Open skin near a fold sees half of the sky and is lit well enough: only deeper places count.
    return np.clip(texels.interpolate(hidden, surface.triangles)[..., 0].ravel() / 0.6 - 0.5, 0, 1)


def _freckles(points, surface, origin, face, cheek, nose) -> np.ndarray:
    """Dots of about 1 mm, densest over the nose and the cheeks; the same ones at every size of map."""
    generator = np.random.default_rng(7)
    corners = surface.vertices[surface.triangles[surface.regions["face"]]] * 1000 - origin
    corners = corners[corners.mean(1)[:, 0] > 0]
    middles = corners.mean(1)
    density = np.exp(-0.5 * ((middles - cheek) ** 2).sum(1) / 20**2) + 0.05
    density += np.exp(-0.5 * ((middles - nose) ** 2).sum(1) / 14**2)
    density *= np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = generator.choice(len(corners), FRECKLES, p=density / density.sum())
    centres = (corners[chosen] * generator.dirichlet([1, 1, 1], FRECKLES)[..., None]).sum(1)
    widths = generator.uniform(0.8, 1.5, FRECKLES)
    strength = np.zeros(len(points))
    for centre, width in zip(centres, widths, strict=True):
        close = np.flatnonzero((np.abs(points - centre) < 4 * width).all(1))
        strength[close] += np.exp(-0.5 * ((points[close] - centre) ** 2).sum(1) / width**2)
    return np.minimum(strength, 1) * face


def _blotches(points, surface, origin, outside, skin) -> np.ndarray:
    """Smooth bumps at points spread evenly over the skin in front, by farthest-point sampling."""
    vertices = surface.vertices[np.unique(surface.triangles[outside])] * 1000 - origin
    candidates = vertices[(vertices[:, 0] >= 0) & (vertices[:, 2] > -40) & (vertices[:, 1] > -120)]
    centres = [candidates[candidates[:, 2].argmax()]]
    distance = np.linalg.norm(candidates - centres[0], axis=1)
    while distance.max() > BLOTCH_SPACING:
        centres.append(candidates[distance.argmax()])
        distance = np.minimum(distance, np.linalg.norm(candidates - centres[-1], axis=1))
    squared = np.stack([((points - centre) ** 2).sum(1) for centre in centres])
    return np.exp(-0.5 * squared / BLOTCH_WIDTH**2) * skin
