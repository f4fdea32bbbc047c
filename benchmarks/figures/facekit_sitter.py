"""ICT-FaceKit as a sitter: a head of another topology, in textures that were fitted on the default head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.conversion.facekit import LANDMARKS, SHAPES, FaceKit
from deca.conversion.ict import ict_head
from deca.evaluation.similarity import SEVEN_OF_68
from deca.head.data import HeadData, head_data_from_arrays
from deca.head.uv import sample_map
from deca.io.heads import default_head, head_arrays
from deca.render.openness import openness
from figures.people import KEPT, PROJECT, kept_arrays
from figures.portraits import Sitter
from figures.sitters import TEXTURE_SIZE

FILE = PROJECT.parent / "shared" / "heads" / "ict_facekit.npz"
_NARROW_FACE = 6706
_SCAN_POINTS = 6000
# Least openness of what a scanner sees.
_OPEN = 0.3
_MILLIMETRES = 10.0
# The side of the map that `ict_head` carries a mean albedo to.
_CARRIED = 512
# Neighbouring texels whose places are farther apart than this lie on two sides of a seam.
_SEAM = 2 / _CARRIED


class FaceKitSitter(Sitter):
    """The head of ICT-FaceKit, posed by its shapes, and where the default head's textures come to lie on
    it."""

    def __init__(self) -> None:
        super().__init__(
            head_data_from_arrays(kept_arrays(KEPT / "facekit" / "head.npz", _head_arrays), "ict")
        )
        places = kept_arrays(KEPT / "facekit" / "places.npz", _place_arrays)["places"]
        self._uv, self._known = _enlarged(places)
        own = cv2.resize(self.data.albedo_mean, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_LINEAR)
        self._own = torch.from_numpy(own.transpose(2, 0, 1)[None])

    def worn(self, texture: Float[Tensor, "1 3 size size"]) -> Float[Tensor, "1 3 1024 1024"]:
        """A texture of the default head laid on this one; teeth, tongue and mouth keep their own colours."""
        colours = sample_map(texture, torch.from_numpy(self._uv).float().view(1, -1, 2)).mT
        return torch.where(torch.from_numpy(self._known), colours.view_as(self._own), self._own)


def scan_of(
    shape: Float[np.ndarray, " shape"],
) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, "7 3"]]:
    """What a scanner sees of the narrow face of a published head with these weights, and its seven landmarks.

    Millimetres. The points lie evenly on the neutral head's outside, at the same places of every head.
    """
    published = _published()
    head = published.neutral + np.tensordot(shape, published.identities.astype(np.float64), 1)
    points = (head[published.corners] * published.barycentrics[..., None]).sum(1)
    landmarks = head[np.array(LANDMARKS)[list(SEVEN_OF_68)]]
    return points * _MILLIMETRES, landmarks * _MILLIMETRES


@dataclass(frozen=True)
class _Published:
    """The published heads, and where the points of a scan lie on them."""

    neutral: Float[np.ndarray, "vertex 3"]
    identities: Float[np.ndarray, "shape vertex 3"]
    corners: Int[np.ndarray, "point 3"]
    barycentrics: Float[np.ndarray, "point 3"]


@cache
def _published() -> _Published:
    with np.load(FILE, allow_pickle=False) as archive:
        neutral, triangles = archive["neutral"].astype(np.float64), archive["triangles"].astype(np.int64)
        identities = archive["identity_deltas"]
    head = head_data_from_arrays(kept_arrays(KEPT / "facekit" / "head.npz", _head_arrays), "ict")
    # Its vertices begin with those of the published face. Nostrils and the insides of lips are not open.
    outside = openness(torch.from_numpy(head.template_vertices)[None], torch.from_numpy(head.triangles))
    outside = outside[0, :_NARROW_FACE, 0].numpy() > _OPEN
    narrow = triangles[(triangles < _NARROW_FACE).all(1)]
    narrow = narrow[outside[narrow].all(1)]
    a, b, c = np.moveaxis(neutral[narrow], 1, 0)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    random = np.random.default_rng(0)
    chosen = random.choice(len(narrow), _SCAN_POINTS, p=areas / areas.sum())
    barycentrics = random.dirichlet([1, 1, 1], _SCAN_POINTS)
    return _Published(neutral, identities, narrow[chosen], barycentrics)


def _kit() -> FaceKit:
    if not FILE.is_file():
        raise SystemExit(f"{FILE}: not there; the figure of shape needs the ICT-FaceKit heads")
    with np.load(FILE, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    shapes = dict(zip(arrays["expression_names"].tolist(), arrays["expression_deltas"], strict=True))
    return FaceKit(
        neutral=arrays["neutral"].astype(np.float32),
        triangles=arrays["triangles"].astype(np.int64),
        texture_vertices=arrays["uv"].astype(np.float32),
        texture_triangles=arrays["triangle_uv"].astype(np.int64),
        identities=arrays["identity_deltas"].astype(np.float32),
        shapes={name: shapes[name].astype(np.float32) for name in SHAPES},
    )


def _head_arrays() -> dict[str, np.ndarray]:
    return head_arrays(ict_head(_kit(), default_head()))


def _place_arrays() -> dict[str, np.ndarray]:
    """(u, v) of the default head's map at each texel of this one's, and 1 where it has one: carried as a
    colour."""
    middles = (np.arange(_CARRIED, dtype=np.float32) + 0.5) / _CARRIED
    u, v = np.meshgrid(middles, 1 - middles)
    places: HeadData = replace(default_head(), albedo_mean=np.stack([u, v, np.ones_like(u)], -1))
    return {"places": ict_head(_kit(), places).albedo_mean}


def _enlarged(
    places: Float[np.ndarray, "carried carried 3"],
) -> tuple[Float[np.ndarray, "size size 2"], Bool[np.ndarray, "size size"]]:
    size = (TEXTURE_SIZE, TEXTURE_SIZE)
    nearest = cv2.resize(places, size, interpolation=cv2.INTER_NEAREST)
    between = cv2.resize(places, size, interpolation=cv2.INTER_LINEAR)
    seam = (np.abs(between - nearest) > _SEAM).any(-1, keepdims=True)
    both = np.where(seam, nearest, between)
    return both[..., :2], nearest[..., 2] > 0.999
