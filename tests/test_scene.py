"""Scenes around a head: the same for a seed, skin where the mask says, things where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from small_head import make_small_head

from deca.training.synthetic import belongings
from deca.training.synthetic.backdrops import backdrop
from deca.training.synthetic.hair import hair_layer, hair_strands, hair_style
from deca.training.synthetic.head_view import HeadPlaces
from deca.training.synthetic.layers import fill, lay, new_layer, noise, textured
from deca.training.synthetic.scene import SceneModel, compose

SIZE = 96


@pytest.fixture(scope="module")
def model() -> SceneModel:
    return SceneModel(make_small_head())


@pytest.fixture(scope="module")
def places(model) -> HeadPlaces:
    return model.places


@pytest.fixture(scope="module")
def head(places) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plain disc of skin, its mask, and frontal landmarks of 68 points in pixels."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    alpha = (((columns - SIZE / 2) / 27) ** 2 + ((rows - SIZE / 2) / 40) ** 2 < 1).astype(np.float32)
    picture = alpha[..., None] * np.array([0.7, 0.5, 0.4], np.float32)
    inner = places.landmarks[:, :2] * [360, -360] + SIZE / 2
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    contour = np.stack([27 * np.sin(angle), 38 * np.cos(angle)], 1) + SIZE / 2
    return picture, alpha, np.concatenate([contour, inner])


def test_the_view_is_that_of_the_landmarks(places, head):
    view = places.view(head[2])
    np.testing.assert_allclose(view.toward, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(view.scale, 360, rtol=1e-6)
    np.testing.assert_allclose(view.pixels(places.landmarks), head[2][17:], atol=1e-6)


def test_a_turned_head_looks_to_its_left(places, head):
    angle = np.radians(40)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    landmarks = head[2].copy()
    landmarks[17:] = (places.landmarks @ turn.T)[:, :2] * [360, -360] + SIZE / 2
    # Seen in the head's own frame the viewer stands to its right.
    np.testing.assert_allclose(places.view(landmarks).toward, [-np.sin(angle), 0, np.cos(angle)], atol=1e-6)


def test_a_seed_gives_one_scene(model, head):
    first, again, other = (
        compose(model, head[0], head[1], head[2], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert (first[0] != other[0]).any()


def test_pictures_and_masks_are_in_range_and_skin_shows_the_head(model, head):
    picture, alpha, landmarks = head
    shares = []
    for seed in range(40):
        composed, skin = compose(model, picture, alpha, landmarks, np.random.default_rng(seed))
        assert composed.shape == picture.shape
        assert composed.dtype == skin.dtype == np.float32
        assert skin.shape == alpha.shape
        assert 0 <= composed.min() <= composed.max() <= 1
        assert skin.min() >= 0
        assert (skin <= alpha + 1e-6).all()
        bare = skin > 0.99
        if bare.any():
            # Shadows of what lies beside may darken bare skin, nothing may paint it over.
            hue = composed[bare] / composed[bare].sum(-1, keepdims=True)
            assert np.abs(hue - picture[bare] / picture[bare].sum(-1, keepdims=True)).max() < 0.06
        shares.append(skin.sum() / alpha.sum())
    assert 0.3 < np.mean(shares) < 0.95
    assert np.mean(np.array(shares) > 0.1) > 0.9


def test_nothing_hides_a_part_of_a_bare_face(model, head):
    picture, alpha, landmarks = head
    # From the brows to the mouth: collars may reach the chin.
    inner = landmarks[17:55]
    (left, top), (right, bottom) = inner.min(0).astype(int), inner.max(0).astype(int)
    face = np.s_[top:bottom, left:right]
    seen = alpha[face] > 0
    for seed in range(20):
        composed, skin = compose(model, picture, alpha, landmarks, np.random.default_rng(seed), bare=True)
        assert skin[face][seen].min() == 1
        np.testing.assert_allclose(composed[face][seen], picture[face][seen], atol=1e-6)


def test_a_dark_head_has_a_dark_scene(model, head):
    bright, dark = (
        np.mean([compose(model, *_none(head), np.random.default_rng(s), (), e)[0] for s in range(10)])
        for e in (1.0, 0.3)
    )
    assert dark < 0.75 * bright


def _none(head) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scene without its head."""
    return 0 * head[0], 0 * head[1], head[2]


def test_the_given_pictures_are_left_alone(model, head):
    before = [part.copy() for part in head]
    for seed in range(10):
        compose(model, head[0], head[1], head[2], np.random.default_rng(seed))
    for part, same in zip(head, before, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("photographed", [False, True])
def test_backdrops(photographed):
    random = np.random.default_rng(0)
    photos = [random.integers(0, 255, shape).astype(np.uint8) for shape in ((40, 60, 3), (9, 7, 3))]
    for _ in range(30):
        picture = backdrop(random, 48, 64, photos if photographed else [])
        assert picture.shape == (48, 64, 3)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1


def test_spectacles_lie_around_the_eyes(places, head):
    picture, alpha, landmarks = head
    eyes = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])
    for seed in range(10):
        _, skin = belongings.spectacles(places, picture, alpha, landmarks, np.random.default_rng(seed))
        changed = np.argwhere((alpha - skin) > 0.5) + 0.5
        assert len(changed)
        assert abs(changed[:, 0].mean() - eyes[:, 1].mean()) < 10
        assert changed[:, 0].max() < landmarks[48:, 1].min()


def test_hats_lie_above_the_eyes(places, head):
    picture, alpha, landmarks = head
    for seed in range(10):
        _, skin = belongings.hat(places, picture, alpha, landmarks, np.random.default_rng(seed))
        covered = (alpha - skin) > 0.5
        assert covered[: int(landmarks[17:27, 1].min()) - 8].sum() > 10
        assert not covered[int(landmarks[33, 1]) :].any()


def test_beards_lie_below_the_nose(head):
    picture, alpha, landmarks = head
    for seed in range(6):
        _, skin = belongings.beard(picture, alpha, landmarks, np.zeros(3), np.random.default_rng(seed))
        lost = alpha - skin
        assert lost[int(landmarks[33, 1]) + 3 :].sum() > 0.8 * lost.sum() > 10


def test_face_masks_cover_the_mouth_and_leave_the_eyes(head):
    picture, alpha, landmarks = head
    for seed in range(6):
        _, skin = belongings.face_mask(picture, alpha, landmarks, np.random.default_rng(seed))
        rows, columns = landmarks[48:60].astype(int).T[::-1]
        assert (skin[rows, columns] < 0.1).all()
        rows, columns = landmarks[36:48].astype(int).T[::-1]
        assert (skin[rows, columns] > 0.9).all()


def test_occluders_leave_some_of_the_face(head):
    picture, alpha, landmarks = head
    lost = []
    for seed in range(40):
        _, skin = belongings.occluder(picture, alpha, landmarks, np.random.default_rng(seed))
        lost.append(1 - skin.sum() / alpha.sum())
    assert 0.02 < np.mean(lost) < 0.5
    assert max(lost) < 0.9


def test_strands_grow_from_the_scalp(places):
    random = np.random.default_rng(0)
    bald = 0
    for _ in range(20):
        style = hair_style(random)
        strands = hair_strands(places, style, random)
        if not len(strands):
            assert style.length == 0
            bald += 1
            continue
        assert np.isfinite(strands).all()
        inside = np.abs(strands[:, 0] - places.centre) <= places.radii + 1e-6
        assert inside.all()
        # The head's shape and the face push hair aside, but no further than a head is wide.
        reach = np.linalg.norm(strands[:, -1] - strands[:, 0], axis=1)
        assert reach.max() < 1.2 * style.length + 0.12
    assert bald < 10


def test_hair_of_the_far_side_lies_behind(places, head):
    random = np.random.default_rng(3)
    style = next(style for style in (hair_style(random) for _ in range(99)) if 0 < style.length < 0.05)
    strands = hair_strands(places, style, random)
    view = places.view(head[2])
    for front in (True, False):
        layer = hair_layer(places, view, style, strands, (SIZE, SIZE), random, light=1.0, front=front)
        assert layer.shape == (SIZE, SIZE, 4)
        assert (layer[..., :3] <= layer[..., 3:]).all()
        assert layer[..., 3].any()
        # The front of a head shows no hair over the chin.
        assert not layer[SIZE * 3 // 4 :, SIZE // 2 - 5 : SIZE // 2 + 5, 3].any()


def test_layers_hide_what_lies_under_them():
    picture, skin = np.full((20, 30, 3), 0.5, np.float32), np.ones((20, 30), np.float32)
    layer = new_layer(20, 30)
    fill(layer, np.array([[5.0, 5.0], [15.0, 5.0], [15.0, 15.0], [5.0, 15.0]]), np.array([1.0, 0.0, 0.0]))
    laid, left = lay(picture, skin, layer, 0.0)
    np.testing.assert_allclose(laid[10, 10], [1, 0, 0])
    assert left[10, 10] == 0
    np.testing.assert_allclose(laid[2, 2], 0.5)
    assert left[2, 2] == 1
    shaded, _ = lay(picture, skin, layer, 0.5)
    assert shaded[16, 10].max() < 0.5, "the thing's shadow lies under it"
    # 10 x 10 pixels, and the soft edge.
    assert 95 < (1 - left).sum() < 135
    changed = textured(layer, np.random.default_rng(0), 0.5)
    np.testing.assert_array_equal(changed[..., 3], layer[..., 3])
    assert (changed != layer).any()


def test_noise_is_about_one():
    values = np.stack([noise(np.random.default_rng(seed), 40, 50) for seed in range(20)])
    assert values.shape == (20, 40, 50)
    assert 0.2 < values.std() < 1
    assert abs(values.mean()) < 0.3
