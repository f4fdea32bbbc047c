"""The released decoding on the small head: its parts fit, batches, and unfit parts are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.model.released import ReleasedDecoder, transferred
from deca.parameters import Parameters
from deca.photo.released_crop import released_landmark_crop

MASK = np.zeros((256, 256))
MASK[:128] = 1
FIXED = np.full((256, 256), 0.0005)


@pytest.fixture(scope="module")
def decoder(small_head: HeadData) -> ReleasedDecoder:
    albedo = AlbedoModel.averaged(small_head.albedo_mean, small_head.albedo_basis, 256)
    return ReleasedDecoder(small_head, albedo, MASK, FIXED)


@pytest.fixture(scope="module")
def parameters(decoder: ReleasedDecoder) -> Parameters:
    two = decoder.head_model.neutral(2)
    return two.replace(pose=torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.6, 0.0]]), shape=two.shape + 0.3)


@pytest.fixture(scope="module")
def displacement() -> Tensor:
    return 0.003 * torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(0))


def test_faces_of_a_batch_do_not_mix(
    decoder: ReleasedDecoder, parameters: Parameters, displacement: Tensor
) -> None:
    crops = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    both = decoder.decode(parameters, displacement, crops)
    alone = decoder.decode(parameters[1], displacement[1:], crops[1:])
    for name in ("vertices", "landmarks2d", "landmarks3d", "normals_uv", "shaded_uv", "texture_uv"):
        torch.testing.assert_close(getattr(both, name)[1:], getattr(alone, name), msg=name)
    pictures, picture = decoder.pictures(both, 64), decoder.pictures(alone, 64)
    for name in ("unlit", "lit", "shape", "shape_detail", "alpha", "shape_alpha", "depth"):
        of_batch = getattr(pictures, name)[1:]
        # float32 sums of a batch run in another order, and noise a texel wide makes normals of it.
        torch.testing.assert_close(of_batch, getattr(picture, name), msg=name, atol=1e-4, rtol=0)


def test_what_is_written_is_displaced_everywhere(
    decoder: ReleasedDecoder, parameters: Parameters, displacement: Tensor
) -> None:
    decoding = decoder.decode(parameters, displacement, torch.zeros(2, 3, 64, 64))
    torch.testing.assert_close(decoding.displacement, displacement + 0.0005)
    # Below the mask the detail does not show: the normals are the coarse ones, and so is the light.
    flat = decoder.decode(parameters, displacement * 0, torch.zeros(2, 3, 64, 64))
    assert torch.equal(decoding.normals_uv[..., 128:, :], flat.normals_uv[..., 128:, :])
    assert not torch.equal(decoding.normals_uv[..., :128, :], flat.normals_uv[..., :128, :])


def test_landmarks_on_the_far_side_are_called_hidden(
    decoder: ReleasedDecoder, parameters: Parameters, displacement: Tensor
) -> None:
    turned = parameters.replace(pose=torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.2, 0.0]]))
    visible = decoder.decode(turned, displacement, torch.zeros(2, 3, 64, 64)).landmarks3d[..., 3]
    assert set(visible.unique().tolist()) == {0.0, 1.0}
    assert visible[0].sum() > visible[1].sum()


def test_the_head_is_laid_over_the_photo(
    decoder: ReleasedDecoder, parameters: Parameters, displacement: Tensor
) -> None:
    photo = torch.full((1, 3, 120, 160), 0.25)
    crop = released_landmark_crop(np.array([40.0, 20.0, 120.0, 100.0]))
    decoding = decoder.decode(parameters[0], displacement[:1], torch.zeros(1, 3, 64, 64))
    pictures = decoder.pictures_in_photo(decoding, crop, photo)
    bare = (pictures.alpha == 0).expand_as(pictures.unlit)
    assert 0.05 < pictures.alpha.mean() < 0.95
    for picture in (pictures.unlit, pictures.lit, pictures.shape, pictures.shape_detail):
        assert picture.shape == photo.shape
        assert (picture[bare] == 0.25).all()


def test_a_face_takes_over_the_expression_of_another(parameters: Parameters) -> None:
    changed = transferred(parameters[0], parameters[1].replace(expression=parameters[1].expression + 1))
    assert torch.equal(changed.pose, parameters.pose[1:])
    assert (changed.expression == 1).all()
    assert torch.equal(changed.shape, parameters.shape[:1])


def test_albedo_of_another_size_is_refused(small_head: HeadData) -> None:
    albedo = AlbedoModel.averaged(small_head.albedo_mean, small_head.albedo_basis, 64)
    with pytest.raises(ValueError, match="64 texels"):
        ReleasedDecoder(small_head, albedo, MASK, FIXED)
