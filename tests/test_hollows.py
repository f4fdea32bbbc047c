"""Hollows: as deep as the mathematics says, dark where an expression makes them, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.render.hollows import DARKENING, LEFT, REACH, Hollows, vertex_surroundings

FLAT = torch.zeros(1, 1, 256, 256)


@pytest.fixture(scope="module")
def data() -> HeadData:
    return default_head()


@pytest.fixture(scope="module")
def hollows(data: HeadData) -> Hollows:
    return Hollows(data)


@pytest.fixture(scope="module")
def places(data: HeadData) -> np.ndarray:
    """Where the texels lie, metres; zero beside the head."""
    return UVLayout(data, 256).to_uv(torch.from_numpy(data.template_vertices)[None])[0].numpy()


def acting(data: HeadData, **actions: float) -> torch.Tensor:
    model = HeadModel(data)
    neutral = model.neutral()
    expression = torch.zeros_like(neutral.expression)
    for name, value in actions.items():
        expression[0, data.expression_names.index(name)] = value
    return model(neutral.replace(expression=expression)).vertices


def test_a_pit_is_as_deep_as_its_mean_lies_above_it(
    data: HeadData, hollows: Hollows, places: np.ndarray
) -> None:
    """A Gaussian pit of width w, averaged over a Gaussian of width s: 1 - w^2 / (w^2 + s^2) of its depth."""
    vertices = torch.from_numpy(data.template_vertices)[None]
    cheek = data.template_vertices[data.triangles[data.dense_landmark_triangles[280]]].mean(0)
    distance = np.linalg.norm(places - cheek[:, None, None], axis=0)
    depth, width = 0.001, 0.004
    pit = torch.from_numpy(-depth * np.exp(-0.5 * (distance / width) ** 2)).float()[None, None]
    change = hollows.depths(vertices, pit) - hollows.depths(vertices, FLAT)
    bottom = np.unravel_index(distance.argmin(), distance.shape)
    expected = depth * (1 - width**2 / (width**2 + REACH**2))
    assert change[bottom] == pytest.approx(expected, rel=0.15)
    left = hollows.left(hollows.depths(vertices, pit), hollows.depths(vertices, FLAT))
    assert left[bottom] == pytest.approx(np.exp(-DARKENING * change[bottom]), rel=1e-5)
    assert left[distance > 0.03] == pytest.approx(1, abs=1e-4)


def test_a_smile_darkens_its_folds_and_not_the_forehead(
    data: HeadData, hollows: Hollows, places: np.ndarray
) -> None:
    with torch.no_grad():
        rest, smiling = (
            hollows.depths(acting(data, mouthSmileLeft=smile, mouthUpperUpLeft=0.5 * smile), FLAT)
            for smile in (0.0, 0.8)
        )
    left = hollows.left(smiling, rest)
    assert LEFT[0] <= left.min() <= left.max() <= np.float32(LEFT[1])
    x, y, z = places
    # Between the wing of the nose and the corner of the mouth, on the side that smiles.
    fold = (np.abs(x - 0.025) < 0.006) & (y < -0.02) & (y > -0.036) & (z > 0)
    assert np.percentile(left[fold], 20) < 0.95
    assert left[fold & (x > 0)].mean() < left[(np.abs(x + 0.025) < 0.006) & (y < -0.02) & (y > -0.036)].mean()
    assert left[(y > 0.03) & (z > 0)] == pytest.approx(1, abs=0.01)


def test_lips_have_no_hollows(data: HeadData, hollows: Hollows) -> None:
    lips = UVLayout(data, 256).region_mask("lips").numpy()
    assert not hollows.depths(acting(data, mouthPucker=1.0), FLAT)[lips].any()


def test_the_coarse_head_is_as_deep_at_its_vertices(data: HeadData, hollows: Hollows) -> None:
    """What the page knows, by the other road: the change of depth that a smile makes."""
    around = vertex_surroundings(data)
    triangles = torch.from_numpy(data.triangles)
    at_vertices, in_the_map = [], []
    for smile in (0.0, 0.8):
        vertices = acting(data, mouthSmileLeft=smile, mouthSmileRight=smile)
        normals = vertex_normals(vertices, triangles)[0].numpy()
        at_vertices.append((around @ vertices[0].numpy().astype(float) * normals).sum(1))
        in_the_map.append(hollows.depths(vertices, FLAT))
    change = np.subtract(*at_vertices[::-1]).astype(np.float32)
    expected = np.subtract(*in_the_map[::-1])
    layout = UVLayout(data, 256)
    found = layout.to_uv(torch.from_numpy(change)[None, :, None])[0, 0].numpy()
    skin = np.abs(expected) > 1e-4
    assert skin.sum() > 3000
    assert np.corrcoef(found[skin], expected[skin])[0, 1] > 0.95
    assert np.polyfit(found[skin], expected[skin], 1)[0] == pytest.approx(1, abs=0.15)
