"""Both kinds of albedo against the reference's numbers, and the default beside the released way."""

from __future__ import annotations

import numpy as np
import torch
from parity_head import agrees, parity_albedo, parity_picture, released_albedo, stage

from deca.head.albedo import AlbedoModel, resize_map


def test_the_basel_albedo_agrees() -> None:
    figures = stage("05_albedo")
    agrees("albedo_bfm", released_albedo()(figures["tex"]), figures["albedo_bfm"], 5e-7)
    means = released_albedo()(figures["enc_tex"]).mean((2, 3))
    agrees("enc_albedo_bfm_mean_rgb", means, figures["enc_albedo_bfm_mean_rgb"], 5e-7)


def test_flame_albedo_agrees() -> None:
    figures = stage("05_albedo")
    model = AlbedoModel.released(*parity_albedo("albedo_flame"), 256)
    agrees("albedo_flame", model(figures["tex"][:1]), figures["albedo_flame"], 5e-7)


def test_a_texture_alone_is_an_albedo_without_components() -> None:
    texture = parity_picture("assets/mean_texture.png").astype(np.float32) / 255
    model = AlbedoModel.released(texture, np.zeros((0, *texture.shape), np.float32), 256)
    mean = model(torch.zeros(1, 0)).mean((2, 3))
    expected = stage("05_albedo")["mean_texture_resized_mean_rgb"]
    agrees("mean_texture_resized_mean_rgb", mean, expected, 5e-7)


def test_the_default_brings_the_whole_map_down_without_aliasing() -> None:
    """Resizing is linear: components brought down once give what the full map brought down would."""
    mean, basis = parity_albedo("albedo_bfm")
    albedo = stage("05_albedo")["tex"]
    default = AlbedoModel.averaged(mean, basis, 256)(albedo)
    full = AlbedoModel.released(mean, basis, 512)(albedo)
    torch.testing.assert_close(default, resize_map(full, 256), atol=2e-6, rtol=0)
    # The same skin as the released map, which takes every second texel as it is.
    difference = (default - released_albedo()(albedo)).abs()
    assert 1e-3 < difference.mean() < 1e-2
