"""The detail decoder as ONNX says what PyTorch says, and takes an open jaw either way."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch

from deca.io.default_networks import default_networks
from deca.io.detail_onnx import detail_decoder_onnx
from deca.io.heads import default_head
from deca.model.small_detail import SmallDetailDecoder


def test_onnx_and_pytorch_agree() -> None:
    decoder = default_networks().detail_decoder
    session = onnxruntime.InferenceSession(detail_decoder_onnx(decoder))
    draw = torch.Generator().manual_seed(0)
    jaw, expression = torch.rand(3, 3, generator=draw) * 0.3, torch.rand(3, 52, generator=draw)
    detail = torch.randn(3, 64, generator=draw)
    with torch.no_grad():
        wanted = decoder(torch.cat([jaw, expression, detail], 1)).numpy()
    given = {"jaw": jaw.numpy(), "expression": expression.numpy(), "detail": detail.numpy()}
    (found,) = session.run(["displacement"], given)
    assert isinstance(found, np.ndarray)
    assert found.shape == wanted.shape
    assert np.abs(wanted).max() > 5e-4
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_decoder_in_single_precision_loses_less_than_a_micrometre() -> None:
    torch.manual_seed(1)
    decoder = SmallDetailDecoder(moves=5, detail=4)
    session = onnxruntime.InferenceSession(detail_decoder_onnx(decoder))
    jaw, expression, detail = torch.rand(2, 3), torch.rand(2, 2), torch.randn(2, 4)
    with torch.no_grad():
        wanted = decoder(torch.cat([jaw, expression, detail], 1)).numpy()
    given = {"jaw": jaw.numpy(), "expression": expression.numpy(), "detail": detail.numpy()}
    np.testing.assert_allclose(session.run(None, given)[0], wanted, atol=1e-6)


def test_the_action_that_opens_the_jaw_reads_as_the_joint_it_turns() -> None:
    """So programs may leave an open jaw with the weight of jawOpen, as head.glb does."""
    head, decoder = default_head(), default_networks().detail_decoder
    action, joint = head.expression_names.index("jawOpen"), head.joint_names.index("jaw")
    turn = torch.from_numpy(head.expression_joint_rotations[action, joint])
    opened, turned = torch.zeros(1, decoder.moves), torch.zeros(1, decoder.moves)
    opened[0, 3 + action] = 0.7
    turned[0, :3] = 0.7 * turn
    with torch.no_grad():
        difference = (decoder.openness(opened) - decoder.openness(turned)).abs().max()
        change = (decoder.openness(opened) - decoder.openness(torch.zeros_like(opened))).abs().max()
    assert change > 0.1
    assert difference < 1e-3 * change
