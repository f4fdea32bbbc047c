"""The mesh of the default head: which part of the MakeHuman mesh it is, how it is triangulated, what fills
its eyes and mouth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from default_head.makehuman import MakeHuman
from default_head.mouth import arch_carrier
from default_head.tongue import tongue_offsets
from jaxtyping import Bool, Float, Int

PARTS = ("skin", "left eyeball", "right eyeball", "upper teeth", "lower teeth", "tongue")
# Two neighbours on the loop of edges around the base of the neck, above which the head begins: the one at
# the back on the midline, and the next to the subject's left.
NECK_BACK = 1496
FACE_VERTEX = 991
POLAR_DEGREES = (6, 11, 16, 20, 23, 31, 42, 56, 72, 92, 116, 146)
MERIDIANS = 20
CAVITIES = ("none", "mouth", "left eye", "right eye")


@dataclass(frozen=True)
class Topology:
    """The triangles of the default head and where its vertices come from in the base mesh.

    Vertices are ordered by part. `part` is each triangle's and `vertex_part` each vertex's entry of PARTS;
    `cavity` is each triangle's entry of CAVITIES, 1 to 3 for the skin inside the mouth and behind the lids.
    `base_vertex_index` is the vertex of base.obj that a skin or tongue vertex is, -1 for eyeballs and teeth.
    `eye_directions` are the unit directions from an eyeball's centre to its vertices, for the left eye and
    the right.
    """

    triangles: Int[np.ndarray, "triangle 3"]
    part: Int[np.ndarray, " triangle"]
    cavity: Int[np.ndarray, " triangle"]
    vertex_part: Int[np.ndarray, " vertex"]
    vertex_mirror: Int[np.ndarray, " vertex"]
    base_vertex_index: Int[np.ndarray, " vertex"]
    eye_directions: Float[np.ndarray, "2 ball 3"]
    eye_helpers: Int[np.ndarray, "2 helper"]
    eye_helper_directions: Float[np.ndarray, "2 helper 3"]
    teeth_helpers: tuple[Int[np.ndarray, " helper"], Int[np.ndarray, " helper"]]
    teeth_weights: tuple[Float[np.ndarray, "tooth helper"], Float[np.ndarray, "tooth helper"]]
    teeth_offsets: tuple[Float[np.ndarray, "tooth 3"], Float[np.ndarray, "tooth 3"]]

    def carry(self, base: Float[np.ndarray, "base_vertex 3"]) -> Float[np.ndarray, "vertex 3"]:
        """Take a vector field on the base mesh (offsets, or positions) to the head's vertices; linear.

        An eyeball moves by the mean of its helper's motion and grows by the mean of its radial part, so it
        stays a sphere; teeth are interpolated between those of the base mesh.
        """
        carried = np.zeros((len(self.base_vertex_index), 3))
        kept = self.base_vertex_index >= 0
        carried[kept] = base[self.base_vertex_index[kept]]
        for side in range(2):
            field = base[self.eye_helpers[side]]
            centre = field.mean(0)
            directions = self.eye_helper_directions[side]
            growth = ((field - centre) * directions).sum() / (directions**2).sum()
            carried[self.vertex_part == 1 + side] = centre + growth * self.eye_directions[side]
            carried[self.vertex_part == 3 + side] = self.teeth_weights[side] @ base[self.teeth_helpers[side]]
        return carried

    def place(self, base: Float[np.ndarray, "base_vertex 3"]) -> Float[np.ndarray, "vertex 3"]:
        """The head's vertices for the positions of a whole base mesh: carried, teeth and tongue put right."""
        placed = self.carry(base)
        for side in range(2):
            placed[self.vertex_part == 3 + side] += self.teeth_offsets[side]
        tongue = self.vertex_part == 5
        placed[tongue] += tongue_offsets(placed[tongue])
        return placed


def build_topology(data: MakeHuman) -> Topology:
    """Cut the head out of the base mesh above the base of the neck and fill eyes and mouth."""
    base = data.vertices
    base_mirror = _geometric_mirror(base)
    body = data.quads("body")
    is_head = _above_loop(body, _neck_loop(body, base), FACE_VERTEX)
    skin_quads = body[is_head]
    pieces = [_quad_piece(skin_quads, base, base_mirror), *_eyeball_pieces()]
    arches = [arch_carrier(data, name) for name in ("upper", "lower")]
    pieces += [(arch.triangles, arch.mirror, np.full(len(arch.mirror), -1)) for arch in arches]
    pieces.append(_quad_piece(data.quads("helper-tongue"), base, base_mirror))
    sizes = [len(mirror) for _, mirror, _ in pieces]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    mirrors = [mirror + start for (_, mirror, _), start in zip(pieces, starts, strict=False)]
    mirrors[1], mirrors[2] = mirrors[1] + sizes[1], mirrors[2] - sizes[1]
    helpers = np.stack([data.joint_vertices[f"helper-{side}-eye"] for side in "lr"])
    helper_positions = base[helpers]
    offsets = helper_positions - helper_positions.mean(1, keepdims=True)
    directions = np.stack([_ball_directions(), _ball_directions() * [-1, 1, 1]])
    triangles = [piece[0] + start for piece, start in zip(pieces, starts, strict=False)]
    return Topology(
        triangles=np.concatenate(triangles),
        part=np.repeat(np.arange(len(PARTS)), [len(piece[0]) for piece in pieces]),
        cavity=np.pad(np.repeat(_cavities(data, skin_quads, is_head), 2), (0, sum(map(len, triangles[1:])))),
        vertex_part=np.repeat(np.arange(len(PARTS)), sizes),
        vertex_mirror=np.concatenate(mirrors),
        base_vertex_index=np.concatenate([piece[2] for piece in pieces]),
        eye_directions=directions,
        eye_helpers=helpers,
        eye_helper_directions=offsets / np.linalg.norm(offsets, axis=-1, keepdims=True),
        teeth_helpers=(arches[0].helpers, arches[1].helpers),
        teeth_weights=(arches[0].weights, arches[1].weights),
        teeth_offsets=(arches[0].relief, arches[1].relief),
    )


def _geometric_mirror(vertices: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, " vertex"]:
    """Each vertex's mirror image, of a mesh that is exactly symmetric; duplicates are told apart by their
    order."""
    order: dict[tuple[float, ...], list[int]] = defaultdict(list)
    for index, vertex in enumerate(np.round(vertices, 7) + 0.0):
        order[tuple(vertex)].append(index)
    mirror = np.empty(len(vertices), np.int64)
    for (x, y, z), indices in order.items():
        mirror[indices] = order[(-x + 0.0, y, z)]
    return mirror


def _neck_loop(quads: Int[np.ndarray, "quad 4"], base: Float[np.ndarray, "vertex 3"]) -> set[int]:
    """The closed loop of edges around the neck through NECK_BACK, straight on at every vertex of four
    edges."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    around: dict[int, set[int]] = defaultdict(set)
    for index, quad in enumerate(quads.tolist()):
        for first, second in zip(quad, quad[1:] + quad[:1], strict=True):
            neighbours[first].add(second)
            neighbours[second].add(first)
            around[first].add(index)
    back = NECK_BACK
    path = [back, max(neighbours[back], key=lambda vertex: base[vertex, 0])]
    while path[-1] != back:
        shared = around[path[-2]] & around[path[-1]]
        beside = {vertex for index in shared for vertex in quads[index].tolist()}
        (onward,) = neighbours[path[-1]] - beside
        path.append(onward)
    return set(path)


def _above_loop(quads: Int[np.ndarray, "quad 4"], loop: set[int], inside: int) -> Bool[np.ndarray, " quad"]:
    """Which quads can be reached from the vertex `inside` without crossing the loop."""
    around: dict[int, list[int]] = defaultdict(list)
    for index, quad in enumerate(quads.tolist()):
        for vertex in quad:
            around[vertex].append(index)
    reached = np.zeros(len(quads), bool)
    front = [inside]
    seen = {inside}
    while front:
        for index in around[front.pop()]:
            reached[index] = True
            fresh = set(quads[index].tolist()) - seen - loop
            seen |= fresh
            front += sorted(fresh)
    return reached


def _cavities(data: MakeHuman, quads, is_head) -> Int[np.ndarray, " quad"]:
    """The entry of CAVITIES of each quad: islands of the UV layout that lie in the middle, to the left, to
    the right."""
    islands = data.texture_islands("body")[is_head]
    cavity = np.zeros(len(quads), np.int64)
    for island in np.unique(islands):
        inside = islands == island
        positions = data.vertices[quads[inside]].reshape(-1, 3)
        if positions[:, 2].min() > data.vertices[FACE_VERTEX, 2] - 0.1 and inside.sum() < 500:
            middle = positions[:, 0].mean()
            cavity[inside] = 1 if abs(middle) < 1e-6 else 2 if middle > 0 else 3
    return cavity


def _quad_piece(quads, base, base_mirror):
    """Triangles, mirror and base indices of a set of quads, cut so that the mirror of a triangle is a
    triangle."""
    indices = np.unique(quads)
    local = np.full(len(base), -1)
    local[indices] = np.arange(len(indices))
    chosen: dict[frozenset[int], tuple[int, int]] = {}
    triangles = []
    for quad in quads.tolist():
        key, mirrored = frozenset(quad), frozenset(base_mirror[quad].tolist())
        if mirrored in chosen and mirrored != key:
            first, second = (int(base_mirror[vertex]) for vertex in chosen[mirrored])
        else:
            lengths = [np.linalg.norm(base[quad[corner]] - base[quad[corner + 2]]) for corner in (0, 1)]
            # A quad across the midline is its own mirror image and cannot be cut symmetrically: none is in
            # the head.
            if mirrored == key:
                raise ValueError(f"the quad {quad} lies across the midline")
            first, second = (quad[0], quad[2]) if lengths[0] <= lengths[1] else (quad[1], quad[3])
        chosen[key] = (first, second)
        start = quad.index(first)
        a, b, c, d = quad[start:] + quad[:start]
        triangles += [[a, b, c], [a, c, d]]
    return local[np.array(triangles)], local[base_mirror[indices]], indices


def _ball_directions() -> Float[np.ndarray, "ball 3"]:
    """Unit directions to the vertices of an eyeball: the pupil's pole at the front, rings, the pole at the
    back."""
    polar = np.radians(POLAR_DEGREES)[:, None]
    azimuth = np.arange(MERIDIANS) * 2 * np.pi / MERIDIANS
    rings = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar) + 0 * azimuth], -1
    )
    return np.concatenate([[[0, 0, 1]], rings.reshape(-1, 3), [[0, 0, -1]]])


def _eyeball_pieces():
    """Triangles of the left eyeball and of the right, its mirror image; the mirror entries count within the
    ball."""
    rings, last = len(POLAR_DEGREES), len(POLAR_DEGREES) * MERIDIANS + 1
    here = np.arange(MERIDIANS)
    after = (here + 1) % MERIDIANS
    triangles = [np.stack([0 * here, 1 + here, 1 + after], 1)]
    for ring in range(rings - 1):
        inner, outer = 1 + ring * MERIDIANS, 1 + (ring + 1) * MERIDIANS
        triangles.append(np.stack([inner + here, outer + here, outer + after], 1))
        triangles.append(np.stack([inner + here, outer + after, inner + after], 1))
    start = 1 + (rings - 1) * MERIDIANS
    triangles.append(np.stack([start + here, 0 * here + last, start + after], 1))
    left = np.concatenate(triangles)
    none = np.full(last + 1, -1)
    itself = np.arange(last + 1)
    return [(left, itself, none), (left[:, ::-1], itself, none)]
