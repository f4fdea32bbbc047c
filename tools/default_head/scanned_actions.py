"""Facial actions as ICT-FaceKit has them, made after scans of people, carried to the mean head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from default_head.distances import distance_from, edge_graph
from default_head.expression import ACTIONS, OWN, mirrored_actions
from default_head.frame import smooth_step
from default_head.mesh import PARTS, Topology
from default_head.smoothing import smoothed
from jaxtyping import Float, Int
from scipy.sparse.linalg import splu

from deca.conversion.facekit import LOWER_TEETH, FaceKit
from deca.conversion.facekit_mesh import keep_mesh
from deca.conversion.ict import action_moves, closed_surface
from deca.conversion.registration import outer_skin, register_head
from deca.conversion.surface_points import ClosestPoints, vertex_normals
from deca.fitting.mesh_fields import edge_laplacian
from deca.head.data import HeadData

SCANNED = tuple(name for name in ACTIONS if name not in OWN)
# How far smoothing reaches on lips and elsewhere, and the distances from the mouth's rim between which the
# one goes over into the other, metres.
LIP_REACH, SKIN_REACH, LIP_WIDTH = 0.002, 0.003, (0.003, 0.010)
# What a motion loses from vertex to vertex on its way from the lips into the mouth.
INWARD_LOSS = 0.02


def with_scanned_actions(head: HeadData, kit: FaceKit, topology: Topology) -> HeadData:
    """The head with the actions SCANNED as ICT-FaceKit makes them, left and right in exact mirror image.

    The head is brought onto ICT-FaceKit's neutral face, and each vertex of the outer skin takes the motion of
    the point it comes to lie on. Mouth and eye sockets follow the skin around them, tongue and lower teeth
    their lower teeth; eyeballs and upper teeth stay.
    """
    mesh = keep_mesh(kit)
    surface = closed_surface(kit, mesh)
    registration = register_head(surface, head)
    skin = outer_skin(head)
    outer = np.unique(head.triangles[skin])
    normals = vertex_normals(registration.vertices, head.triangles[skin])
    points = ClosestPoints(surface.vertices, surface.triangles, surface.skin)
    found = points.find(registration.vertices[outer], normals[outer])
    moves = action_moves(kit, mesh)
    teeth = np.flatnonzero((mesh.vertices >= LOWER_TEETH[0]) & (mesh.vertices < LOWER_TEETH[1]))
    on_jaw = np.isin(topology.vertex_part, [PARTS.index("lower teeth"), PARTS.index("tongue")])
    fields = np.zeros((len(SCANNED), len(head.template_vertices), 3))
    for field, name in zip(fields, SCANNED, strict=True):
        corners = moves[name][surface.triangles[found.triangle]]
        field[outer] = (corners * found.barycentrics[..., None]).sum(1)
        field[on_jaw] = _affine(surface.vertices[teeth], moves[name][teeth], registration.vertices[on_jaw])
        field[:] = field @ registration.rotation / registration.scale
    vertices = head.template_vertices.astype(np.float64)
    fields = smoothed(_followed(fields, outer, topology), _reach(vertices, topology), vertices, topology)
    basis = head.expression_basis.astype(np.float64)
    basis[[ACTIONS.index(name) for name in SCANNED]] = fields
    return replace(head, expression_basis=mirrored_actions(basis, topology).astype(np.float32))


def _affine(
    points: Float[np.ndarray, "point 3"],
    moves: Float[np.ndarray, "point 3"],
    others: Float[np.ndarray, "other 3"],
) -> Float[np.ndarray, "other 3"]:
    """How others move with points whose moves are those of one body, nearly."""
    known, wanted = (np.pad(places, ((0, 0), (0, 1)), constant_values=1) for places in (points, others))
    return wanted @ np.linalg.lstsq(known, moves, rcond=None)[0]


def _followed(
    fields: Float[np.ndarray, "field vertex 3"], known: Int[np.ndarray, " known"], topology: Topology
) -> Float[np.ndarray, "field vertex 3"]:
    """The fields carried from the outer skin into what it lines, fading on the way (a discrete screened
    Poisson equation)."""
    laplacian = edge_laplacian(topology.triangles[topology.part == 0], np.zeros_like(topology.vertex_part))
    inside = np.setdiff1d(np.flatnonzero(topology.vertex_part == 0), known)
    rows = laplacian.tocsr()[inside]
    solve = splu(sparse.csc_matrix(rows[:, inside] + INWARD_LOSS * sparse.eye(len(inside)))).solve
    result = fields.copy()
    for field in result:
        field[inside] = -solve(rows[:, known] @ field[known])
    return result


def _reach(vertices: Float[np.ndarray, "vertex 3"], topology: Topology) -> Float[np.ndarray, " vertex"]:
    """How far smoothing reaches around each vertex, metres."""
    lips = distance_from(edge_graph(vertices, topology), np.unique(topology.triangles[topology.cavity == 1]))
    return LIP_REACH + (SKIN_REACH - LIP_REACH) * smooth_step(lips, *LIP_WIDTH)
