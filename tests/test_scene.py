"""Scenes around a head: the same for a seed, skin where the mask says, things where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from small_head import make_small_head

from deca.training.synthetic import scene
from deca.training.synthetic.scene import SceneModel

SIZE = 96


@pytest.fixture(scope="module")
def model() -> SceneModel:
    return SceneModel(make_small_head())


@pytest.fixture(scope="module")
def head(model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plain disc of skin, its mask, and frontal landmarks of 68 points in pixels."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    alpha = (((columns - SIZE / 2) / 27) ** 2 + ((rows - SIZE / 2) / 40) ** 2 < 1).astype(np.float32)
    picture = alpha[..., None] * np.array([0.7, 0.5, 0.4], np.float32)
    return picture, alpha, frontal(model)


def frontal(model: SceneModel, scale: float = 360.0) -> np.ndarray:
    inner = model.landmarks[:, :2] * [scale, -scale] + SIZE / 2
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    contour = np.stack([27 * np.sin(angle), 38 * np.cos(angle)], 1) + SIZE / 2
    return np.concatenate([contour, inner])


def test_the_view_is_that_of_the_landmarks(model, head):
    view = model.view(head[2])
    np.testing.assert_allclose(view.toward, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(view.scale, 360, rtol=1e-6)
    np.testing.assert_allclose(view.pixels(model.landmarks), head[2][17:], atol=1e-6)


def test_a_turned_head_looks_to_its_left(model, head):
    angle = np.radians(40)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    landmarks = head[2].copy()
    landmarks[17:] = (model.landmarks @ turn.T)[:, :2] * [360, -360] + SIZE / 2
    # Seen in the head's own frame the viewer stands to its right.
    np.testing.assert_allclose(model.view(landmarks).toward, [-np.sin(angle), 0, np.cos(angle)], atol=1e-6)


def test_a_seed_gives_one_scene(model, head):
    first, again, other = (
        scene.compose(model, head[0], head[1], head[2], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert (first[0] != other[0]).any()


def test_pictures_and_masks_are_in_range_and_skin_shows_the_head(model, head):
    picture, alpha, landmarks = head
    shares = []
    for seed in range(40):
        composed, skin = scene.compose(model, picture, alpha, landmarks, np.random.default_rng(seed))
        assert composed.shape == picture.shape
        assert composed.dtype == np.float32
        assert skin.shape == alpha.shape
        assert 0 <= composed.min() <= composed.max() <= 1
        assert skin.min() >= 0
        assert (skin <= alpha + 1e-6).all()
        bare = skin > 0.99
        # Shadows of what lies beside may darken bare skin, nothing may paint it over.
        hue = composed[bare] / composed[bare].sum(-1, keepdims=True)
        assert np.abs(hue - picture[bare] / picture[bare].sum(-1, keepdims=True)).max() < 0.06
        shares.append(skin.sum() / alpha.sum())
    assert 0.2 < np.mean(shares) < 0.95
    assert min(shares) > 0.02


@pytest.mark.parametrize("kind", ["none", "photos"])
def test_backdrops(kind):
    random = np.random.default_rng(0)
    photos = (
        []
        if kind == "none"
        else [random.integers(0, 255, (40, 60, 3)).astype(np.uint8), np.zeros((9, 7, 3), np.uint8)]
    )
    for _ in range(30):
        picture = scene.backdrop(random, 48, 64, photos)
        assert picture.shape == (48, 64, 3)
        assert -1e-5 <= picture.min() <= picture.max() <= 1 + 1e-5


def test_spectacles_lie_around_the_eyes(model, head):
    picture, alpha, landmarks = head
    eyes = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])
    for seed in range(10):
        _, skin = scene.spectacles(model, picture, alpha, landmarks, np.random.default_rng(seed))
        changed = (alpha - skin) > 0.5
        assert changed.any()
        rows = np.argwhere(changed)[:, 0] + 0.5
        assert abs(rows.mean() - eyes[:, 1].mean()) < 10
        assert rows.max() < landmarks[48:, 1].min()


def test_hats_lie_above_the_eyes(model, head):
    picture, alpha, landmarks = head
    for seed in range(10):
        _, skin = scene.hat(model, picture, alpha, landmarks, np.random.default_rng(seed))
        covered = (alpha - skin) > 0.5
        assert covered[: int(landmarks[17:27, 1].min()) - 8].sum() > 10
        assert not covered[int(landmarks[33, 1]) :].any()


def test_beards_lie_below_the_nose(model, head):
    picture, alpha, landmarks = head
    _, skin = scene.beard(picture, alpha, landmarks, np.zeros(3), np.random.default_rng(1))
    lost = alpha - skin
    assert lost[int(landmarks[33, 1]) + 3 :].sum() > 0.8 * lost.sum() > 10


def test_occluders_leave_some_of_the_face(model, head):
    picture, alpha, landmarks = head
    lost = []
    for seed in range(40):
        _, skin = scene.occluder(picture, alpha, landmarks, np.random.default_rng(seed))
        lost.append(1 - skin.sum() / alpha.sum())
    assert 0.02 < np.mean(lost) < 0.5
    assert max(lost) < 0.9


def test_strands_grow_from_the_scalp_and_stay_outside(model):
    random = np.random.default_rng(0)
    for _ in range(10):
        style = scene.hair_style(random)
        strands = scene.hair_strands(model, style, random)
        assert strands.shape[2] == 3
        if not len(strands):
            assert style.length == 0
            continue
        distance = np.linalg.norm(strands[:, :1] - model.scalp[None], axis=-1)
        assert distance.min(1).max() < 0.02
        steps = np.linalg.norm(np.diff(strands, axis=1), axis=-1).sum(1)
        assert steps.max() < 3 * style.length + 0.05 + 25 * style.wave
