from __future__ import annotations

import onnx
import onnxruntime
import pytest
import torch
from default_networks.face_mesh_weights import take_face_mesh
from default_networks.wrinkle_reliefs import principal_reliefs
from torch.nn.functional import pad

from deca.io.default_networks import read_small_networks, write_small_networks
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.model.networks import NetworkSizes, read_outputs
from deca.model.small_backbone import MIXED_FEATURES, POINT_FEATURES, SeparableBlock, SmallBackbone
from deca.model.small_networks import (
    RELIEFS,
    SmallDetailDecoder,
    SmallNetworks,
    output_scaling,
    relief_responses,
)
from deca.model.weights import WeightsError

SIZES = NetworkSizes(shape=6, albedo=5, expression=4, detail=7, eyes=4)


def small_networks() -> SmallNetworks:
    torch.manual_seed(0)
    return SmallNetworks(SIZES).eval()


def test_the_backbone_finds_the_points_that_the_landmark_network_finds():
    model = onnx.load(data_file("face_landmarks_468.onnx"))
    backbone = SmallBackbone()
    take_face_mesh(backbone, model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = torch.rand(1, 3, 192, 192)
    pixels = session.run(["points"], {"pictures": image.numpy()})[0].reshape(468, 3)[:, :2]
    with torch.no_grad():
        found = backbone.first_activation(backbone.first(pad(image, (0, 1, 0, 1))))
        for blocks in backbone.face_mesh:
            found = blocks(found)
        points = backbone.face_points(found).view(468, 2)
    torch.testing.assert_close((points + 1) * 96, torch.from_numpy(pixels), atol=2e-3, rtol=1e-4)


def test_a_block_that_adds_nothing_passes_its_input_on():
    block = SeparableBlock(2, 3, 2)
    torch.nn.init.zeros_(block.pointwise.weight)
    torch.nn.init.zeros_(block.pointwise.bias)
    image = torch.arange(32.0).view(1, 2, 4, 4)
    pooled = torch.tensor(
        [[[5.0, 7.0], [13.0, 15.0]], [[21.0, 23.0], [29.0, 31.0]], [[0.0, 0.0], [0.0, 0.0]]]
    )
    assert block(image).tolist() == [pooled.tolist()]


def test_the_features_are_as_many_as_said():
    mixed, places, own = SmallBackbone()(torch.zeros(2, 3, 192, 192), torch.zeros(2, 468, 3))
    assert mixed.shape == (2, MIXED_FEATURES)
    assert places.shape == (2, POINT_FEATURES)
    assert own.shape == (2, 468, 2)


def test_points_that_were_not_found_are_the_backbones_own():
    backbone = SmallBackbone()
    image, unsure = torch.rand(1, 3, 192, 192), torch.rand(1, 468, 3)
    unsure[..., 2] = 0
    _, places, own = backbone(image, unsure)
    torch.testing.assert_close(places, backbone.place(own.flatten(1)))
    sure = unsure.clone()
    sure[..., 2] = 1
    _, places, same = backbone(image, sure)
    torch.testing.assert_close(places, backbone.place(sure[..., :2].flatten(1)))
    torch.testing.assert_close(same, own)


def at_rest(networks: SmallNetworks) -> SmallNetworks:
    for layer in (networks.coarse_encoder.outputs, networks.coarse_encoder.direct):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return networks


def test_outputs_at_rest_are_the_mean_face():
    parameters = at_rest(small_networks()).encode(torch.rand(2, 3, 192, 192), torch.rand(2, 468, 3))
    mean = read_outputs(output_scaling(SIZES)[0][None], torch.zeros(1, 7), SIZES)
    torch.testing.assert_close(parameters.camera, mean.camera.expand(2, 3))
    torch.testing.assert_close(parameters.lighting, mean.lighting.expand(2, 9, 3))
    assert parameters.eyes.shape == (2, 2, 3)


def test_estimated_eyes_turn_about_x_and_y():
    coarse = torch.zeros(1, sum(SIZES.coarse))
    coarse[0, -4:] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    eyes = read_outputs(coarse, torch.zeros(1, 7), SIZES).eyes
    torch.testing.assert_close(eyes, torch.tensor([[[0.1, 0.2, 0.0], [0.3, 0.4, 0.0]]]))


def test_detail_goes_from_a_view_to_a_displacement():
    networks = small_networks()
    code = networks.detail_code(torch.rand(1, 4, 256, 256))
    parameters = networks.encode(torch.rand(1, 3, 192, 192), torch.zeros(1, 468, 3)).replace(detail=code)
    assert networks.displacement(parameters).shape == (1, 1, 256, 256)


def test_weights_come_back_to_half_precision(tmp_path):
    networks = small_networks()
    write_small_networks(tmp_path / "weights.safetensors", networks, default_head())
    found, head = read_small_networks(tmp_path / "weights.safetensors")
    assert head == default_head().name
    assert found.sizes == SIZES
    assert not found.training
    for name, values in networks.state_dict().items():
        expected = values.half().to(values.dtype) if values.is_floating_point() else values
        assert found.state_dict()[name].equal(expected), name


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="damaged"):
        read_small_networks(path)
    from safetensors.torch import save_file

    save_file({"tensor": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not small networks"):
        read_small_networks(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_small_networks(tmp_path / "none.safetensors")


def test_the_default_networks_fit_the_default_head():
    from deca.io.default_networks import default_networks

    data, sizes = default_head(), default_networks().sizes
    assert (sizes.shape, sizes.expression, sizes.albedo) == (
        len(data.shape_basis),
        len(data.expression_basis),
        len(data.albedo_basis),
    )


def test_the_reliefs_that_detail_begins_with_are_principal_components():
    random = torch.Generator().manual_seed(0)
    wide, strengths = torch.randn(RELIEFS, 700, generator=random), torch.randn(400, RELIEFS, generator=random)
    maps = 0.3 + strengths @ wide
    mean, reliefs = principal_reliefs(maps)
    found = torch.linalg.lstsq(reliefs, (maps - mean).T).solution
    torch.testing.assert_close(reliefs @ found + mean[:, None], maps.T, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.square().mean(1), torch.ones(RELIEFS), atol=1e-2, rtol=0)


def test_a_code_shows_when_the_face_moves():
    decoder = SmallDetailDecoder(moves=5, detail=7)
    with torch.no_grad():
        decoder.always.weight.zero_()
        decoder.always.bias.zero_()
        decoder.person.bias.zero_()
        decoder.reliefs.bias.fill_(0.25)
    nobody, somebody = torch.zeros(1, 7), torch.ones(1, 7)
    smooth = decoder(torch.cat([torch.ones(1, 5), nobody], 1))
    torch.testing.assert_close(smooth, torch.full((1, 1, 256, 256), 0.25e-3))
    one, other = (decoder(torch.cat([moves, somebody], 1)) for moves in (torch.zeros(1, 5), torch.ones(1, 5)))
    assert not one.equal(smooth)
    assert not one.equal(other)
    decoder.reliefs.bias.data.fill_(50.0)
    assert float(decoder(torch.zeros(1, 12)).max()) == pytest.approx(0.01)


def test_a_relief_that_is_seen_answers_most():
    random = torch.Generator().manual_seed(0)
    reliefs = torch.nn.functional.interpolate(
        torch.randn(1, 5, 32, 32, generator=random), (256, 256), mode="bicubic"
    )[0]
    follows_u, follows_v = torch.full((256, 256), 0.3), torch.full((256, 256), -0.2)
    for number, relief in enumerate(reliefs):
        across = torch.nn.functional.pad(relief[:, 2:] - relief[:, :-2], (1, 1)) / 2
        up = -torch.nn.functional.pad(relief[2:] - relief[:-2], (0, 0, 1, 1)) / 2
        lightness = follows_u * across + follows_v * up
        view = torch.stack([lightness, torch.ones(256, 256), follows_u, follows_v])[None]
        found = relief_responses(view, reliefs.flatten(1).T)[0]
        assert int(found.argmax()) == number
        brighter = view * torch.tensor([2.0, 1.0, 2.0, 2.0])[:, None, None]
        torch.testing.assert_close(
            relief_responses(brighter, reliefs.flatten(1).T)[0], found, rtol=1e-2, atol=1e-3
        )
