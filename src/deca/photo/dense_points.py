"""Which of the 468 points lie on what of a face."""

from __future__ import annotations

# Around the eyes and brows of the person, and around the mouth, in order.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
RIGHT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
# At the corners of the mouth, from the outer to the inner edge.
LIP_CORNERS = (61, 76, 62, 78, 291, 306, 292, 308)
# Down the ridge to the upper lip, and around the wings and nostrils.
NOSE = (
    168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 97, 326, 327, 64, 294, 48, 278, 49, 279, 131, 360, 115, 344,
    129, 358, 102, 331, 240, 460, 75, 305, 60, 290,
)  # fmt: skip
# Around the face: these points slide along cheek and jaw.
DENSE_OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EDGES = tuple(
    dict.fromkeys(
        (*RIGHT_EYE, *LEFT_EYE, *RIGHT_BROW, *LEFT_BROW, *INNER_LIPS, *OUTER_LIPS, *LIP_CORNERS, *NOSE)
    )
)
"""Points on edges that a picture shows; the others inside the outline lie on bare skin, which looks the same
a little to the side."""
