"""Where a face shows bare skin: faces drawn in many skin colours and lights, with things laid over them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8

from deca.geometry import vertex_normals
from deca.io.face_mesh import face_mesh
from deca.photo.face_area import FaceArea, face_area
from deca.photo.skin_mask import WORK_SIZE, occlusion, skin_mask
from deca.raster.fragments import fragments

SIZE = 320
SKINS = {"pale": (235, 195, 175), "brown": (165, 115, 85), "dark": (85, 55, 42), "grey": (150, 150, 150)}
LIGHTS = {"front": (0.0, 0.0, 1.0), "side": (0.8, -0.3, 0.5)}
FOREHEAD, CHIN, NOSE = 10, 152, 4


def face_points(turn: float = 0.0) -> Float[np.ndarray, "468 3"]:
    """The canonical face in the middle of the crop, turned (degrees, to the viewer's right)."""
    vertices = face_mesh().vertices.astype(np.float64)
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    vertices = vertices @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    middle = (vertices.max(0) + vertices.min(0)) / 2
    return (vertices - middle) * np.array([1, -1, -1]) * (150 / np.ptp(vertices[:, 1])) + [
        SIZE / 2,
        SIZE / 2,
        0,
    ]


def paint(
    points: Float[np.ndarray, "468 3"], skin: str, light: str, seed: int = 0
) -> UInt8[np.ndarray, "size size 3"]:
    """The face in one colour under light from one side, with noise, before something green."""
    vertices = torch.from_numpy(points.astype(np.float32))[None]
    drawn = fragments(
        vertices / (SIZE / 2) - torch.tensor([1.0, 1.0, 0.0]), face_mesh().triangles, SIZE, SIZE
    )
    normals = drawn.interpolate(vertex_normals(vertices, face_mesh().triangles))
    normals = drawn.image(torch.nn.functional.normalize(normals, dim=-1))[0].permute(1, 2, 0).numpy()
    towards = np.array(LIGHTS[light]) / np.linalg.norm(LIGHTS[light])
    shading = 0.55 + 0.5 * np.clip(normals @ (towards * [1, 1, -1]), 0, None)
    covered = drawn.triangle_ids[0].numpy() >= 0
    picture = np.where(covered[..., None], np.array(SKINS[skin]) * shading[..., None], [60, 120, 70])
    noise = np.random.default_rng(seed).normal(0, 3, (SIZE, SIZE, 3))
    return np.clip(cv2.GaussianBlur(picture + noise, (0, 0), 0.8), 1, 255).astype(np.uint8)


def area_of(points: Float[np.ndarray, "468 3"]) -> FaceArea:
    return face_area(points, face_mesh(), SIZE, WORK_SIZE)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("turn", [0.0, 40.0])
def test_all_of_a_bare_face_is_skin_and_nothing_else(skin, light, turn):
    points = face_points(turn)
    area = area_of(points)
    mask = skin_mask(paint(points, skin, light), area)
    assert occlusion(mask, area) < 0.08
    away = area.in_crop(area.face.astype(np.float32), SIZE) == 0
    assert (mask[away] == 0).all()
    for index in (159, 386, 13, 105, 334):  # lids, lips' inside and brows
        x, y = points[index, :2].astype(int)
        assert mask[y, x] < 128


@pytest.mark.parametrize("skin", ["pale", "brown", "grey"])
def test_hair_spectacles_and_a_mask_are_not_skin(skin):
    points = face_points()
    picture = paint(points, skin, "front")
    nose, forehead, chin = (points[index, :2].astype(int) for index in (NOSE, FOREHEAD, CHIN))
    covered = picture.copy()
    covered[: forehead[1] + 18] = (35, 30, 28)  # a fringe
    cv2.line(covered, (nose[0] - 70, nose[1] - 38), (nose[0] + 70, nose[1] - 38), (20, 20, 25), 4)
    covered[chin[1] - 25 :] = (90, 140, 220)  # blue cloth
    area = area_of(points)
    before, after = skin_mask(picture, area), skin_mask(covered, area)
    changed = np.abs(covered.astype(int) - picture).sum(2) > 60
    assert after[changed & (before > 200)].mean() < 25
    kept = cv2.erode((~changed).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert after[kept & (before > 200)].mean() > 225
    assert occlusion(after, area) > occlusion(before, area) + 0.15


def test_shade_and_highlights_stay_skin():
    points = face_points()
    picture = paint(points, "brown", "front").astype(np.float32)
    cheek = points[50, :2]
    spot = np.exp(-((np.indices((SIZE, SIZE)) - cheek[::-1, None, None]) ** 2).sum(0) / 2 / 9**2)
    shade = np.where(np.arange(SIZE) > points[NOSE, 0] + 12, 0.78, 1.0)
    picture = np.clip(picture * shade[None, :, None] + 60 * spot[..., None], 1, 255).astype(np.uint8)
    area = area_of(points)
    assert occlusion(skin_mask(picture, area), area) < 0.08


def test_outside_the_photo_is_no_skin():
    points = face_points()
    picture = paint(points, "pale", "front")
    picture[:, : SIZE // 2] = 0
    area = area_of(points)
    mask = skin_mask(picture, area)
    assert (mask[:, : SIZE // 2] == 0).all()
    assert 0.35 < occlusion(mask, area) < 0.65


@pytest.mark.parametrize("shift", [-200.0, 400.0])
def test_a_face_at_the_border_or_beyond_it_is_no_error(shift):
    points = face_points() + np.array([shift, 0, 0])
    mask = skin_mask(np.full((SIZE, SIZE, 3), 128, np.uint8), area_of(points))
    assert mask.shape == (SIZE, SIZE)


def test_the_area_is_shrunk_and_laid_back():
    points = face_points()
    area = face_area(points, face_mesh(), SIZE, 50.0)
    assert area.size == pytest.approx(50, rel=0.03)
    ramp = np.tile(np.arange(SIZE, dtype=np.uint8)[:, None, None], (1, SIZE, 3))
    back = area.in_crop(area.of(ramp)[..., 0].astype(np.float32), SIZE)
    inside = (slice(area.top + 5, area.bottom - 5), slice(area.left + 5, area.right - 5))
    assert np.abs(back[inside] - ramp[inside][..., 0]).max() < 3
