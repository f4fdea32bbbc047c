"""HeadView: how a head lies in a picture, told from its landmarks, so that things can be put on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from deca.geometry import vertex_normals
from deca.head.data import HeadData


@dataclass(frozen=True)
class HeadView:
    """An affine camera from the neutral head's metres to pixels, centres at half-integers.

    `toward` is the unit direction to the viewer in the head frame, `scale` pixels a metre.
    """

    matrix: Float[np.ndarray, "2 4"]
    toward: Float[np.ndarray, "3"]
    scale: float

    def pixels(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """Where points of the neutral head lie."""
        return points @ self.matrix[:, :3].T + self.matrix[:, 3]


class HeadPlaces:
    """Places of the neutral head, metres: the 51 inner landmarks, the vertices of scalp and neck.

    `normals` are those of the scalp's vertices; `centre` and `radii` are of the ellipsoid around them.
    """

    def __init__(self, data: HeadData) -> None:
        corners = data.template_vertices[data.triangles[data.landmark_triangles]]
        self.landmarks = (corners * data.landmark_barycentrics[..., None]).sum(1).astype(np.float64)
        vertices = torch.from_numpy(data.template_vertices)[None]
        normals = vertex_normals(vertices, torch.from_numpy(data.triangles))[0].double().numpy()
        triangles = data.triangles[data.region("scalp")]
        inside = np.unique(triangles)
        self.scalp, self.normals = data.template_vertices[inside].astype(np.float64), normals[inside]
        self._triangles = np.searchsorted(inside, triangles)
        a, b, c = np.moveaxis(self.scalp[self._triangles], 1, 0)
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        self._shares = np.cumsum(areas) / areas.sum()
        self.centre = (self.scalp.max(0) + self.scalp.min(0)) / 2
        self.radii = (self.scalp.max(0) - self.scalp.min(0)) / 2
        self.neck = data.template_vertices[np.unique(data.triangles[data.region("neck")])].astype(np.float64)

    def roots(
        self, random: np.random.Generator, count: int
    ) -> tuple[Float[np.ndarray, "{count} 3"], Float[np.ndarray, "{count} 3"]]:
        """Points spread evenly over the scalp, and the normals there."""
        corners = self._triangles[np.searchsorted(self._shares, random.random(count))]
        weights = random.dirichlet((1, 1, 1), count)[..., None]
        return (self.scalp[corners] * weights).sum(1), (self.normals[corners] * weights).sum(1)

    def view(self, landmarks: Float[np.ndarray, "68 2"]) -> HeadView:
        """The affine camera that brings the neutral head's inner landmarks nearest to these, in pixels."""
        known = np.concatenate([self.landmarks, np.ones((len(self.landmarks), 1))], 1)
        matrix = np.linalg.lstsq(known, np.asarray(landmarks, np.float64)[17:], rcond=None)[0].T
        right, down = matrix[:, :3]
        away = np.cross(right, down)
        scale = float(np.sqrt(np.linalg.norm(away)))
        return HeadView(matrix, -away / max(np.linalg.norm(away), 1e-12), scale)
