"""How closely the default head can be other people: fits to random ICT-FaceKit heads (`make bench-head`)."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import igl
import numpy as np
from jaxtyping import Float, Int
from rich.console import Console
from rich.table import Table

from deca.head.data import HeadData
from deca.io.heads import default_head, read_head

ICT_HEADS = Path(__file__).parents[2] / "shared" / "heads" / "ict_facekit.npz"
NARROW_FACE = 6706
CENTIMETRE = 0.01
SEEDS = range(20)
BOUND = 5.0
ROUNDS = 25
LANDMARK_ROUNDS = 5
# One unit of a coefficient weighs as much as this distance at one scan point, metres times the root of the
# points.
PRIOR = 0.00005
# Distance at which a point's weight has fallen to a half (Geman and McClure's kernel), metres.
ROBUST = 0.003


@dataclass(frozen=True)
class Surface:
    """The skin of a head and its shape basis, flat, with its 68 landmarks as corners and weights."""

    vertices: Float[np.ndarray, "vertex 3"]
    basis: Float[np.ndarray, "vertex 3 shape"]
    triangles: Int[np.ndarray, "triangle 3"]
    landmark_corners: Int[np.ndarray, "68 3"]
    landmark_weights: Float[np.ndarray, "68 3"]


@dataclass(frozen=True)
class Fit:
    """A similarity and shape coefficients: scan = scale * rotation @ head(shape) + translation."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]
    shape: Float[np.ndarray, " shape"]

    def apply(self, points: Float[np.ndarray, "*point 3"]) -> Float[np.ndarray, "*point 3"]:
        """Take points of the head to the scan."""
        return self.scale * points @ self.rotation.T + self.translation


def random_ict_face(ict: dict[str, np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The narrow face of an ICT head with weights N(0, 1), and its 68 landmarks, metres."""
    weights = np.random.default_rng(seed).standard_normal(len(ict["identity_deltas"]))
    head = ict["neutral"] + np.tensordot(weights, ict["identity_deltas"].astype(float), 1)
    return head[:NARROW_FACE] * CENTIMETRE, head[ict["landmark68"]] * CENTIMETRE


def surface_of(head: HeadData) -> Surface:
    """What the fit needs of a head, its eyeballs left out."""
    rigid = np.zeros(len(head.template_vertices), bool)
    for joint in ("left_eye", "right_eye"):
        rigid |= head.skinning_weights[:, head.joint_names.index(joint)] > 0.5
    return Surface(
        head.template_vertices.astype(float),
        np.moveaxis(head.shape_basis.astype(float), 0, -1),
        np.ascontiguousarray(head.triangles[~rigid[head.triangles].any(1)]),
        head.triangles[head.full_landmark_triangles],
        head.full_landmark_barycentrics.astype(float),
    )


def fit_similarity(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"], shapes: int
) -> Fit:
    """The similarity that takes `source` to `target` with least squares (Umeyama 1991), shape zero."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, values, v = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ v))])
    rotation = u @ flip @ v
    scale = (values * np.diag(flip)).sum() / np.square(a).sum()
    return Fit(scale, rotation, target_mean - scale * rotation @ source_mean, np.zeros(shapes))


def fit_scan(
    surface: Surface, scan: Float[np.ndarray, "point 3"], landmarks: Float[np.ndarray, "68 3"]
) -> Fit:
    """Non-rigid closest points: similarity and shape by turns of finding closest points and a Gauss-Newton
    step."""
    inner = slice(17, 68)
    corners, weights = surface.landmark_corners[inner], surface.landmark_weights[inner]
    start = (surface.vertices[corners] * weights[..., None]).sum(1)
    fit = fit_similarity(start, landmarks[inner], surface.basis.shape[-1])
    for round_number in range(ROUNDS):
        vertices = posed(surface, fit)
        squared, found, closest = closest_points(vertices, surface.triangles, scan)
        triangle_corners = surface.triangles[found]
        a, b, c = (vertices[triangle_corners[:, corner]] for corner in range(3))
        normals = np.cross(b - a, c - a)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        robust = (ROBUST**2 / (ROBUST**2 + squared)) / np.sqrt(len(scan))
        barycentrics = igl.barycentric_coordinates(closest, a, b, c)
        rows = [_point_rows(surface, fit, triangle_corners, barycentrics, scan, robust, normals)]
        if round_number < LANDMARK_ROUNDS:
            pull = np.full(len(corners), 0.5 / np.sqrt(len(corners)))
            rows += [
                _point_rows(
                    surface, fit, corners, weights, landmarks[inner], pull, np.tile(axis, (len(corners), 1))
                )
                for axis in np.eye(3)
            ]
        jacobian = np.concatenate([row[0] for row in rows])
        residual = np.concatenate([row[1] for row in rows])
        fit = _step(fit, jacobian, residual)
    return fit


def posed(surface: Surface, fit: Fit) -> Float[np.ndarray, "vertex 3"]:
    """The fitted head's vertices, in the scan's frame."""
    return fit.apply(surface.vertices + surface.basis @ fit.shape)


def closest_points(vertices, triangles, points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared distances, triangles and positions of the closest points of a mesh."""
    squared, found, closest = igl.point_mesh_squared_distance(
        np.ascontiguousarray(points), vertices, triangles
    )
    return np.asarray(squared), np.asarray(found), np.asarray(closest)


def distances_millimetres(
    surface: Surface, fit: Fit, scan: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, " point"]:
    """Distances from the scan's points to the fitted surface."""
    return 1000 * np.sqrt(closest_points(posed(surface, fit), surface.triangles, scan)[0])


def _point_rows(surface: Surface, fit: Fit, corners, barycentrics, targets, weights, normals):
    """Rows of the linearised distance from surface points to targets along normals: rotation, scale, shift,
    shape."""
    rest = ((surface.vertices[corners] + surface.basis[corners] @ fit.shape) * barycentrics[..., None]).sum(1)
    turned = fit.scale * rest @ fit.rotation.T
    local = fit.scale * normals @ fit.rotation
    shape = np.einsum("pc,pk,pkcs->ps", local, barycentrics, surface.basis[corners], optimize=True)
    jacobian = np.concatenate(
        [np.cross(turned, normals), (turned * normals).sum(1, keepdims=True), normals, shape], 1
    )
    residual = ((targets - turned - fit.translation) * normals).sum(1)
    return jacobian * weights[:, None], residual * weights


def _step(fit: Fit, jacobian, residual) -> Fit:
    """One Gauss-Newton step with the prior on the shape; coefficients beyond the bound are held there."""
    shapes = len(fit.shape)
    prior = np.concatenate([np.zeros(7), np.full(shapes, PRIOR**2)])
    normal = jacobian.T @ jacobian + np.diag(prior + 1e-12)
    right = jacobian.T @ residual
    right[7:] -= prior[7:] * fit.shape
    held = np.zeros(shapes + 7, bool)
    step = np.zeros(shapes + 7)
    for _ in range(shapes):
        free = ~held
        step[free] = np.linalg.solve(
            normal[np.ix_(free, free)], right[free] - normal[np.ix_(free, held)] @ step[held]
        )
        beyond = np.zeros_like(held)
        beyond[7:] = (np.abs(fit.shape + step[7:]) > BOUND + 1e-9) & ~held[7:]
        if not beyond.any():
            break
        held |= beyond
        step[7:][held[7:]] = BOUND * np.sign((fit.shape + step[7:])[held[7:]]) - fit.shape[held[7:]]
    turn = rotation_matrix(step[:3])
    return Fit(
        fit.scale * (1 + step[3]), turn @ fit.rotation, fit.translation + step[4:7], fit.shape + step[7:]
    )


def rotation_matrix(axis_angle: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation matrix of an axis-angle vector (Rodrigues)."""
    angle = np.linalg.norm(axis_angle) + 1e-15
    x, y, z = axis_angle / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def main() -> None:
    """Fit the head to every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, help="a head file (the default head)")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    options = parser.parse_args()
    if not ICT_HEADS.is_file():
        raise SystemExit(f"{ICT_HEADS}: not there; the benchmark needs the ICT-FaceKit heads")
    with np.load(ICT_HEADS, allow_pickle=False) as archive:
        ict = {name: archive[name] for name in ("neutral", "identity_deltas", "landmark68")}
    surface = surface_of(read_head(options.head) if options.head else default_head())
    mean_surface = Surface(
        surface.vertices,
        surface.basis[..., :0],
        surface.triangles,
        surface.landmark_corners,
        surface.landmark_weights,
    )
    table = Table(
        "seed", "mean head: median mm", "mean", "fitted: median mm", "mean", "largest |c|", "|c| rms"
    )
    figures = []
    for seed in options.seeds:
        scan, landmarks = random_ict_face(ict, seed)
        before = distances_millimetres(mean_surface, fit_scan(mean_surface, scan, landmarks), scan)
        fit = fit_scan(surface, scan, landmarks)
        after = distances_millimetres(surface, fit, scan)
        row = [np.median(before), before.mean(), np.median(after), after.mean(), np.abs(fit.shape).max()]
        figures.append([*row, np.sqrt(np.square(fit.shape).mean())])
        table.add_row(str(seed), *(f"{value:.2f}" for value in figures[-1]))
    for name, summary in (("median", np.median(figures, axis=0)), ("worst", np.max(figures, axis=0))):
        table.add_row(name, *(f"{value:.2f}" for value in summary), style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()
