"""The texture repeats the photo where it is seen, and invents nothing that is not the head's."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from portrait import BACKGROUND, albedo_model, data, layout, model, side_light, take_portrait

from deca.fitting.appearance import fit_appearance
from deca.fitting.observation import observe
from deca.fitting.texture import carried_tone, complete_texture
from deca.fitting.trust import mirrored_texels, photo_trust
from deca.head.uv import UVLayout

SIZE = 512
IRIS = torch.tensor([0.2, 0.4, 0.6])


def texture_of(portrait, photo=None, iris=None):
    photo = portrait.photo if photo is None else photo
    small = observe(photo, portrait.vertices, portrait.vertices_photo, model(), layout(192))
    fitted = fit_appearance(small, portrait.parameters, data(), layout(192), albedo_model(192))
    seen = observe(photo, portrait.vertices, portrait.vertices_photo, model(), layout(SIZE))
    texture = complete_texture(seen, fitted, iris, data(), layout(SIZE), albedo_model(SIZE))
    return texture, fitted


def region(name: str) -> np.ndarray:
    return layout(SIZE).region_mask(name).numpy()


@pytest.fixture(scope="module")
def moled():
    """A portrait with a mole on the subject's left cheek, its texture and the mole's texel."""
    portrait = take_portrait(lighting=side_light())
    photo = portrait.photo.copy()
    x, y = portrait.landmarks_photo[425].tolist()
    cv2.circle(photo, (round(x), round(y)), 5, (70, 30, 25), -1)
    corners = data().texture_triangles[data().dense_landmark_triangles[425]]
    u, v = data().dense_landmark_barycentrics[425] @ data().texture_vertices[corners]
    return portrait, texture_of(portrait, photo)[0], (int((1 - v) * SIZE), int(u * SIZE))


def test_a_mole_is_kept_where_it_is(moled) -> None:
    _, texture, (row, column) = moled
    around = texture[row - 30 : row + 30, column - 30 : column + 30].mean((0, 1))
    assert texture[row, column].mean() < 0.65 * around.mean()


def test_light_is_taken_off_the_seen_face(moled) -> None:
    portrait, texture, _ = moled
    truth = albedo_model(SIZE)(portrait.parameters.albedo)[0].permute(1, 2, 0).numpy() * 255
    face = region("face") & ~region("lips")
    left, right = face.copy(), face.copy()
    left[:, : SIZE // 2], right[:, SIZE // 2 :] = False, False
    lit = portrait.observe(SIZE).colour[0].permute(1, 2, 0).numpy()
    in_photo = lit[left].mean() / lit[right].mean()
    in_texture = texture[left].mean() / texture[right].mean()
    assert in_photo > 1.2
    assert abs(np.log(in_texture)) < 0.45 * np.log(in_photo)
    # How bright the head is, is shared out between light and albedo by their priors: compare up to that.
    scale = truth[face].mean() / texture[face].mean()
    assert np.abs(texture[face] * scale - truth[face]).mean() < 12


def test_nothing_of_the_background_is_on_the_head() -> None:
    blue = np.array(BACKGROUND) * 255
    for yaw in (0.0, 0.7):
        texture, _ = texture_of(take_portrait(lighting=side_light(), pose=torch.tensor([[0.0, yaw, 0.0]])))
        assert (texture[..., 2].astype(int) - texture[..., 0] > 20).mean() < 0.001
        assert np.linalg.norm(texture - blue, axis=2).min() > 60


def test_the_hidden_side_gets_the_other_sides_mole() -> None:
    portrait = take_portrait(lighting=side_light(0.0), pose=torch.tensor([[0.0, -0.7, 0.0]]))
    photo = portrait.photo.copy()
    x, y = portrait.landmarks_photo[425].tolist()
    cv2.circle(photo, (round(x), round(y)), 5, (70, 30, 25), -1)
    texture, _ = texture_of(portrait, photo)
    corners = data().texture_triangles[data().dense_landmark_triangles[425]]
    u, v = data().dense_landmark_barycentrics[425] @ data().texture_vertices[corners]
    row, column = int((1 - v) * SIZE), int(u * SIZE)
    for spot in (column, SIZE - 1 - column):
        around = texture[row - 30 : row + 30, spot - 30 : spot + 30].mean()
        assert texture[row, spot].mean() < 0.75 * around


def test_hair_beside_the_cheek_is_not_smeared_on_it() -> None:
    portrait = take_portrait(lighting=side_light(0.0))
    photo = portrait.photo.copy()
    # From the temple to the jaw, outside the outer corner of the eye.
    x, y = portrait.landmarks_photo[454].tolist()
    photo[round(y) - 60 : round(y) + 110, round(x) - 22 :] = (25, 18, 12)
    texture, _ = texture_of(portrait, photo)
    face = region("face") & ~region("eyes") & ~region("lips") & ~region("nose") & ~region("forehead")
    below_brows = np.zeros_like(face)
    below_brows[int(0.4 * SIZE) :] = True
    assert (texture[face & below_brows].mean(1) < 60).mean() < 0.01


def test_teeth_are_not_painted_on_lips() -> None:
    portrait = take_portrait(lighting=side_light(0.0))
    photo = portrait.photo.copy()
    # A third of the lower lip, from its inner rim on.
    inner, outer = portrait.landmarks_photo[[87, 14, 317]], portrait.landmarks_photo[[84, 17, 314]]
    # The landmarks lie a little below the rim.
    strip = torch.lerp(inner, outer, -0.3), torch.lerp(inner, outer, 0.2).flip(0)
    strip = torch.cat(strip).round().int().numpy()
    cv2.fillPoly(photo, [strip], (235, 232, 225))
    texture, _ = texture_of(portrait, photo)
    plain, _ = texture_of(portrait)
    lips = region("lips")
    seen = portrait.observe(SIZE).visible[0, 0].numpy() & lips
    tooth = 231
    assert texture[seen].mean(1).max() < (plain[seen].mean(1).max() + tooth) / 2
    assert np.quantile(texture[seen].mean(1), 0.98) < plain[seen].mean(1).max() + 10


def test_a_grey_photo_gives_a_grey_texture() -> None:
    portrait = take_portrait(lighting=side_light())
    grey = portrait.photo.mean(2, keepdims=True).repeat(3, 2).round().astype("uint8")
    texture, _ = texture_of(portrait, grey, IRIS)
    skin = texture[region("face") | region("neck")].astype(int)
    assert np.ptp(skin, axis=1).max() <= 3


def test_irises_take_the_colour_that_was_found() -> None:
    portrait = take_portrait(lighting=side_light(0.0))
    plain, painted = (texture_of(portrait, iris=iris)[0].astype(int) for iris in (None, IRIS))
    changed = np.abs(painted - plain).max(2) > 25
    assert changed.sum() > 30
    assert not (changed & ~region("eyeballs") & layout(SIZE).mask.numpy()).any()
    assert (painted[changed][:, 2] > painted[changed][:, 0]).mean() > 0.8


def test_tone_is_carried_over_seams_and_not_across_the_hairline() -> None:
    trust = layout(SIZE).region_mask("nose")[None, None].float()
    tone = torch.full((1, 3, SIZE, SIZE), 0.3)
    carried = carried_tone(tone, trust, 1.0, data(), layout(SIZE))
    assert carried[0][:, layout(SIZE).region_mask("neck")].sub(0.3).abs().max() < 0.01
    both = torch.maximum(trust, layout(SIZE).region_mask("scalp")[None, None].float())
    tone = torch.where(trust > 0, 0.3, -0.5).expand(-1, 3, -1, -1)
    carried = carried_tone(tone, both, 1.0, data(), layout(SIZE))
    assert carried[0][:, layout(SIZE).region_mask("scalp")].median() == pytest.approx(-0.5, abs=0.02)
    assert carried[0][:, layout(SIZE).region_mask("nose")].median() == pytest.approx(0.3, abs=0.02)


def test_the_photo_is_trusted_on_the_face_and_never_inside_it() -> None:
    portrait = take_portrait()
    seen = portrait.observe(SIZE)
    base = albedo_model(SIZE)(portrait.parameters.albedo)
    trust = photo_trust(seen, seen.colour, base, data(), layout(SIZE)).photo[0, 0].numpy()
    assert trust[region("nose") | region("lips")].mean() > 0.7
    for name in ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "neck", "ears"):
        assert trust[region(name)].max() < 0.01


def test_every_texel_of_the_default_head_has_its_mirror_image() -> None:
    symmetric = mirrored_texels(data(), layout(SIZE))[0, 0].bool()
    assert symmetric[layout(SIZE).mask].float().mean() > 0.99


def test_only_places_that_mirror_each_other_count_as_symmetric() -> None:
    moved = data().texture_vertices.copy()
    moved[:, 0] = moved[:, 0] * 0.9
    shifted = replace(data(), texture_vertices=moved)
    symmetric = mirrored_texels(shifted, UVLayout(shifted, SIZE))[0, 0]
    assert symmetric.mean() < 0.05
