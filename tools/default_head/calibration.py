"""Where the landmark network puts its points on real faces, against where its canonical face has them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from default_head.mesh import Topology
from default_head.registration import (
    UPPER_LIP_INNER,
    UPPER_LIP_WET,
    closest,
    outer_skin,
)
from jaxtyping import Bool, Float

from deca.fitting.landmarks import LandmarkFitConfig, fit_landmarks
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.render.camera import unproject

OFFSETS = Path(__file__).with_name("landmark_offsets.txt")
# A point counts in a photo where its triangle is seen no flatter than this part of its area.
FACING = 0.25
# Weight of staying, against one photo that sees the point squarely; residuals count less beyond this, metres.
STAY, ROBUST = 3.0, 0.003
# The lower border of the upper lip is a line of the mesh as well; its points stay on it, left and right of
# the middle. Those of the lower lip do not: the network puts them a little below the border that is seen.
FIXED = (*UPPER_LIP_INNER, *UPPER_LIP_WET, 308, 292, *(82, 81, 80, 191, 38, 41, 42, 183, 78, 62))
# The photos show neutral faces: what is systematic must not hide in an expression or an open jaw.
NEUTRAL = LandmarkFitConfig(
    noise=0.008, lip_deviation=math.inf, expression_deviation=1e-3, jaw_deviation=1e-3
)
HIDDEN = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")


def calibrated(
    dense: Float[np.ndarray, "468 3"], vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Float[np.ndarray, "468 3"]:
    """The 468 points moved along the skin by the offsets that `tools/calibrate_landmarks.py` measured,
    metres."""
    moved = dense + np.loadtxt(OFFSETS) * 0.001
    return closest(moved, vertices, topology.triangles, outer_skin(topology))[0]


def tangential_residuals(
    head_model: HeadModel, landmarks_image: Float[torch.Tensor, "468 2"]
) -> tuple[Float[np.ndarray, "468 2 2"], Float[np.ndarray, "468 2"], Bool[np.ndarray, "468"]]:
    """One neutral photo's fit: at each point the image of its triangle's two edges, what is left, and
    whether it faces us.

    Lengths are metres in the head frame's plane. A step a along the edges moves the point by edges @ a there.
    """
    parameters = fit_landmarks(head_model, landmarks_image, NEUTRAL).parameters
    data = head_model.data
    with torch.no_grad():
        vertices = head_model(parameters).vertices[0].double().numpy()
    flat = torch.nn.functional.pad(landmarks_image.float(), (0, 1))
    target = unproject(flat[None], parameters.camera)[0, :, :2].double().numpy()
    corners = vertices[data.triangles[data.dense_landmark_triangles]]
    points = (corners * data.dense_landmark_barycentrics[..., None]).sum(1)
    edges = corners[:, 1:] - corners[:, :1]
    normal = np.cross(edges[:, 0], edges[:, 1])
    facing = normal[:, 2] > FACING * np.linalg.norm(normal, axis=1)
    return np.moveaxis(edges[..., :2], 1, 2), target - points[:, :2], facing


def closest_on_skin(points: Float[np.ndarray, "point 3"], head: HeadData):
    """Triangles and barycentrics of the closest points of the outer skin of a mean head."""
    hidden = np.any([head.region(name) for name in HIDDEN], 0)
    return closest(points.astype(float), head.template_vertices.astype(float), head.triangles, ~hidden)[1:]


def mean_steps(
    head_model: HeadModel,
    measured: list[tuple[Float[np.ndarray, "468 2 2"], Float[np.ndarray, "468 2"], Bool[np.ndarray, "468"]]],
) -> Float[np.ndarray, "468 3"]:
    """The tangential step of each point on the mean head that removes most of what is left in all photos,
    metres."""
    data = head_model.data
    corners = data.template_vertices[data.triangles[data.dense_landmark_triangles]].astype(float)
    rest_edges = np.moveaxis(corners[:, 1:] - corners[:, :1], 1, 2)
    # In rest metres: a step is t = rest_edges @ a, so staying put costs the same in every triangle.
    staying = STAY * np.einsum("pci,pcj->pij", rest_edges, rest_edges)
    steps = np.zeros((len(corners), 2))
    for _ in range(5):
        normal, right = staying.copy(), np.zeros_like(steps)
        for edges, residual, facing in measured:
            left = residual - np.einsum("pci,pi->pc", edges, steps)
            weight = facing / (1 + np.square(left).sum(1) / ROBUST**2)
            normal += weight[:, None, None] * np.einsum("pci,pcj->pij", edges, edges)
            right += weight[:, None] * np.einsum("pci,pc->pi", edges, residual)
        steps = np.linalg.solve(normal, right[..., None])[..., 0]
    steps[list(FIXED)] = 0
    return np.einsum("pci,pi->pc", rest_edges, steps)
