"""The errors of reconstructed people: none for the truth itself, known ones for known mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from figures.person_errors import PersonErrors, PersonMeasure
from figures.sittings import Studio
from same_person import COUNTS, groups, table

from deca.head.albedo import AlbedoModel
from deca.io.heads import default_head


@pytest.fixture(scope="module")
def measure() -> PersonMeasure:
    return PersonMeasure()


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


def test_the_truth_has_no_error(measure, studio):
    person = studio.person(1)
    rest = studio.sitter.head_model.neutral().replace(shape=person.shape)
    errors = measure.errors(person, rest, person.texture, person.displacement)
    assert (errors.shape, errors.texture, errors.marks, errors.detail) == pytest.approx((0,) * 4, abs=1e-6)
    # The mean albedo is no person's.
    assert errors.albedo > 3
    nobody = measure.mean_head(person)
    assert nobody.shape > 1
    assert nobody.detail > 0.3


def test_known_mistakes_are_measured(measure, studio):
    person = studio.person(2)
    rest = studio.sitter.head_model.neutral().replace(shape=person.shape)
    lighter = measure.errors(person, rest, person.texture - 2 / 255, person.displacement)
    # A tone that is off is no matter of marks; a head that is larger only is the same head.
    assert lighter.texture == pytest.approx(2, rel=1e-3)
    assert lighter.marks == pytest.approx(0, abs=1e-3)
    data = default_head()
    model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, person.texture.shape[-1])
    plain = type(person)(person.shape, model(rest.albedo), person.displacement)
    assert measure.errors(plain, rest, person.texture, person.displacement).albedo == 0
    deeper = measure.errors(person, rest, person.texture, 2 * person.displacement)
    flat = measure.errors(person, rest, person.texture, 0 * person.displacement)
    assert deeper.detail == pytest.approx(flat.detail, rel=0.1)
    assert deeper.detail > 0.2


def test_the_table_has_the_mean_of_people_by_the_number_of_photos():
    def person(error: float) -> dict[str, PersonErrors]:
        names = ("mean head", *map(str, COUNTS))
        return {name: PersonErrors(*np.full(5, error / (row + 1))) for row, name in enumerate(names)}

    lines = table([person(1.0), person(3.0)]).splitlines()
    assert lines[2] == "| Shape, mm | 2.00 | 1.00 | 0.67 | 0.50 | 0.40 |"
    assert [len(group) for group in groups(list(range(6)), 2)] == [2, 2]
    assert [len(group) for group in groups(list(range(6)), 6)] == [6]


def test_photos_of_one_person_differ_and_their_faces_are_known(studio, monkeypatch, tmp_path):
    monkeypatch.setattr("figures.sittings._kept_folder", lambda: tmp_path)
    first, second = studio.photo(3, 0), studio.photo(3, 1)
    assert not np.array_equal(first.found.photo, second.found.photo)
    off = first.found.found.dense468[:, :2] - first.told.found.dense468[:, :2]
    assert 1 < np.linalg.norm(off, axis=1).mean() < 0.05 * first.found.photo.shape[0]
    assert 0.2 < first.seen.mean() < 0.7
    assert torch.equal(studio.person(3).shape, studio.person(3).shape)
