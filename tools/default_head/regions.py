"""Which triangles of the head are face, eyes, lips, nose, forehead, scalp, neck, ears or inside."""

from __future__ import annotations

import numpy as np
from default_head.base_texture import BaseLayout
from default_head.makehuman import MakeHuman
from jaxtyping import Bool, Int

NAMES = (
    "face",
    "eyes",
    "lips",
    "nose",
    "forehead",
    "scalp",
    "neck",
    "ears",
    "eyeballs",
    "teeth",
    "tongue",
    "mouth_interior",
    "eye_sockets",
)
SKIN, LEFT_EYEBALL, RIGHT_EYEBALL, UPPER_TEETH, LOWER_TEETH, TONGUE = range(6)

# Lines on MakeHuman's base mesh, millimetres from the middle between its eyeballs' centres. The hairline in
# side view as (up, forward): the brow lies at 19, the base of the nose at -53, so the rule of thirds puts the
# hairline at the forehead near 88; from there back to the temple, and down before the ear.
HAIRLINE = np.array(
    [(-200, -64), (-45, -64), (-20, -58), (5, -44), (25, -20), (45, -17), (65, -10), (88, 2), (200, 60)]
)
# Where the neck begins, as (forward, up): under the nape, under the ear, along the jaw, under the chin.
NECK_LINE = np.array([(-200, -80), (-140, -80), (-95, -52), (-56, -46), (-50, -90), (-30, -117), (60, -124)])
# Half the width of the nose, as (up, half-width).
NOSE_OUTLINE = np.array([(-53, 9), (-51, 15), (-47, 21), (-38, 21), (-25, 14), (-10, 10), (4, 9), (10, 0)])
# The lower edge of the forehead: the brow, as (outward, up).
BROW = np.array([(0, 12), (10, 15), (25, 21), (40, 21), (52, 14), (60, 6), (80, 6)])
EYE_REACH = 14.0


def region_masks(
    data: MakeHuman,
    triangles: Int[np.ndarray, "triangle 3"],
    part: Int[np.ndarray, " triangle"],
    vertex_mirror: Int[np.ndarray, " vertex"],
    base_vertex_index: Int[np.ndarray, " vertex"],
) -> dict[str, Bool[np.ndarray, " triangle"]]:
    """One mask for each name of NAMES, left-right symmetric; regions overlap where anatomy does.

    `face` is the skin that a fit to a photo looks at: no ears, no scalp, no inside of the mouth, no sockets;
    it holds the lids, lips, nose and forehead. Lips, ears and the inside of the mouth follow MakeHuman's
    painted masks (CC0), the sockets are the islands of its layout behind the lids; the rest follows the lines
    above.
    """
    skin = part == SKIN
    base_triangles = base_vertex_index[triangles[skin]]
    layout = BaseLayout.read(data.folder, base_triangles)
    mirror = mirrored_triangles(triangles[skin], vertex_mirror)

    def painted(name: str) -> np.ndarray:
        values = layout.mask(name)
        return values + values[mirror] > 1

    eyes = [data.vertices[data.joint_vertices[f"helper-{side}-eye"]].mean(0) for side in "lr"]
    middles = (data.vertices[layout.quads].mean(1) - np.mean(eyes, axis=0)) * 1000
    islands = layout.islands()
    behind = [np.linalg.norm(data.vertices[layout.quads].mean(1) - eye, axis=1).argmin() for eye in eyes]
    sockets = np.isin(islands, islands[behind])
    mouth = painted("inside-mouth")
    outside = ~sockets & ~mouth
    ears = painted("ears") & outside
    lips = painted("lips") & outside

    side, up, forward = np.abs(middles[:, 0]), middles[:, 1], middles[:, 2]
    below = up < np.interp(forward, *NECK_LINE.T)
    before_ear = (forward > -62) & ~below
    face = outside & ~ears & (painted("face") | before_ear) & (forward > np.interp(up, *HAIRLINE.T))
    nose = face & (forward > 0) & (side < np.interp(up, *NOSE_OUTLINE.T, left=0, right=0)) & ~lips
    brow = np.interp(side, *BROW.T)
    opening = middles[outside & np.isin(base_triangles, base_triangles[sockets]).any(1)]
    from_opening = np.linalg.norm(middles[:, None] - opening[None], axis=2).min(1)
    on_skin = {
        "face": face,
        "eyes": face & ~nose & (from_opening < EYE_REACH) & (up < brow - 3),
        "lips": lips,
        "nose": nose,
        "forehead": face & (up > brow) & ~nose,
        "scalp": outside & ~face & ~ears & ~below,
        "neck": outside & ~face & ~ears & below,
        "ears": ears,
        "mouth_interior": mouth,
        "eye_sockets": sockets,
    }
    masks = {
        "eyeballs": (part == LEFT_EYEBALL) | (part == RIGHT_EYEBALL),
        "teeth": (part == UPPER_TEETH) | (part == LOWER_TEETH),
        "tongue": part == TONGUE,
    }
    for name, chosen in on_skin.items():
        masks[name] = np.zeros(len(triangles), bool)
        masks[name][skin] = chosen
    return {name: masks[name] for name in NAMES}


def mirrored_triangles(
    triangles: Int[np.ndarray, "triangle 3"], vertex_mirror: Int[np.ndarray, " vertex"]
) -> Int[np.ndarray, " triangle"]:
    """The index of each triangle's mirror image; a ValueError if the mesh is not symmetric."""
    index = {frozenset(corners): number for number, corners in enumerate(triangles.tolist())}
    try:
        return np.array([index[frozenset(corners)] for corners in vertex_mirror[triangles].tolist()])
    except KeyError as error:
        raise ValueError(f"no triangle is the mirror image {sorted(error.args[0])} of one") from None
