from __future__ import annotations

import numpy as np
import pytest
import torch

import deca
from deca.apps.encoding_reconstructor import EncodingReconstructor
from deca.apps.errors import UsageError
from deca.apps.options import ModelOptions
from deca.apps.reconstruct import FaceTask, Reconstructor, open_reconstructor, reconstruct_photo
from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.parameter_files import read_parameters
from deca.model.small_detail import DETAIL

ASTRONAUT = data_file("astronaut.jpg")


@pytest.fixture(scope="module")
def predicted():
    (face,) = reconstruct_photo(EncodingReconstructor(texture_size=512), ASTRONAUT, "all")
    return face


def test_the_networks_are_opened_where_they_are_asked_for():
    options = ModelOptions(model="encode", texture_size=512)
    assert isinstance(open_reconstructor(options), EncodingReconstructor)
    assert isinstance(open_reconstructor(ModelOptions(texture_size=512)), Reconstructor)


def test_what_cannot_be_refined_or_encoded_is_refused():
    with pytest.raises(UsageError, match="only --model encode"):
        open_reconstructor(ModelOptions(model="fit", refine=3))
    with pytest.raises(UsageError, match="zero or more"):
        open_reconstructor(ModelOptions(model="encode", refine=-1))
    with pytest.raises(UsageError, match="drives the default head"):
        open_reconstructor(ModelOptions(model="encode", head="ict"))


def test_a_prediction_is_a_person_with_detail_and_actions_in_their_range(predicted):
    parameters = predicted.parameters
    assert parameters.detail.shape == (1, DETAIL)
    assert parameters.expression.min() >= 0
    assert parameters.expression.max() <= 1
    assert predicted.displacement.shape == (1, 1, 512, 512)
    assert predicted.displacement.abs().max() <= 0.011


def test_the_head_lies_on_the_face(predicted):
    eyes = np.linalg.norm(predicted.found.ibug68[36, :2] - predicted.found.ibug68[45, :2])
    distances = np.linalg.norm(predicted.landmarks_photo - predicted.found.ibug68[:, :2], axis=1)
    assert distances[17:].mean() < 0.06 * eyes


def test_refining_brings_it_nearer(predicted):
    (refined,) = deca.reconstruct(ASTRONAUT, model="encode", refine=15, texture_size=512)
    found = predicted.found.ibug68[17:, :2]
    before, after = (
        np.linalg.norm(face.landmarks_photo[17:] - found, axis=1).mean() for face in (predicted, refined)
    )
    assert after < before
    # The person that the networks see stays the same one, nearly.
    assert (refined.parameters.shape - predicted.parameters.shape).abs().mean() < 0.6


def test_parameters_load_back_with_their_detail_code(predicted, tmp_path):
    predicted.save(tmp_path / "face")
    record = read_parameters(tmp_path / "face" / "parameters.json", predicted.deca.data)
    torch.testing.assert_close(record.parameters.detail, predicted.parameters.detail)


def test_faces_together_are_those_one_by_one(predicted):
    reconstructor = EncodingReconstructor(texture_size=512)
    photo = read_photo(ASTRONAUT)
    (found,) = reconstructor.find(photo)
    both = reconstructor.faces([FaceTask(photo, found, {}), FaceTask(photo, found, {})])
    for face in both:
        torch.testing.assert_close(face.parameters.shape, predicted.parameters.shape, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(face.displacement, predicted.displacement, atol=1e-6, rtol=1e-3)
