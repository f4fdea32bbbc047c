"""Lids: closed eyes of rendered faces are seen as closed, whatever the skin, and open ones never are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deca.animation.lids import closed_lids, eye_whites
from deca.animation.person import Person
from deca.io.heads import default_head
from deca.io.maps import encode_unit
from deca.io.networks import face_detector, face_landmarker
from deca.model.deca import Deca
from deca.photo.faces import find_faces
from deca.render.pictures import over

BLINKS = (0.0, 0.0, 0.0, 0.3, 0.65, 1.0)
SIZE = 320


@pytest.fixture(scope="module")
def deca() -> Deca:
    return Deca(default_head())


@torch.no_grad()
@pytest.mark.parametrize("tone", [-2.0, 2.0])
def test_a_blink_is_as_deep_as_it_was(deca: Deca, tone: float) -> None:
    neutral = deca.head_model.neutral()
    albedo = torch.zeros_like(neutral.albedo)
    albedo[0, 0] = tone
    looks = neutral.replace(albedo=albedo)
    texture = encode_unit(deca.albedo_model(albedo)[0].numpy())
    person = Person(deca, looks, torch.zeros(1, 1, 512, 512), texture, None)
    names = default_head().expression_names
    whites = []
    for blink in BLINKS:
        expression = torch.zeros_like(looks.expression)
        expression[0, names.index("eyeBlinkLeft")] = blink
        picture = over(
            person.seen(looks.replace(expression=expression), SIZE).lit(),
            np.full((SIZE, SIZE, 3), 90, np.uint8),
        )
        (face,) = find_faces(picture, face_detector(), face_landmarker())
        whites.append(eye_whites(picture, face.dense468))
    left, right = closed_lids(np.array(whites)).T
    assert left[:3].max() == 0
    assert right.max() == 0
    assert left[4] == pytest.approx(BLINKS[4], abs=0.25)
    assert left[5] > 0.9


def test_eyes_that_show_no_white_or_keep_their_gap_are_not_closed() -> None:
    opened = np.tile([[0.5, 0.3]], (10, 2, 1))
    covered = opened.copy()
    covered[5, :, 0] = 0.0
    assert closed_lids(covered).max() == 0
    covered[5, :, 1] = 0.2
    assert closed_lids(covered)[5].min() == 1
    glasses = opened * [0.1, 1.0]
    glasses[5] = [0.0, 0.2]
    assert closed_lids(glasses).max() == 0
