"""Eyes of rendered portraits look where they looked, and closed or missing ones fall back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from portrait import data, model, take_portrait

from deca.fitting.eyes import eyeball, fit_eyes
from deca.head.model import HeadModel


def fit(portrait, photo=None):
    straight = portrait.parameters.replace(eyes=torch.zeros(1, 2, 3))
    photo = portrait.photo if photo is None else photo
    return fit_eyes(photo, portrait.landmarks_photo, model()(straight), straight, model(), portrait.crop)


@pytest.mark.parametrize("turn", [(0.0, 0.0), (0.0, 0.3), (0.0, -0.3), (-0.15, 0.15), (0.2, 0.0)])
@pytest.mark.parametrize("yaw", [0.0, 0.4])
def test_the_gaze_is_found_again(turn: tuple[float, float], yaw: float) -> None:
    eyes = torch.tensor([[[*turn, 0.0]] * 2])
    portrait = take_portrait(eyes=eyes, pose=torch.tensor([[0.0, yaw, 0.0]]))
    fitted = fit(portrait)
    found = fitted.parameters.eyes[0]
    # Across, the iris has two sides to go by; up and down, the lids hide them. The far eye of a turned head
    # is seen at a slant: measured 0.13 where it also looks away.
    left, right = (found[:, 1] - turn[1]).abs().tolist()
    assert right < 0.1
    assert left < (0.17 if yaw else 0.1)
    assert (found[:, 0] - turn[0]).abs().max() < 0.2


def test_the_colour_of_the_iris_is_read() -> None:
    albedo = torch.zeros(1, len(data().albedo_basis))
    brown = fit(take_portrait(albedo=albedo)).iris_colour()
    albedo[0, -2] = 3
    blue = fit(take_portrait(albedo=albedo)).iris_colour()
    assert brown is not None
    assert blue is not None
    assert brown[0] > brown[2]
    assert blue[2] - blue[0] > brown[2] - brown[0] + 0.1


def test_closed_eyes_look_straight_ahead() -> None:
    expression = torch.zeros(1, len(data().expression_names))
    for side in ("Left", "Right"):
        expression[0, data().expression_names.index(f"eyeBlink{side}")] = 1
    fitted = fit(take_portrait(expression=expression))
    assert fitted.iris_colour() is None
    assert fitted.parameters.eyes.abs().max() == 0


def test_an_eye_behind_a_patch_follows_the_other() -> None:
    portrait = take_portrait(eyes=torch.tensor([[[0.0, 0.25, 0.0]] * 2]))
    photo = portrait.photo.copy()
    x, y = portrait.landmarks_photo[159].long().tolist()
    cv2.rectangle(photo, (x - 40, y - 25), (x + 40, y + 25), (90, 90, 90), -1)
    found = fit(portrait, np.ascontiguousarray(photo)).parameters.eyes[0]
    torch.testing.assert_close(found[0], found[1])
    assert found[0, 1] == pytest.approx(0.25, abs=0.1)


def test_an_eyeball_is_the_sphere_through_its_vertices() -> None:
    centre, radius = eyeball(model().template_vertices[None], model(), "left_eye")
    carried = model().skinning_weights[:, data().joint_names.index("left_eye")] > 0.99
    points = model().template_vertices[carried]
    assert radius == pytest.approx(float(points.amax(0)[0] - points.amin(0)[0]) / 2, rel=0.02)
    assert ((points - centre.float()).norm(dim=1) - radius).abs().max() < 0.0005


def test_a_head_without_eyeballs_keeps_its_gaze() -> None:
    weights = data().skinning_weights.copy()
    eyes = [data().joint_names.index(name) for name in ("left_eye", "right_eye")]
    weights[:, data().joint_names.index("neck")] += weights[:, eyes].sum(1)
    weights[:, eyes] = 0
    blind = HeadModel(replace(data(), name="blind", skinning_weights=weights))
    portrait = take_portrait()
    fit = fit_eyes(
        portrait.photo,
        portrait.landmarks_photo,
        blind(portrait.parameters),
        portrait.parameters,
        blind,
        portrait.crop,
    )
    assert fit.iris_colour() is None
    torch.testing.assert_close(fit.parameters.eyes, portrait.parameters.eyes)
