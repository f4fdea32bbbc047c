"""Each loss of the released code against the reference's values and gradients.

Ours are one value a face; the reference's are means or sums over the batch, and carry the weights of its
notes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from parity_head import agrees, stage
from parity_weights import network_weights
from torch import Tensor

from deca.training.detail_losses import (
    released_displacement_size,
    released_eroded,
    released_shading_roughness,
    released_symmetry_loss,
)
from deca.training.identity import VGGFace2, identity_loss, released_vggface2_input, vggface2
from deca.training.losses import (
    LID_PAIRS,
    LIP_PAIRS,
    landmark_loss,
    photometric_loss,
    released_code_size,
    released_eye_closure_loss,
    released_landmark_loss,
    released_landmark_weights,
    released_light_greyness,
    released_lip_distance_loss,
)
from deca.training.mrf import mrf_loss, released_contextual_mrf
from deca.training.perceptual import LAYER_WEIGHTS, RELEASED_LAYERS, VGG19Features, vgg19_features

PHOTOMETRIC, REGULARISER, DISPLACEMENT = 2.0, 1e-4, 0.005


def _compare(
    key: str,
    loss: Callable[[Tensor], Tensor],
    argument: Tensor,
    gradient_key: str,
    name: str = "13_losses",
    largest: tuple[float, float] = (5e-7, 2e-6),
) -> None:
    """The value at `argument` and its gradient; `largest` is what each may be off by, relative."""
    figures = stage(name)
    argument = argument.clone().requires_grad_()
    value = loss(argument)
    (gradient,) = torch.autograd.grad(value, argument)
    agrees(key, value.detach(), figures[key], largest[0])
    agrees(gradient_key, gradient, figures[gradient_key], largest[1])


def test_landmarks() -> None:
    figures = stage("13_losses")
    landmarks, target = figures["landmarks_pred"], figures["landmarks_gt"]
    _compare(
        "loss_landmark_weighted_all_visible",
        lambda x: released_landmark_loss(x, target).mean(),
        landmarks,
        "grad_landmark_weighted_all_visible_pred",
    )
    _compare(
        "loss_landmark_unweighted",
        lambda x: landmark_loss(x, target).mean(),
        landmarks,
        "grad_landmark_unweighted_pred",
    )
    # Where points are hidden, the reference divides by the weights of the whole batch: faces that show more
    # count more.
    hidden = figures["landmarks_gt_some_hidden"]
    shown = (released_landmark_weights() * hidden[..., 2]).sum(1)
    _compare(
        "loss_landmark_weighted",
        lambda x: (released_landmark_loss(x, hidden) * shown).sum() / shown.sum(),
        landmarks,
        "grad_landmark_weighted_pred",
    )


def test_lids_and_lips() -> None:
    figures = stage("13_losses")
    landmarks, target = figures["landmarks_pred"], figures["landmarks_gt"]
    for key, pairs in (("eye_distances_pred", LID_PAIRS), ("lip_distances_pred", LIP_PAIRS)):
        first, second = (list(side) for side in zip(*pairs, strict=True))
        agrees(key, (landmarks[:, first] - landmarks[:, second]).norm(dim=-1), figures[key], 5e-7)
    for key, gradient_key, loss in (
        ("loss_eye_closure", "grad_eye_closure_pred", released_eye_closure_loss),
        ("loss_lip_distance", "grad_lip_distance_pred", released_lip_distance_loss),
    ):
        _compare(key, lambda x, loss=loss: loss(x, target).mean(), landmarks, gradient_key)


def test_photometric() -> None:
    figures = stage("13_losses")
    target, mask = figures["image_target"], figures["image_mask"].float()
    _compare(
        "loss_photometric",
        lambda x: PHOTOMETRIC * photometric_loss(target, x, mask).mean(),
        figures["image_pred"],
        "grad_photometric_pred",
    )


def test_regularisers() -> None:
    figures = stage("13_losses")
    for key, gradient_key, code in (
        ("loss_shape_reg", "grad_shape_reg_shape", "code_shape"),
        ("loss_exp_reg", "grad_exp_reg_exp", "code_exp"),
        ("loss_tex_reg", "grad_tex_reg_tex", "code_tex"),
    ):
        _compare(key, lambda x: REGULARISER * released_code_size(x).sum(), figures[code], gradient_key)
    _compare(
        "loss_light_reg",
        lambda x: released_light_greyness(x).mean(),
        figures["code_light"],
        "grad_light_reg_light",
    )


def test_identity_of_features() -> None:
    figures = stage("13_losses")
    _compare(
        "loss_identity_cosine",
        lambda x: identity_loss(x, figures["feature_target"]).mean(),
        figures["feature_gen"],
        "grad_identity_cosine_gen",
    )


def test_displacement() -> None:
    figures = stage("13_losses")
    visible = figures["uv_visible_mask"].float()
    assert torch.equal(released_eroded(visible), figures["uv_visible_mask_eroded"].float())
    _compare(
        "loss_symmetry",
        lambda x: DISPLACEMENT * released_symmetry_loss(x, visible).sum(),
        figures["uv_z"],
        "grad_symmetry_uv_z",
    )
    _compare(
        "loss_displacement_reg",
        lambda x: DISPLACEMENT * released_displacement_size(x).mean(),
        figures["uv_z"],
        "grad_displacement_reg_uv_z",
    )
    _compare(
        "loss_shading_smooth",
        lambda x: released_shading_roughness(x).mean(),
        figures["shading"],
        "grad_shading_smooth_shading",
    )


def test_mrf_of_maps() -> None:
    figures = stage("13_idmrf")
    for key, map_key, gradient_key in (
        ("mrf_maps", "map_gen", "grad_mrf_maps_gen"),
        ("mrf_maps_near", "map_gen_near", "grad_mrf_maps_near_gen"),
    ):
        _compare(
            key,
            lambda x: released_contextual_mrf(x, figures["map_target"]).sum(),
            figures[map_key],
            gradient_key,
            "13_idmrf",
            (1e-5, 1e-5),
        )


@cache
def _vgg19() -> VGG19Features:
    arrays = {name: tensor.numpy() for name, tensor in network_weights("vgg19").items()}
    return vgg19_features(arrays, RELEASED_LAYERS)


def test_the_features_of_vgg19() -> None:
    figures = stage("13_idmrf")
    maps = _vgg19()(figures["picture_gen"][:1])
    for key, found in zip(("vgg_relu3_1", "vgg_relu4_1"), maps, strict=True):
        agrees(key, found, figures[key], 1e-5)


def test_mrf_of_pictures() -> None:
    figures = stage("13_idmrf")
    target = _vgg19()(figures["picture_target"])

    def loss(picture: Tensor, weights: tuple[float, float] = LAYER_WEIGHTS) -> Tensor:
        return mrf_loss(_vgg19()(picture), target, weights, released_contextual_mrf).sum()

    # What is called style is one of each layer, what is called content one more of the deeper.
    picture = figures["picture_gen"]
    agrees("idmrf_style_term", loss(picture, (1.0, 1.0)), figures["idmrf_style_term"], 5e-6)
    agrees("idmrf_content_term", loss(picture, (0.0, 1.0)), figures["idmrf_content_term"], 5e-6)
    # The reference's own gradient moves by 9e-3 when its sums run in another order.
    _compare("idmrf", loss, picture, "grad_idmrf_gen", "13_idmrf", (5e-6, 1e-2))


@cache
def recognition() -> VGGFace2:
    """The set's stand-in for VGGFace2's network, with the released code's input."""
    arrays = {name: tensor.numpy() for name, tensor in network_weights("vggface2").items()}
    return vggface2(arrays, released_vggface2_input)


def test_the_features_of_the_recognition_network() -> None:
    """Of the first two crops; what pictures the others are of, the set does not say."""
    figures, crops = stage("13_identity"), stage("01_crop")
    image = torch.stack([crops["crop0"], crops["crop1"]])
    with torch.no_grad():
        features = recognition()(image, torch.zeros(2, 68, 2))
    agrees("features_target", features, figures["features_target"], 1e-5)
    value = identity_loss(figures["features_gen"], figures["features_target"]).mean()
    agrees("loss", value, figures["loss"], 2e-6)
