from __future__ import annotations

import torch

from deca.model.detail_decoder import DEEPEST, DetailDecoder, UpBlock


def test_it_has_as_many_parameters_as_the_published_one():
    with torch.device("meta"):
        decoder = DetailDecoder(181)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 1_773_345


def test_a_block_doubles_its_map_with_texel_centres_at_halves():
    block = UpBlock(1, 1).eval()
    _make_identity(block)
    ramp = torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]])
    # Outside the first and last centre the edge goes on; between them, quarters and three quarters.
    expected = torch.tensor([0.0, 1.0, 3.0, 4.0]) / (1 + 0.8) ** 0.5
    torch.testing.assert_close(block(ramp)[0, 0], expected.expand(4, 4))


def test_what_is_negative_leaves_a_block_at_a_fifth():
    block = UpBlock(1, 1).eval()
    _make_identity(block)
    torch.testing.assert_close(
        block(torch.full((1, 1, 2, 2), -1.0)), torch.full((1, 1, 4, 4), -0.2 / 1.8**0.5)
    )


def test_the_first_norm_has_the_usual_epsilon_and_the_others_the_published_one():
    decoder = DetailDecoder(4)
    assert decoder.first_norm.eps == 1e-5
    assert [block.norm.eps for block in decoder.blocks if isinstance(block, UpBlock)] == [0.8] * 5


def test_no_displacement_is_beyond_ten_millimetres():
    torch.manual_seed(0)
    decoder = DetailDecoder(4).eval()
    code = 1e4 * torch.randn(2, 4)
    displacement = decoder(code)
    assert displacement.shape == (2, 1, 256, 256)
    assert float(displacement.detach().abs().max()) <= DEEPEST
    with torch.no_grad():
        decoder.last.bias += 1e9
    torch.testing.assert_close(decoder(code), torch.full((2, 1, 256, 256), DEEPEST))


def _make_identity(block: UpBlock) -> None:
    """A convolution that passes on what it gets, and a norm that only divides by sqrt(1 + epsilon)."""
    with torch.no_grad():
        block.convolution.weight.zero_()[..., 1, 1] = 1
        block.convolution.bias.zero_()
