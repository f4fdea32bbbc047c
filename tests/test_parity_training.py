"""The released code's coarse and detail training steps against the reference's figures.

From the networks' saved outputs, so that losses and gradients are compared without what batch norm makes of
last digits; then, marked slow, whole steps of the networks.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from parity_head import PARITY, agrees, stage
from parity_step import PHOTOS, CoarseStep, DetailStep, coarse_step, detail_mrf, detail_step, photos
from parity_weights import published_weights
from torch import Tensor, nn

from deca.model.networks import DecaNetworks
from deca.model.published_names import own_state_dict, published_state_dict
from deca.model.weights import build_networks
from deca.training.presets import CoarseWeights, released_preset

COARSE = ("14_train_coarse", "14_train_coarse_lit")
DETAIL = "15_train_detail"
# Whose values the reference sums over the doubled batch, where it takes the mean of others; and its weights.
SUMMED = ("shape_reg", "expression_reg", "tex_reg", "z_sym", "photo_detail_mrf")
WEIGHTS = {
    "landmark": 1.0,
    "eye_distance": 1.0,
    "lip_distance": 0.5,
    "photometric_texture": 2.0,
    "identity": 0.2,
    "shape_reg": 1e-4,
    "expression_reg": 1e-4,
    "tex_reg": 1e-4,
    "light_reg": 1.0,
    "photo_detail": 2.0,
    "photo_detail_mrf": 2.0 * 0.05,
    "z_reg": 0.005,
    "z_diff": 0.005,
    "z_sym": 0.005,
}
# What each term is called among the weights of a preset.
OURS = {
    "landmark": "landmarks",
    "eye_distance": "eyes",
    "lip_distance": "lips",
    "photometric_texture": "photometric",
    "identity": "identity",
    "shape_reg": "shape",
    "expression_reg": "expression",
    "tex_reg": "albedo",
    "light_reg": "lighting",
    "photo_detail": "photometric",
    "photo_detail_mrf": "mrf",
    "z_reg": "size",
    "z_diff": "roughness",
    "z_sym": "symmetry",
}
# Not taken again with other photos' codes.
CODES = ("shape", "expression", "albedo", "lighting")
# Of gradients, relative to the largest: those through the renderer go through specks of triangles, and the
# recognition network's and VGG-19's move by a hundredth when the reference's sums run in another order.
RENDERED = {"photometric_texture": 1e-2, "identity": 3e-2, "photo_detail": 1e-3, "photo_detail_mrf": 2e-2}


def _loss(term: str, values: Tensor) -> Tensor:
    return WEIGHTS[term] * (values.sum() if term in SUMMED else values.mean())


@cache
def _coarse(name: str) -> tuple[Tensor, CoarseStep]:
    outputs = stage(name)["net_E_flame_output"].clone().requires_grad_()
    return outputs, coarse_step(name, outputs, name.endswith("lit"))


@pytest.mark.parametrize("name", COARSE)
def test_coarse_losses_agree(name: str) -> None:
    figures, (outputs, step) = stage(name), _coarse(name)
    agrees("landmarks2d", step.landmarks.detach(), figures["landmarks2d"], 1e-6)
    total = outputs.new_zeros(())
    for term, values in step.terms.items():
        loss = _loss(term, values)
        total = total + loss.detach()
        agrees(f"loss_{term}", loss.detach(), figures[f"loss_{term}"], 1e-4 if term in RENDERED else 2e-6)
        (gradient,) = torch.autograd.grad(loss, outputs, retain_graph=True)
        agrees(f"gradout_{term}", gradient, figures[f"gradout_{term}"], RENDERED.get(term, 1e-5))
    agrees("loss_all_loss", total, figures["loss_all_loss"], 2e-5)


@pytest.mark.parametrize("name", COARSE)
def test_what_the_coarse_step_draws_agrees(name: str) -> None:
    figures, (_, step) = stage(name), _coarse(name)
    predicted = step.predicted.detach()[:1, :, ::2, ::2]
    agrees("predicted_image0", predicted, figures["predicted_image0"], 3e-3, 3e-5)
    overlay = step.overlay.detach()[:1, :, ::2, ::2]
    agrees("identity_overlay0", overlay, figures["identity_overlay0"], 2e-3, 5e-5)


@pytest.mark.parametrize("name", COARSE)
def test_the_released_preset_adds_up_to_the_reference_s_loss(name: str) -> None:
    """A stage's own loss: mean over photos, plus consistency times that of the exchanged."""
    _, step = _coarse(name)
    weights = released_preset(coarse_batch=PHOTOS).coarse
    total = _preset_total(weights, step.terms)
    agrees("loss_all_loss", total, stage(name)["loss_all_loss"], 2e-5)


def _preset_total(weights: CoarseWeights, terms: dict[str, Tensor]) -> Tensor:
    total = torch.zeros(())
    for term, values in terms.items():
        own, exchanged = values.detach().split(PHOTOS)
        share = 0.0 if OURS[term] in CODES else weights.shape_consistency
        total = total + getattr(weights, OURS[term]) * (own + share * exchanged).mean()
    return total


# --- detail ---


@cache
def _decoder() -> nn.Module:
    # Its own copy: batch norm in training moves what it remembers.
    # The weights are everybody's, and batch norm keeps its statistics in them.
    networks = deepcopy(build_networks(own_state_dict(published_weights())))
    return networks.detail_decoder.train().requires_grad_()


@cache
def _detail() -> tuple[Tensor, DetailStep]:
    figures = stage(DETAIL)
    codes = figures["net_E_detail_output"].clone().requires_grad_()
    return codes, detail_step(DETAIL, figures["net_E_flame_output"], codes, _decoder())


@cache
def _detail_gradients(term: str) -> tuple[Tensor, list[Tensor]]:
    """A loss, and its gradients with respect to the detail codes and the decoder's parameters."""
    codes, step = _detail()
    loss = _loss(term, detail_mrf(step) if term == "photo_detail_mrf" else step.terms[term])
    inputs = [codes, *_decoder().parameters()]
    gradients = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
    return loss.detach(), [
        torch.zeros_like(of) if gradient is None else gradient
        for of, gradient in zip(inputs, gradients, strict=True)
    ]


@pytest.mark.parametrize(
    "term",
    ["photo_detail", "z_reg", "z_diff", "z_sym", pytest.param("photo_detail_mrf", marks=pytest.mark.slow)],
)
def test_detail_losses_agree(term: str) -> None:
    figures = stage(DETAIL)
    loss, (gradient, *_) = _detail_gradients(term)
    agrees(f"loss_{term}", loss, figures[f"loss_{term}"], {"photo_detail_mrf": 2e-3}.get(term, 2e-6))
    agrees(f"gradout_{term}", gradient, figures[f"gradout_{term}"], RENDERED.get(term, 5e-4))


def test_what_the_detail_step_draws_agrees() -> None:
    figures, (_, step) = stage(DETAIL), _detail()
    displacement = step.displacement.detach()[[0, PHOTOS]]
    agrees("net_D_detail_output", displacement, figures["net_D_detail_output"], 5e-5)
    agrees("patch_pred0", step.patch.detach()[:1, :, ::4, ::4], figures["patch_pred0"], 1e-4, 3e-5)
    agrees("patch_target0", step.target[:1, :, ::4, ::4], figures["patch_target0"], 5e-5)
    agrees("uv_vis_mask", step.mask[:2], figures["uv_vis_mask"], 2e-4)
    agrees("predicted_image0", step.predicted[:1, :, ::2, ::2], figures["predicted_image0"], 1e-3, 1e-4)


# --- whole steps ---


def _networks() -> DecaNetworks:
    """With tensors of their own, which a step may change."""
    state = {name: tensor.clone() for name, tensor in own_state_dict(published_weights()).items()}
    return build_networks(state).requires_grad_(False)


def _norms(name: str, key: str) -> dict[str, float]:
    """The reference's gradient norms by the published names of the network's parameters."""
    with np.load(PARITY / "stages" / f"{name}.npz", allow_pickle=False) as archive:
        names = archive[f"gradnames_{key.removeprefix('without_images_')}"].tolist()
        return dict(zip(names, archive[f"gradnorm_{key}"].tolist(), strict=True))


def _published(networks: DecaNetworks, gradients: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Gradients, by our names, under the published networks and names."""
    return published_state_dict({**networks.state_dict(), **gradients})


def _norms_agree(found: dict[str, Tensor], expected: dict[str, float], usual: float) -> None:
    """As `agrees` for norms that span magnitudes: each within a twentieth, nearly all within `usual`."""
    largest = max(expected.values())
    off = sorted(
        abs(float(found[name].norm()) - norm) / max(norm, 1e-4 * largest) for name, norm in expected.items()
    )
    assert off[-1] < 0.05, f"off by {off[-1]:.3g}"
    assert off[int(0.9 * len(off))] < usual, f"off by {off[int(0.9 * len(off))]:.3g} at 90 %"


def _after_adam(parameter: Tensor, gradient: Tensor) -> Tensor:
    moved = parameter.detach().clone().requires_grad_()
    moved.grad = gradient.clone()
    torch.optim.Adam([moved], lr=1e-4).step()
    return moved.detach()


@pytest.mark.slow
@pytest.mark.parametrize("name", COARSE)
def test_a_whole_coarse_step_agrees(name: str) -> None:
    figures, networks = stage(name), _networks()
    encoder = networks.coarse_encoder.train().requires_grad_()
    before = encoder.outputs.bias.detach().clone()
    outputs = encoder(photos(name).image)
    agrees("net_E_flame_output", outputs.detach(), figures["net_E_flame_output"], 2e-5)
    state = _published(networks, {})["E_flame"]
    key = "buffer_E_flame.encoder.bn1.running_mean"
    agrees(key, state["encoder.bn1.running_mean"], figures[key], 1e-5)
    key = "buffer_E_flame.encoder.bn1.running_var"
    agrees(key, state["encoder.bn1.running_var"], figures[key], 1e-5)
    key = "buffer_E_flame.encoder.layer4.2.bn3.running_mean"
    agrees(key, state["encoder.layer4.2.bn3.running_mean"], figures[key], 1e-5)

    # The losses from the saved outputs, so that no pixel moves; their gradient goes on through the network.
    saved, step = _coarse(name)
    losses = {term: _loss(term, values) for term, values in step.terms.items()}
    drawn = losses["photometric_texture"] + losses["identity"]
    (whole,) = torch.autograd.grad(sum(losses.values(), torch.zeros(())), saved, retain_graph=True)
    (pictures,) = torch.autograd.grad(drawn, saved, retain_graph=True)
    for key, upstream in (("E_flame", whole), ("without_images_E_flame", whole - pictures)):
        gradients = _encoder_gradients("coarse_encoder", encoder, outputs, upstream)
        found = _published(networks, gradients)["E_flame"]
        _norms_agree(found, _norms(name, key), 1e-2)
        if key == "E_flame":
            last, first = found["layers.2.bias"], found["encoder.conv1.weight"]
            agrees("grad_E_flame.layers.2.bias", last, figures["grad_E_flame.layers.2.bias"], 2e-2)
            key = "grad_E_flame.encoder.conv1.weight"
            agrees(key, first, figures[key], 5e-2)
            key = "after_adam_E_flame.layers.2.bias"
            # A step is a ten-thousandth either way: where the gradient is next to nothing its sign is free.
            _steps_agree(_after_adam(before, last), figures[key], before)


@pytest.mark.slow
def test_a_whole_detail_step_agrees() -> None:
    figures, networks = stage(DETAIL), _networks()
    image = photos(DETAIL).image
    with torch.no_grad():
        coarse = networks.coarse_encoder(image)
    agrees("net_E_flame_output", coarse, figures["net_E_flame_output"], 5e-6)
    encoder = networks.detail_encoder.train().requires_grad_()
    codes = encoder(image)
    agrees("net_E_detail_output", codes.detach(), figures["net_E_detail_output"], 1e-4)
    terms = ("photo_detail", "photo_detail_mrf", "z_reg", "z_diff", "z_sym")
    found = [_detail_gradients(term) for term in terms]
    agrees("loss_all_loss", torch.stack([loss for loss, _ in found]).sum(), figures["loss_all_loss"], 5e-4)
    upstream, *decoder = (torch.stack(of).sum(0) for of in zip(*(of for _, of in found), strict=True))
    gradients = _encoder_gradients("detail_encoder", encoder, codes, upstream)
    names = [f"detail_decoder.{name}" for name, _ in _decoder().named_parameters()]
    gradients |= dict(zip(names, decoder, strict=True))
    published = _published(networks, gradients)
    _norms_agree(published["E_detail"], _norms(DETAIL, "E_detail"), 1e-2)
    _norms_agree(published["D_detail"], _norms(DETAIL, "D_detail"), 1e-3)
    for key, largest in (
        ("grad_E_detail.encoder.conv1.weight", 5e-2),
        ("grad_E_detail.layers.2.bias", 1e-2),
        ("grad_D_detail.l1.0.bias", 1e-2),
        ("grad_D_detail.conv_blocks.21.weight", 1e-3),
        ("grad_D_detail.conv_blocks.21.bias", 1e-3),
    ):
        network, _, name = key.removeprefix("grad_").partition(".")
        agrees(key, published[network][name], figures[key], largest)

    state = _published(networks, {})["E_detail"]
    decoder_state = {f"detail_decoder.{name}": tensor for name, tensor in _decoder().state_dict().items()}
    state_of = {"E_detail": state, "D_detail": _published(networks, decoder_state)["D_detail"]}
    for key in (
        "buffer_E_detail.encoder.bn1.running_mean",
        "buffer_E_detail.encoder.bn1.running_var",
        "buffer_E_detail.encoder.layer4.2.bn3.running_mean",
        "buffer_D_detail.conv_blocks.19.running_mean",
        "buffer_D_detail.conv_blocks.19.running_var",
    ):
        network, _, name = key.removeprefix("buffer_").partition(".")
        agrees(key, state_of[network][name], figures[key], 2e-5)
    for key in ("after_adam_E_detail.layers.2.bias", "after_adam_D_detail.conv_blocks.21.bias"):
        network, _, name = key.removeprefix("after_adam_").partition(".")
        before = published_weights()[network][name]
        _steps_agree(_after_adam(before, published[network][name]), figures[key], before)


def _encoder_gradients(name: str, encoder: nn.Module, outputs: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    names = [f"{name}.{parameter}" for parameter, _ in encoder.named_parameters()]
    gradients = torch.autograd.grad(outputs, list(encoder.parameters()), upstream, retain_graph=True)
    return dict(zip(names, gradients, strict=True))


def _steps_agree(found: Tensor, expected: Tensor, before: Tensor) -> None:
    """Adam's first step goes a ten-thousandth along the sign of each gradient: all but a few the same way."""
    assert ((expected - before).abs() < 1.1e-4).all()
    other_way = (found - expected).abs() > 1e-5
    assert other_way.float().mean() <= 0.02, f"{int(other_way.sum())} of {other_way.numel()}"
