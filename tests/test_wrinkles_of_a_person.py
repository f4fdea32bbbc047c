"""Wrinkles of a reconstructed person under other expressions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_motion import DATA, MODEL, face

from deca.animation.joints import jaw_as_joint
from deca.animation.person import Person
from deca.animation.wrinkles import Wrinkles, explaining_code
from deca.io.default_networks import default_networks
from deca.model.deca import Deca
from deca.model.detail_decoder import enlarged

NETWORKS = default_networks()
SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}


def with_code(seed: int, **actions: float):
    code = torch.randn(1, NETWORKS.sizes.detail, generator=torch.Generator().manual_seed(seed))
    return face(**actions).replace(detail=code)


@torch.no_grad()
def test_what_was_decoded_is_decoded_again() -> None:
    neutral, smiling = with_code(0), with_code(0, **SMILE)
    wrinkles = Wrinkles(enlarged(NETWORKS.displacement(neutral), 512), neutral, NETWORKS.displacement)
    wanted = enlarged(NETWORKS.displacement(smiling), 512)
    assert torch.allclose(wrinkles.under(smiling), wanted, atol=1e-7)
    assert torch.equal(wrinkles.under(neutral), wrinkles.reconstructed)
    # The person's code counts, not that of whoever lends the expression.
    assert torch.allclose(wrinkles.under(with_code(1, **SMILE)), wanted, atol=1e-7)


@torch.no_grad()
def test_a_code_explains_the_displacements_it_made() -> None:
    faces = [with_code(3), with_code(3, **SMILE)]
    maps = [enlarged(NETWORKS.displacement(one), 512) for one in faces]
    one = explaining_code(maps[0], faces[0], NETWORKS.detail_decoder)
    together = MODEL.neutral().map(lambda values: values.expand(2, *values.shape[1:]))
    together = together.replace(expression=torch.cat([one.expression for one in faces]))
    both = explaining_code(torch.cat(maps), together, NETWORKS.detail_decoder)
    truth = faces[0].detail
    errors = [
        float((enlarged(NETWORKS.displacement(faces[1].replace(detail=code)), 512) - maps[1]).abs().max())
        for code in (torch.zeros_like(truth), one, both)
    ]
    assert errors[1] < 0.25 * errors[0]
    assert errors[2] <= errors[1]


@torch.no_grad()
def test_without_a_decoder_it_stays_as_it_is() -> None:
    still = Wrinkles(torch.rand(1, 1, 64, 64), face(), None)
    assert torch.equal(still.under(face(**SMILE)), still.reconstructed)
    assert still.change(face(**SMILE)).abs().max() == 0


@torch.no_grad()
def test_an_action_and_a_joint_that_open_the_jaw_wrinkle_alike() -> None:
    opened = with_code(4, jawOpen=0.6)
    by_joint = jaw_as_joint(opened, DATA)
    assert float(by_joint.jaw[0, 0]) == pytest.approx(0.6 * 0.395, abs=1e-3)
    assert by_joint.expression[0, DATA.expression_names.index("jawOpen")] == 0
    texture = np.zeros((8, 8, 3), np.uint8)
    person = Person(Deca(DATA), with_code(4), torch.zeros(1, 1, 512, 512), texture, NETWORKS.displacement)
    changes = [person.wrinkles.change(one) for one in (opened, by_joint)]
    assert changes[0].abs().max() > 1e-5
    assert torch.allclose(*changes, atol=1e-7)
