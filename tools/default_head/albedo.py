"""The albedo model of the default head: the mean and 50 principal components of a painted population."""

from __future__ import annotations

import numpy as np
from default_head.albedo_inside import IRIS_COMPONENTS, inside_colours
from default_head.albedo_masks import FaceSurface, Masks, paint_masks
from default_head.albedo_population import People, sample_people, skin_colours
from default_head.texels import Texels, rasterise_layout
from jaxtyping import Bool, Float, Int

COMPONENTS = 50
PEOPLE = 1200
MEAN_SIZE, BASIS_SIZE = 512, 256
TEXELS_AT_ONCE = 2048
# How much a region's texels count in the principal components, by area on the head.
REGION_WEIGHTS = {"face": 1.0, "ears": 0.3, "neck": 0.3, "scalp": 0.1}


def albedo_model(
    surface: FaceSurface,
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
) -> tuple[Float[np.ndarray, "512 512 3"], Float[np.ndarray, "50 256 256 3"]]:
    """Mean and basis of the albedo in the map, sRGB-encoded, for coefficients N(0, 1); exactly symmetric.

    The first components are the skin's tone; the last two turn brown irises blue and green. Texels outside
    the islands repeat the nearest one inside.
    """
    generator = np.random.default_rng(0)
    coarse = _right_half(rasterise_layout(texture_vertices, texture_triangles, BASIS_SIZE))
    masks = paint_masks(surface, coarse)
    people = sample_people(PEOPLE, len(masks.blotches), generator)
    weights = _texel_weights(surface, coarse)
    scores = _principal_scores(people, masks, weights, COMPONENTS - IRIS_COMPONENTS)
    _, skin_basis = _moments(people, masks, scores)
    fine = _right_half(rasterise_layout(texture_vertices, texture_triangles, MEAN_SIZE))
    skin_mean, _ = _moments(people, paint_masks(surface, fine), scores[:, :0])
    on_face = coarse.covered & surface.regions["face"][coarse.triangles]
    skin_basis = _tone_first(skin_basis, on_face.ravel())
    inside_mean, inside_basis = inside_colours(surface, fine), inside_colours(surface, coarse)
    mean = np.where(inside_mean.chosen[..., None], inside_mean.colour, skin_mean)
    skin_basis = np.where(inside_basis.chosen[..., None], 0, skin_basis)
    basis = np.concatenate([skin_basis, inside_basis.iris_basis])
    # Tones grow lighter and irises less brown with their coefficient.
    basis *= np.where(basis.sum((1, 2)) < 0, -1, 1)[:, None, None]
    return (
        _whole(mean.reshape(MEAN_SIZE, -1, 3)).clip(0, 1).astype(np.float32),
        np.stack([_whole(row.reshape(BASIS_SIZE, -1, 3)) for row in basis]).astype(np.float32),
    )


def _tone_first(
    basis: Float[np.ndarray, "component texel 3"], on_face: Bool[np.ndarray, " texel"]
) -> Float[np.ndarray, "component texel 3"]:
    """The components ordered by how much they change the face as a whole: the median over its texels."""
    whole = np.linalg.norm(np.median(basis[:, on_face], axis=1), axis=1)
    return basis[np.argsort(-whole, kind="stable")]


def _right_half(texels: Texels) -> Texels:
    """The half of the map that holds the subject's left; the layout is symmetric, the other half follows."""
    half = texels.layers.shape[1] // 2
    return Texels(texels.triangles[:, half:], texels.barycentrics[:, half:], texels.layers[:, half:])


def _whole(half: np.ndarray) -> np.ndarray:
    """A half map and its mirror image."""
    return np.concatenate([half[:, ::-1], half], 1)


def _texel_weights(surface: FaceSurface, texels: Texels) -> Float[np.ndarray, " texel"]:
    """Head area of each texel, weighed by its region; nothing for texels outside the islands or inside the
    head.
    """
    corners = surface.vertices[surface.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    shares = area / np.maximum(np.bincount(texels.triangles[texels.covered], minlength=len(area)), 1)
    importance = np.zeros(len(area))
    for name, weight in REGION_WEIGHTS.items():
        importance[surface.regions[name]] = weight
    return ((shares * importance)[texels.triangles] * texels.covered).ravel()


def _chunks(masks: Masks):
    """The masks of a few texels at a time, and which these are."""
    count = masks.blotches.shape[1]
    for start in range(0, count, TEXELS_AT_ONCE):
        part = slice(start, min(start + TEXELS_AT_ONCE, count))
        yield part, Masks({name: mask[part] for name, mask in masks.named.items()}, masks.blotches[:, part])


def _principal_scores(
    people: People, masks: Masks, weights: Float[np.ndarray, " texel"], count: int
) -> Float[np.ndarray, "person component"]:
    """Unit-variance scores of the leading principal components, from the people's inner products (Sirovich
    1987).
    """
    size = len(people.melanin)
    products = np.zeros((size, size))
    for part, few in _chunks(masks):
        seen = weights[part] > 0
        if seen.any():
            few = Masks({name: mask[seen] for name, mask in few.named.items()}, few.blotches[:, seen])
            colours = skin_colours(people, few)
            colours = (colours - colours.mean(0)) * np.sqrt(weights[part][seen])[:, None]
            flat = colours.reshape(size, -1).astype(np.float32)
            products += flat @ flat.T
    _, vectors = np.linalg.eigh(products)
    return vectors[:, ::-1][:, :count] * np.sqrt(size)


def _moments(
    people: People, masks: Masks, scores: Float[np.ndarray, "person component"]
) -> tuple[Float[np.ndarray, "texel 3"], Float[np.ndarray, "component texel 3"]]:
    """The mean colour of every texel, and how it moves with each score."""
    count = masks.blotches.shape[1]
    mean = np.zeros((count, 3))
    basis = np.zeros((scores.shape[1], count, 3))
    for part, few in _chunks(masks):
        colours = skin_colours(people, few)
        mean[part] = colours.mean(0)
        centred = (colours - mean[part]).reshape(len(colours), -1)
        basis[:, part] = (scores.T @ centred / len(colours)).reshape(basis[:, part].shape)
    return mean, basis
