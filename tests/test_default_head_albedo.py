"""The default head's albedo: pigments to colours, painted people, and the components that ship."""

from __future__ import annotations

import numpy as np
import pytest
from default_head.albedo_masks import IBUG_MIRROR, Masks
from default_head.albedo_population import DARK_AREAS, RED_AREAS, sample_people, skin_colours
from default_head.skin_colour import encode, hair_reflectance, skin_reflectance
from default_head.texels import rasterise_layout
from hypothesis import given
from hypothesis import strategies as st

from deca.head.data import HeadData
from deca.io.heads import default_head

PIGMENT = st.floats(0, 3)
OTHER_MASKS = (
    "freckles",
    "lips",
    "occluded",
    "lip_gap",
    "lash",
    "brow",
    "moustache",
    "jaw",
    "not_ears",
    "hairline",
)


def plain_masks(texels: int = 1, **painted: float) -> Masks:
    """Masks of a patch of bare cheek far from the hair, with the given masks painted all over it."""
    named = {name: np.zeros(texels, np.float32) for name in {*RED_AREAS, *DARK_AREAS, *OTHER_MASKS}}
    named["hairline"] -= 100
    for name, value in painted.items():
        named[name] += value
    return Masks(named, np.zeros((3, texels), np.float32))


@pytest.fixture(scope="module")
def head() -> HeadData:
    return default_head()


def test_encoding_is_that_of_srgb() -> None:
    # IEC 61966-2-1: the toe meets the curve at 0.0031308, and middle grey of 0.2140 is 0.5.
    np.testing.assert_allclose(
        encode(np.array([0, 0.0031308, 0.21404114, 1])), [0, 0.04045, 0.5, 1], atol=1e-5
    )


@given(PIGMENT, PIGMENT, PIGMENT, st.floats(0.01, 1))
def test_every_pigment_darkens_and_skin_stays_warm(
    melanin: float, blood: float, carotene: float, more: float
) -> None:
    pigments = np.array([melanin, blood, carotene])
    skin = skin_reflectance(*pigments)
    assert (skin > 0).all()
    assert (skin < 1).all()
    assert skin[0] > skin[1:].max()
    for added in np.eye(3) * more:
        assert (skin_reflectance(*(pigments + added)) <= skin).all()


def test_melanin_spans_human_skin() -> None:
    lightest, darkest = encode(skin_reflectance(np.array([0.03, 2.6]), np.full(2, 0.5), np.full(2, 0.5)))
    assert lightest[0] > 0.88
    assert darkest[0] < 0.36


def test_hair_runs_from_white_over_red_to_black() -> None:
    white, black, red = encode(hair_reflectance(np.array([0, 4, 0.8]), np.array([0, 0, 1.0])))
    assert white.min() > 0.6
    assert black.max() < 0.2
    assert red[0] > 1.5 * red[2]


def test_painted_people_differ_where_their_masks_are() -> None:
    people = sample_people(200, 3, np.random.default_rng(1))
    cheek, lips, brow = (
        skin_colours(people, plain_masks(**painted))[:, 0] for painted in ({}, {"lips": 1}, {"brow": 1})
    )
    for colours in (cheek, lips, brow):
        assert (colours > 0).all()
        assert (colours < 1).all()
    # Lips are redder than the cheek: less green for their red. Brows are darker, except on the darkest and
    # greyest.
    assert ((lips[:, 1] / lips[:, 0]) < (cheek[:, 1] / cheek[:, 0])).all()
    assert (brow.sum(1) < cheek.sum(1)).mean() > 0.9
    assert np.ptp(cheek[:, 0]) > 0.4


def test_mirror_of_the_landmarks_is_its_own_inverse() -> None:
    assert (IBUG_MIRROR[IBUG_MIRROR] == np.arange(68)).all()
    assert [int(IBUG_MIRROR[index]) for index in (0, 8, 17, 31, 36, 48, 60)] == [16, 8, 26, 35, 45, 54, 64]


def test_the_albedo_that_ships_is_symmetric_and_a_colour(head: HeadData) -> None:
    mean, basis = head.albedo_mean, head.albedo_basis
    assert mean.shape == (512, 512, 3)
    assert basis.shape == (50, 256, 256, 3)
    np.testing.assert_array_equal(mean, mean[:, ::-1])
    np.testing.assert_array_equal(basis, basis[:, :, ::-1])
    small = mean.reshape(256, 2, 256, 2, 3).mean((1, 3))
    for component in basis:
        for sigma in (-2, 2):
            colours = small + sigma * component
            assert ((colours >= 0) & (colours <= 1)).mean() > 0.99


def test_the_first_component_is_the_tone_of_the_whole_face(head: HeadData) -> None:
    texels = rasterise_layout(head.texture_vertices.astype(float), head.texture_triangles, 256)
    bare = head.region("face") & ~head.region("eyes") & ~head.region("forehead")
    on_face = texels.covered & bare[texels.triangles]
    assert (head.albedo_basis[0][on_face] > 0).mean() > 0.98
    spread = (head.albedo_basis[:, on_face] ** 2).sum((1, 2))
    assert spread[0] > 0.5 * spread.sum()


def test_the_last_two_components_are_the_irises_alone(head: HeadData) -> None:
    texels = rasterise_layout(head.texture_vertices.astype(float), head.texture_triangles, 256)
    balls = texels.covered & head.region("eyeballs")[texels.triangles]
    irises, skin = head.albedo_basis[-2:], head.albedo_basis[:-2]
    assert (np.abs(irises[:, texels.covered & ~balls]) == 0).all()
    assert (np.abs(irises[:, balls]).max((1, 2)) > 0).all()
    assert (skin[:, balls] == 0).all()


def test_texels_beyond_the_islands_repeat_what_is_inside(head: HeadData) -> None:
    texels = rasterise_layout(head.texture_vertices.astype(float), head.texture_triangles, 512)
    edge = ~texels.covered
    nearest = texels.spread(head.albedo_mean)
    assert np.abs(nearest - head.albedo_mean)[edge].mean() < 0.02
