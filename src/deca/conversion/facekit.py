"""What the documentation of ICT-FaceKit says of its mesh: parts, landmarks, UV tiles, names of actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

VERTEX_COUNT = 26_719
IDENTITY_COUNT = 100
# Half-open ranges of vertices (README of ICT-FaceKit). What follows, tears, lashes and the shadows of
# the lids, is made for transparent materials and left out, as are the irises behind the eyeballs' fronts.
PARTS = {
    "face": (0, 9409),
    "head_and_neck": (9409, 11248),
    "mouth_socket": (11248, 13294),
    "left_eye_socket": (13294, 13678),
    "right_eye_socket": (13678, 14062),
    "gums_and_tongue": (14062, 17039),
    "teeth": (17039, 21451),
    "left_eyeball": (21451, 22221),
    "right_eyeball": (23021, 23791),
}
SKIN = ("face", "head_and_neck")
LOWER_TEETH = (19247, 21451)
# Points of the UV map that lie on the islands of the tongue, its upper side and its lower.
TONGUE_UV = ((2.76, 0.33), (2.11, 0.28))
# The 68 iBUG points (README of ICT-FaceKit, "Multi-PIE 68 point facial landmarks").
LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269,
    3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081, 0, 4275,
    6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip
# Its actions are ARKit's; these two it splits into sides, and tongueOut it has not.
_SPLIT = ("browInnerUp", "cheekPuff")
_SIDED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut",
    "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress",
    "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
_SINGLE = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
# ARKit's names, and the shapes of ICT-FaceKit that make each up.
ACTIONS: dict[str, tuple[str, ...]] = dict(
    sorted(
        {
            **{f"{name}{side}": (f"{name}_{side[0]}",) for name in _SIDED for side in ("Left", "Right")},
            **{name: (f"{name}_L", f"{name}_R") for name in _SPLIT},
            **{name: (name,) for name in _SINGLE},
        }.items()
    )
)
SHAPES = tuple(sorted(shape for shapes in ACTIONS.values() for shape in shapes))


@dataclass(frozen=True)
class FaceKit:
    """ICT-FaceKit's arrays as published: centimetres, y up, z to the front, x to the subject's left.

    `texture_vertices` lie in tiles side by side, one for each material, some materials on one tile.
    """

    neutral: Float[np.ndarray, "26719 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "triangle 3"]
    identities: Float[np.ndarray, "100 26719 3"]
    shapes: dict[str, Float[np.ndarray, "26719 3"]]
