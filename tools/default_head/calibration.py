"""Where the landmark network puts its points on real faces, against where its canonical face has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from default_head.mesh import Topology
from default_head.registration import closest, outer_skin
from jaxtyping import Float

OFFSETS = Path(__file__).with_name("landmark_offsets.txt")


def calibrated(
    dense: Float[np.ndarray, "468 3"], vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Float[np.ndarray, "468 3"]:
    """The 468 points moved along the skin by the offsets that `tools/calibrate_landmarks.py` measured, metres."""
    moved = dense + np.loadtxt(OFFSETS) * 0.001
    return closest(moved, vertices, topology.triangles, outer_skin(topology))[0]
