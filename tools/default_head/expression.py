"""The 52 facial actions under their ARKit names; lids, jaw and tongue carried from the MakeHuman base mesh to
the mean head."""

from __future__ import annotations

import numpy as np
from default_head.distances import distance_from, edge_graph
from default_head.frame import cavity_vertices, mirrored, smooth_step
from default_head.lips import rounded_opening
from default_head.makehuman import MakeHuman
from default_head.mesh import CAVITIES, Topology
from default_head.profiles import parting_length, point_at, profiles
from default_head.smoothing import smoothed
from default_head.tongue import tongue_out
from jaxtyping import Float

_SIDED = (
    *("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut"),
    *("eyeLookUp", "eyeSquint", "eyeWide", "jaw", "mouth", "mouthDimple", "mouthFrown", "mouthLowerDown"),
    *("mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"),
)
_MIDDLE = (
    *("browInnerUp", "cheekPuff", "jawForward", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut"),
)
ACTIONS = tuple(sorted([*_MIDDLE, *(name + side for name in _SIDED for side in ("Left", "Right"))]))
# Those that have to fit this head's own eyeballs, teeth and tongue.
OWN = tuple(
    name for name in ACTIONS if name.startswith("eye") or name in ("jawOpen", "mouthClose", "tongueOut")
)


def _other_side(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


_PARTNERS = [ACTIONS.index(_other_side(name)) for name in ACTIONS]
# How far one unit of an action turns the eyeball, degrees about x (down is positive) and y (to the
# subject's left is positive) of the left eye: those of the MakeHuman eyeball in the same actions, for which
# its lids are made.
GAZE = {"eyeLookUp": (-14, 0), "eyeLookDown": (19, 0), "eyeLookIn": (0, -22), "eyeLookOut": (0, 22)}
# The linear part of the map from base mesh to mean head is fitted around each vertex with this width, metres.
TRANSFER_WIDTH = 0.015
# A blink is measured at this part of it, before the lids cross, and scaled so that they overlap by so much,
# metres.
NEARLY_CLOSED, LID_OVERLAP = 0.7, 0.001

# How far smoothing reaches on lips and lids, whose motion is the action itself, on cheeks and throat, where
# the source creases, and elsewhere; the distances from the mouth's and the eyes' rims between which the one
# goes over into the other; metres.
LIP_REACH, LID_REACH, CHEEK_REACH, THROAT_REACH, SKIN_REACH = 0.0025, 0.0, 0.009, 0.02, 0.0035
LIP_WIDTH, LID_WIDTH = (0.003, 0.013), (0.004, 0.013)

# An eye's actions end at this distance beyond the middle of the face, metres.
MIDLINE = 0.004


def facial_actions(
    data: MakeHuman, topology: Topology, vertices: Float[np.ndarray, "vertex 3"]
) -> Float[np.ndarray, "52 vertex 3"]:
    """The displacement of each of ACTIONS on the head `vertices`, metres, left and right in exact mirror
    image; zero but for those of OWN.

    The base mesh is larger than life, most of all its eyes: each displacement is taken through the local
    linear part of the map from base mesh to head (deformation transfer in the small), so that lids just
    close. Eyeballs stay. Where the source creases the skin, opens the mouth as a diamond or drives the tongue
    through the lip, it is put right.
    """
    fields = np.zeros((len(ACTIONS), len(vertices), 3))
    for name in OWN:
        fields[ACTIONS.index(name)] = topology.carry(data.facial_action(name))
    fields[:, np.isin(topology.vertex_part, (1, 2))] = 0
    local = _local_maps(topology.place(data.vertices), vertices, topology)
    fields = np.einsum("vrc,avc->avr", local, fields)
    fields = _rounded_opening(fields, vertices, topology)
    fields = smoothed(fields, _reach(vertices, topology), vertices, topology)
    factor = _closing_factor(fields[ACTIONS.index("eyeBlinkLeft")], vertices, topology)
    for name, sign in (("eyeBlinkLeft", 1), ("eyeBlinkRight", -1)):
        fields[ACTIONS.index(name)] *= factor(sign * vertices[:, :1])
    # The source leaves traces of the eyes' actions inside the mouth and at the other eye.
    mouth = cavity_vertices(topology) & np.isin(
        np.arange(len(vertices)), topology.triangles[topology.cavity == 1]
    )
    for index, name in enumerate(ACTIONS):
        if name.startswith("eye"):
            sign = 1 if name.endswith("Left") else -1
            fields[index] *= smooth_step(sign * vertices[:, :1], -MIDLINE, MIDLINE) * ~mouth[:, None]
    tongue = topology.vertex_part == 5
    lip_crest = _crest(profiles(vertices, topology, CAVITIES.index("mouth"), 1e-5)[1])
    fields[ACTIONS.index("tongueOut"), tongue] = tongue_out(vertices[tongue], lip_crest)
    return mirrored_actions(fields, topology)


def mirrored_actions(
    fields: Float[np.ndarray, "52 vertex 3"], topology: Topology
) -> Float[np.ndarray, "52 vertex 3"]:
    """The mean of each of ACTIONS and the mirror image of its partner."""
    return (fields + mirrored(fields[_PARTNERS], topology)) / 2


def gaze_rotations() -> Float[np.ndarray, "52 2 3"]:
    """The axis-angle by which each of ACTIONS turns the left and the right eyeball, radians."""
    rotations = np.zeros((len(ACTIONS), 2, 3))
    for name, (about_x, about_y) in GAZE.items():
        rotations[ACTIONS.index(f"{name}Left"), 0, :2] = np.radians([about_x, about_y])
        rotations[ACTIONS.index(f"{name}Right"), 1, :2] = np.radians([about_x, -about_y])
    return rotations


def _rounded_opening(fields, vertices, topology: Topology) -> Float[np.ndarray, "52 vertex 3"]:
    """The actions with a jaw that opens the mouth round."""
    fields = mirrored_actions(fields, topology)
    jaw, close = map(ACTIONS.index, ("jawOpen", "mouthClose"))
    opened = rounded_opening(fields[jaw], fields[jaw], vertices, topology)
    # mouthClose closes what jawOpen opens.
    fields[close] -= opened - fields[jaw]
    fields[jaw] = opened
    return fields


def _reach(vertices: Float[np.ndarray, "vertex 3"], topology: Topology) -> Float[np.ndarray, " vertex"]:
    """How far the actions are smoothed around each vertex, metres."""
    graph = edge_graph(vertices, topology)
    lips, lids = (
        distance_from(graph, np.unique(topology.triangles[np.isin(topology.cavity, cavities)]))
        for cavities in ((1,), (2, 3))
    )
    x, y, z = vertices.T
    beside = smooth_step(np.abs(x), 0.015, 0.03) * (1 - smooth_step(y, -0.01, 0.01))
    below = (1 - smooth_step(y, -0.075, -0.055)) * (1 - smooth_step(z, 0.05, 0.07))
    skin = SKIN_REACH + (CHEEK_REACH - SKIN_REACH) * beside
    skin = skin + (THROAT_REACH - skin) * below
    by_lips = LIP_REACH + (skin - LIP_REACH) * smooth_step(lips, *LIP_WIDTH)
    by_lids = LID_REACH + (skin - LID_REACH) * smooth_step(lids, *LID_WIDTH)
    return np.minimum(by_lips, by_lids)


def _closing_factor(blink, vertices, topology: Topology):
    """A function of x, the factor by which the left blink just closes the lids there, with LID_OVERLAP to
    spare."""
    ball = vertices[topology.vertex_part == 1]
    across = (ball[0, 0] + ball[-1, 0]) / 2 + np.linspace(-0.5, 0.65, 9) * np.ptp(ball[:, 2]) / 2
    opened = np.array([_opening(vertices, topology, x) for x in across])
    nearly = np.array([_opening(vertices + NEARLY_CLOSED * blink, topology, x) for x in across])
    factors = NEARLY_CLOSED * (opened + LID_OVERLAP) / (opened - nearly)
    curve = np.polynomial.Polynomial.fit(across, factors, 2)
    return lambda x: curve(np.clip(x, across[0], across[-1])).clip(0.4, 1)


def _crest(lip: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "3"]:
    """Where a lower lip's profile is highest, before it turns outward."""
    return point_at(lip, parting_length(lip, -1))


def _opening(vertices, topology: Topology, across: float) -> float:
    """The height of the left eye's opening at an x, negative where the lids overlap, metres."""
    upper, lower = profiles(vertices, topology, CAVITIES.index("left eye"), across)
    return point_at(upper, parting_length(upper, 1))[1] - point_at(lower, parting_length(lower, -1))[1]


def _local_maps(source, target, topology: Topology) -> Float[np.ndarray, "vertex 3 3"]:
    """For each vertex the linear map that takes its surroundings in `source` to those in `target` (least
    squares)."""
    around = np.flatnonzero(topology.vertex_part == 0)[::2]
    around = np.unique(np.concatenate([around, topology.vertex_mirror[around]]))
    maps = np.empty((len(source), 3, 3))
    for vertex, here in enumerate(source):
        offset = source[around] - here
        weight = np.exp(-np.square(offset).sum(1) / (2 * TRANSFER_WIDTH**2))
        weight = weight / weight.sum()
        mean_source, mean_target = weight @ source[around], weight @ target[around]
        centred = (source[around] - mean_source) * weight[:, None]
        spread = centred.T @ (source[around] - mean_source)
        # A little of the identity keeps the map tame where the surroundings are nearly flat.
        ridge = 0.02 * np.trace(spread) / 3 * np.eye(3)
        cross = (target[around] - mean_target).T @ centred
        maps[vertex] = (cross + ridge) @ np.linalg.inv(spread + ridge)
    return maps
