from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from default_networks.face_mesh_weights import take_face_mesh
from default_networks.view_noise import Views, learn_noise, learn_output
from default_networks.wrinkle_reliefs import People, principal_reliefs, smile_relief
from torch.nn.functional import pad

from deca.io.default_networks import read_small_networks, write_small_networks
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.model.networks import NetworkSizes, read_outputs
from deca.model.small_backbone import MIXED_FEATURES, POINT_FEATURES, SeparableBlock, SmallBackbone
from deca.model.small_detail import DETAIL, RELIEFS, DetailViewEncoder, SmallDetailDecoder
from deca.model.small_networks import SmallNetworks, output_scaling
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
    parameters = networks.encode(torch.rand(1, 3, 192, 192), torch.zeros(1, 468, 3))
    code = networks.detail_code(torch.rand(1, 4, 256, 256), parameters)
    parameters = parameters.replace(detail=code)
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


def test_detail_begins_with_the_principal_components_of_people():
    random = torch.Generator().manual_seed(0)
    texels, people = torch.arange(20_000, 20_300), 80
    habits = torch.randn(people, 3, generator=random)
    # One movement is of another kind of wrinkles than what is always there, the others do nothing.
    parts = torch.zeros(20, people, len(texels))
    parts[0] = 0.4 + habits @ torch.randn(3, len(texels), generator=random)
    parts[3] = 0.2 + habits @ torch.randn(3, len(texels), generator=random)
    tensors = principal_reliefs(People(parts, torch.ones(20), texels), torch.ones(len(texels)))
    decoder = SmallDetailDecoder(moves=20, detail=DETAIL)
    gates = torch.zeros_like(decoder.gates.weight)
    gates[2, 5] = 100.0
    named = {
        name.removeprefix("detail_decoder."): values for name, values in tensors.items() if "decoder" in name
    }
    decoder.load_state_dict(named | {"gates.weight": gates})
    for moved in (0.0, 1.0):
        moves = torch.zeros(people, 20)
        moves[:, 5] = moved
        openness = decoder.openness(moves)
        reliefs = decoder.reliefs.weight[texels]
        by_code = reliefs @ (openness[..., None] * decoder.person.weight)
        average = (openness * decoder.person.bias) @ reliefs.mT
        wanted = parts[0] + moved * parts[3]
        found = torch.linalg.lstsq(by_code, (wanted - average)[..., None], driver="gelsd").solution[..., 0]
        shown = 1000 * decoder(torch.cat([moves, found], 1)).flatten(1)[:, texels]
        torch.testing.assert_close(shown, wanted.clamp(-10, 10), atol=5e-3, rtol=1e-3)
        # Codes are of unit deviation over people: three numbers are all that these differ by.
        assert float(found.detach().square().sum(1).mean()) == pytest.approx(3, rel=0.1)


def test_what_a_smile_adds_is_found_among_what_else_changes():
    random = np.random.default_rng(0)
    smile = random.standard_normal((256, 256))
    gates = random.uniform(-1, 1, 300)
    found = smile_relief((gate, gate * smile + 0.1 * random.standard_normal((256, 256))) for gate in gates)
    np.testing.assert_allclose(found, smile, atol=0.05)


def test_a_code_shows_when_the_face_moves():
    decoder = SmallDetailDecoder(moves=5, detail=7)
    with torch.no_grad():
        decoder.gates.weight.fill_(1.0)
        decoder.open.bias.zero_()
        decoder.person.bias.zero_()
    somebody = torch.ones(1, 7)
    at_rest, moved = (
        decoder(torch.cat([moves, somebody], 1)) for moves in (torch.zeros(1, 5), torch.ones(1, 5))
    )
    assert not at_rest.any()
    assert moved.any()
    decoder.person.bias.data.fill_(1e6)
    assert float(decoder(torch.ones(1, 12)).detach().abs().max()) == pytest.approx(0.01)


def smooth_decoder(random: torch.Generator) -> SmallDetailDecoder:
    """A decoder of ten wide reliefs, whose codes are their strengths."""
    decoder = SmallDetailDecoder(moves=3, detail=10)
    reliefs = torch.nn.functional.interpolate(
        torch.randn(1, 10, 24, 24, generator=random), (256, 256), mode="bicubic"
    )
    with torch.no_grad():
        decoder.reliefs.weight.zero_()
        decoder.reliefs.weight[:, :10] = 0.2 * reliefs[0].flatten(1).T
        decoder.person.weight.copy_(torch.eye(RELIEFS, 10))
        decoder.person.bias.zero_()
    return decoder


def shaded_view(decoder: SmallDetailDecoder, code: torch.Tensor) -> torch.Tensor:
    """The view of a face with that code, in light from the upper left."""
    relief = 1000 * decoder(torch.cat([torch.zeros(len(code), 3), code], 1))[:, 0]
    right = pad(relief[..., 2:] - relief[..., :-2], (1, 1)) / 2
    up = -pad(relief[..., 2:, :] - relief[..., :-2, :], (0, 0, 1, 1)) / 2
    says = torch.tensor([1.0, 0.3, -0.2])[:, None, None, None].expand(3, *relief.shape)
    return torch.cat([(says[1] * right + says[2] * up)[None], says]).movedim(0, 1)


def alike(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def test_the_code_is_read_from_the_shading():
    random = torch.Generator().manual_seed(0)
    decoder, encoder = smooth_decoder(random), DetailViewEncoder(10).eval()
    code, still = torch.randn(1, 10, generator=random), torch.zeros(1, 3)
    view = shaded_view(decoder, code)
    assert alike(encoder(view, decoder, still), code) > 0.99
    # What is hidden follows from the rest; of a face that is hidden whole the code is the average one.
    half, none = view.clone(), view.clone()
    half[:, 1, :, :128] = 0
    half[:, 0, :, :128] = 0.5
    none[:, 1] = 0
    assert alike(encoder(half, decoder, still), code) > 0.97
    assert not encoder(none, decoder, still).any()


def test_lightness_that_is_no_relief_is_explained_away():
    random = torch.Generator().manual_seed(0)
    networks = SmallNetworks(replace(SIZES, expression=0, detail=10))
    decoder, encoder = smooth_decoder(random), networks.detail_encoder
    networks.detail_decoder = decoder
    faces = 200
    codes, moves = torch.randn(faces, 10, generator=random), torch.zeros(faces, 3)
    codes[1::2] = codes[::2]
    brows, spots = torch.randn(2, 256, 256, generator=random) * 0.1
    strengths = torch.randn(faces, generator=random)
    place, texels = encoder.places()
    view = torch.cat([shaded_view(decoder, part).flatten(2)[..., texels] for part in codes.split(20)])
    noise = brows.flatten()[texels] + strengths[:, None] * spots.flatten()[texels]
    view[:, 0] += noise + 0.01 * torch.randn(view[:, 0].shape, generator=random)
    views = Views(view, moves, codes)
    whole = torch.zeros(40, 4, 256 * 256)
    whole[..., texels] = view[:40]
    whole = whole.unflatten(2, (256, 256))
    with torch.no_grad():
        before = alike(encoder(whole, decoder, moves[:40]), codes[:40])
        learn_noise(networks, views)
        torch.testing.assert_close(encoder.mean.flatten()[place], brows.flatten()[texels], atol=0.05, rtol=0)
        first = encoder.patterns.flatten(0, 1)[place][:, -1]
        assert (
            abs(alike(first * encoder.log_deviations.flatten()[place].exp(), spots.flatten()[texels])) > 0.95
        )
        after = alike(encoder(whole, decoder, moves[:40]), codes[:40])
        assert 1 - after < (1 - before) / 5
        learn_output(networks, views)
        assert (encoder(whole, decoder, moves[:40]) - codes[:40]).square().mean() < 0.02
