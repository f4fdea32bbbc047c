"""Albedo and light of rendered portraits are found again, and nothing on the face misleads the fit."""

from __future__ import annotations

import pytest
import torch
from portrait import albedo_model, data, layout, model, side_light, take_portrait

from deca.fitting.appearance import AppearanceConfig, fit_appearance, shading_map
from deca.fitting.observation import Observation, observe
from deca.fitting.photo_texture import PhotoTexture
from deca.fitting.skin import seen_weights, skin_region

SIZE = 192


def fit(portrait, photo=None):
    seen = observe(
        portrait.photo if photo is None else photo,
        portrait.vertices,
        portrait.vertices_photo,
        model(),
        layout(SIZE),
    )
    return seen, fit_appearance(seen, portrait.parameters, data(), layout(SIZE), albedo_model(SIZE))


def coefficients(seed: int) -> torch.Tensor:
    albedo = torch.zeros(1, len(data().albedo_basis))
    albedo[0, :8] = torch.randn(8, generator=torch.Generator().manual_seed(seed))
    return albedo


def errors(portrait, seen: Observation, fitted) -> tuple[float, float, float]:
    """Root mean square of the picture's error, and of albedo and shading up to their common factor."""
    sure = (skin_region(data(), layout(SIZE)) * seen_weights(seen))[0, 0] > 0.9

    def both(parameters):
        albedo = albedo_model(SIZE)(parameters.albedo)[0][:, sure]
        return albedo, shading_map(seen.normals, parameters.lighting)[0][:, sure]

    (albedo, shading), (true_albedo, true_shading) = both(fitted.parameters), both(portrait.parameters)
    picture = (albedo * shading - true_albedo * true_shading).square().mean().sqrt()
    scale = true_shading.mean(1, keepdim=True) / shading.mean(1, keepdim=True)
    of_shading = (shading * scale - true_shading).square().mean().sqrt()
    of_albedo = (albedo / scale - true_albedo).square().mean().sqrt()
    return float(picture), float(of_albedo), float(of_shading)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_albedo_and_light_are_found_again(seed: int) -> None:
    portrait = take_portrait(albedo=coefficients(seed), lighting=side_light())
    seen, fitted = fit(portrait)
    picture, albedo, shading = errors(portrait, seen, fitted)
    assert picture < 0.015
    assert albedo < 0.03
    assert shading < 0.04
    assert not fitted.grey


def test_a_hand_before_the_cheek_changes_little() -> None:
    portrait = take_portrait(albedo=coefficients(0), lighting=side_light())
    photo = portrait.photo.copy()
    x, y = portrait.landmarks_photo[280].long().tolist()
    photo[y - 40 : y + 60, x - 20 : x + 80] = (40, 60, 45)
    seen, fitted = fit(portrait, photo)
    hidden = ((seen.points_photo[:, :1] - x - 20).abs() < 30) & (
        (seen.points_photo[:, 1:] - y - 10).abs() < 40
    )
    assert fitted.skin[hidden].max() < 0.1
    assert errors(portrait, seen, fitted)[0] < 0.03


def test_brightness_is_given_to_the_light_before_it_is_given_to_the_skin() -> None:
    bright, dim = (take_portrait(lighting=factor * side_light()) for factor in (1.0, 0.6))
    brightness = [
        float(
            shading_map(seen.normals, fitted.parameters.lighting)[seen.visible.expand(-1, 3, -1, -1)].mean()
        )
        for seen, fitted in (fit(bright), fit(dim))
    ]
    assert brightness[1] < 0.8 * brightness[0]


def test_a_grey_photo_is_known_as_one_and_gets_grey_light() -> None:
    portrait = take_portrait(lighting=side_light())
    grey = portrait.photo.mean(2, keepdims=True).repeat(3, 2).round().astype("uint8")
    _, fitted = fit(portrait, grey)
    lighting = fitted.parameters.lighting
    assert fitted.grey
    assert (lighting - lighting.mean(2, keepdim=True)).abs().max() < 1e-3


def test_a_face_that_is_not_seen_keeps_the_mean_albedo_in_even_light() -> None:
    portrait = take_portrait(pose=torch.tensor([[0.0, 3.1, 0.0]]), lighting=side_light())
    _, fitted = fit(portrait)
    assert fitted.parameters.albedo.abs().max() < 1e-3
    normals = torch.nn.functional.normalize(
        torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    shading = shading_map(normals, fitted.parameters.lighting)
    torch.testing.assert_close(
        shading, torch.full_like(shading, AppearanceConfig().brightness), atol=1e-2, rtol=0
    )


def test_light_of_known_skin_leaves_its_albedo_and_explains_the_photo() -> None:
    portrait = take_portrait(albedo=coefficients(3), lighting=side_light())
    known = model().neutral().replace(albedo=portrait.parameters.albedo, camera=portrait.parameters.camera)
    texture = PhotoTexture(data(), model(), SIZE)
    found = texture.light(portrait.photo, portrait.vertices, portrait.vertices_photo, known)
    torch.testing.assert_close(found.parameters.albedo, known.albedo, atol=0, rtol=0)
    picture, albedo, shading = errors(portrait, portrait.observe(SIZE), found)
    assert picture < 0.01
    assert albedo < 0.02
    assert shading < 0.02
