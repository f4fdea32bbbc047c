"""The identity loss and the networks that judge: VGGFace2's ResNet-50, and others from ONNX files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from deca.conversion.asset import Asset, AssetError
from deca.io.assets import Source, add_asset
from deca.io.trainable_onnx import read_onnx_module
from deca.model.resnet import ResNet50
from deca.model.weights import WeightsError
from deca.training.identity import (
    AlignedRecognition,
    VGGFace2,
    aligned,
    find_recognition,
    identity_loss,
    released_vggface2_input,
    vggface2,
    vggface2_input,
)

LANDMARKS = torch.zeros(1, 68, 2)


def test_one_less_the_cosine() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    target = torch.tensor([[5.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert identity_loss(features, target).tolist() == [0, 1, 2]
    random = torch.Generator().manual_seed(0)
    features, target = torch.randn(2, 3, 5, dtype=torch.float64, generator=random)
    assert torch.autograd.gradcheck(lambda x: identity_loss(x, target), features.requires_grad_())


def test_no_feature_is_no_number_missing() -> None:
    features = torch.zeros(1, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(identity_loss(features, torch.ones(1, 4)).sum(), features)
    assert gradient.isfinite().all()


def test_the_input_of_vggface2() -> None:
    image = torch.zeros(1, 3, 224, 224)
    image[:, 0] = 1
    # The rim is not seen.
    image[..., :10, :] = 0.3
    image[..., 214:] = 0.3
    prepared = vggface2_input(image)
    assert prepared.shape == (1, 3, 224, 224)
    expected = torch.tensor([-91.4953, -103.8827, 255 - 131.0912])
    torch.testing.assert_close(prepared, expected.view(1, 3, 1, 1).expand_as(prepared))
    torch.testing.assert_close(released_vggface2_input(image), 2 * prepared - 1)
    # Crops of other sizes are brought to that of the published system first.
    assert vggface2_input(torch.rand(2, 3, 160, 160)).shape == (2, 3, 224, 224)


def _caffe_arrays() -> dict[str, np.ndarray]:
    """Weights as converted from Caffe: no counters, a classifier."""
    with torch.device("meta"):
        state = ResNet50().state_dict()
    arrays = {
        name: np.zeros(tensor.shape, np.float32)
        for name, tensor in state.items()
        if "num_batches" not in name
    }
    return arrays | {"fc.weight": np.zeros((8631, 2048), np.float32), "fc.bias": np.zeros(8631, np.float32)}


def test_vggface2_is_the_network_of_caffe() -> None:
    network = VGGFace2().network
    strides = [
        (block.conv1.stride[0], block.conv2.stride[0]) for block in (network.layer1[0], network.layer3[0])
    ]
    assert strides == [(1, 1), (2, 1)]
    # No border and what is left over: 112 becomes 56, as does 111.
    assert network.maxpool(torch.zeros(1, 1, 112, 112)).shape[-1] == 56
    assert network.maxpool(torch.zeros(1, 1, 111, 111)).shape[-1] == 55


def test_what_judges_does_not_learn() -> None:
    recognition = VGGFace2()
    recognition.train()
    assert not any(module.training for module in recognition.modules())
    assert not any(parameter.requires_grad for parameter in recognition.parameters())
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(recognition(image, LANDMARKS).sum(), image)
    assert gradient.abs().sum() > 0


def test_weights_that_do_not_fit_are_named() -> None:
    arrays = _caffe_arrays()
    assert isinstance(vggface2(arrays), VGGFace2)
    del arrays["layer4.0.conv1.weight"]
    with pytest.raises(WeightsError, match=r"lacks layer4\.0\.conv1\.weight"):
        vggface2(arrays)


def test_the_user_s_network_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "home"))
    assert find_recognition() is None
    file = tmp_path / "resnet50_ft_weight.pkl"
    file.write_bytes(pickle.dumps(_caffe_arrays(), protocol=2))
    assert isinstance(find_recognition(file), VGGFace2)
    arrays = {name: array for name, array in _caffe_arrays().items() if not name.startswith("fc.")}
    add_asset(Asset("face-recognition", "face-recognition", arrays), Source(file.name, "0" * 64))
    assert isinstance(find_recognition(), VGGFace2)
    other = tmp_path / "head_template.obj"
    other.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    with pytest.raises(AssetError, match=r"head_template\.obj: flame-template; name VGGFace2's"):
        find_recognition(other)


# --- aligned pictures ---


def _template_landmarks() -> Tensor:
    """68 points whose eyes, nose and mouth lie as ArcFace has them, in the frame of the aligned picture."""
    points = torch.tensor(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    points = (points + 0.5) / 56 - 1
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, 36:42], landmarks[:, 42:48] = points[0], points[1]
    landmarks[:, 30], landmarks[:, 48], landmarks[:, 54] = points[2], points[3], points[4]
    return landmarks


def test_an_aligned_picture_stays_as_it_is() -> None:
    image = torch.rand(1, 3, 112, 112)
    torch.testing.assert_close(aligned(image, _template_landmarks()), image, atol=1e-4, rtol=0)


def test_a_turned_small_face_is_brought_upright() -> None:
    """A picture of two ramps, seen turned by thirty degrees, at half the size and off the middle."""
    angle, scale, shift = torch.tensor(torch.pi / 6), 0.5, torch.tensor([0.1, -0.05])
    turn = scale * torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    landmarks = _template_landmarks() @ turn.mT + shift
    grid = (torch.arange(224) + 0.5) / 112 - 1
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    places = (torch.stack([x, y], -1) - shift) @ torch.linalg.inv(turn).mT
    image = torch.cat([places, places[..., :1]], -1).permute(2, 0, 1)[None]
    upright = aligned(image, landmarks)[0]
    inside = slice(8, -8)
    expected = (torch.arange(112) + 0.5) / 56 - 1
    rows, columns = torch.meshgrid(expected, expected, indexing="ij")
    torch.testing.assert_close(upright[0, inside, inside], columns[inside, inside], atol=1e-3, rtol=0)
    torch.testing.assert_close(upright[1, inside, inside], rows[inside, inside], atol=1e-3, rtol=0)


# --- ONNX ---


def _network_file(
    path: Path, centres: bool = False, operator: str = "PRelu", batch: int | None = None
) -> Path:
    """A small network with every kind of layer that ArcFace's residual networks have."""
    random = np.random.default_rng(0)
    sizes = {
        "w1": (8, 3, 3, 3), "b1": (8,), "slope": (8, 1, 1), "w2": (8, 1, 3, 3), "w3": (8, 8, 1, 1),
        "scale": (8,), "shift": (8,), "mean": (8,), "gemm": (16, 8 * 28 * 28), "bias": (16,),
    }  # fmt: skip
    weights = {name: random.normal(0, 0.2, size).astype(np.float32) for name, size in sizes.items()}
    weights["variance"] = random.uniform(0.5, 1, 8).astype(np.float32)
    weights["centre"], weights["unit"] = np.array([127.5], np.float32), np.array([1 / 127.5], np.float32)
    nodes = [
        helper.make_node(
            "Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3]
        ),
        helper.make_node(operator, ["a", "slope"] if operator == "PRelu" else ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1], group=8, kernel_shape=[3, 3]),
        helper.make_node(
            "BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["d"], epsilon=2e-5
        ),
        helper.make_node("Conv", ["b", "w3"], ["e"]),
        helper.make_node("Add", ["d", "e"], ["f"]),
        helper.make_node("MaxPool", ["f"], ["g"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "gemm", "bias"], ["y"], transB=1),
    ]
    if centres:
        nodes = [
            helper.make_node("Sub", ["pixels", "centre"], ["moved"]),
            helper.make_node("Mul", ["moved", "unit"], ["x"]),
            *nodes,
        ]
    graph = helper.make_graph(
        nodes,
        "recognition",
        [
            helper.make_tensor_value_info(
                "pixels" if centres else "x", TensorProto.FLOAT, [batch, 3, 112, 112]
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 16])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_an_onnx_network_gives_what_onnxruntime_gives(tmp_path: Path) -> None:
    path = _network_file(tmp_path / "network.onnx")
    picture = torch.rand(2, 3, 112, 112) * 2 - 1
    (expected,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": picture.numpy()})
    module = read_onnx_module(path)
    torch.testing.assert_close(module(picture), torch.from_numpy(expected), atol=1e-4, rtol=1e-4)
    assert module.input_shape == (None, 3, 112, 112)


def test_an_onnx_network_has_exact_gradients(tmp_path: Path) -> None:
    module = read_onnx_module(_network_file(tmp_path / "network.onnx", operator="Sigmoid")).double()
    random = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 112, 112, dtype=torch.float64, generator=random, requires_grad=True)
    value = module(picture).square().sum()
    (gradient,) = torch.autograd.grad(value, picture)
    way = torch.randn(picture.shape, dtype=torch.float64, generator=random)
    # So short that no maximum passes to its neighbour.
    step = 1e-7 * way
    with torch.no_grad():
        slope = (module(picture + step).square().sum() - module(picture - step).square().sum()) / 2e-7
    assert float(slope) == pytest.approx(float((gradient * way).sum()), rel=1e-5)


def test_shipped_onnx_networks_are_read_as_far_as_their_operators_are_known() -> None:
    """One with operators of its own is refused by their names."""
    file = Path(__file__).parents[1] / "src" / "deca" / "data" / "face_detector_full.onnx"
    with pytest.raises(
        AssetError, match=r"face_detector_full.onnx: the operator Cast, Pad, Resize is not known here"
    ):
        read_onnx_module(file)


def test_damaged_and_strange_files_are_refused(tmp_path: Path) -> None:
    path = _network_file(tmp_path / "network.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AssetError, match=r"cut\.onnx"):
        read_onnx_module(cut)
    text = tmp_path / "text.onnx"
    text.write_text("no network at all")
    with pytest.raises(AssetError, match=r"text\.onnx"):
        read_onnx_module(text)
    with pytest.raises(AssetError, match="the operator Softsign is not known here; export"):
        read_onnx_module(_network_file(tmp_path / "strange.onnx", operator="Softsign"))
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        read_onnx_module(tmp_path / "none.onnx")


def test_a_network_that_centres_itself_gets_pixels(tmp_path: Path) -> None:
    own = find_recognition(_network_file(tmp_path / "own.onnx", centres=True, batch=1))
    other = find_recognition(_network_file(tmp_path / "other.onnx"))
    assert isinstance(own, AlignedRecognition)
    assert isinstance(other, AlignedRecognition)
    # Exported with a batch of one, used with two.
    image = torch.rand(2, 3, 224, 224)
    landmarks = _template_landmarks().expand(2, -1, -1)
    torch.testing.assert_close(own(image, landmarks), other(image, landmarks), atol=1e-4, rtol=1e-4)


def test_the_loss_moves_a_rendering_through_an_onnx_network(tmp_path: Path) -> None:
    recognition = find_recognition(_network_file(tmp_path / "network.onnx"))
    assert recognition is not None
    photo, rendering = torch.rand(2, 1, 3, 128, 128)
    rendering.requires_grad_()
    landmarks = _template_landmarks()
    target = recognition(photo, landmarks)
    before = identity_loss(recognition(rendering, landmarks), target)
    (gradient,) = torch.autograd.grad(before.sum(), rendering)
    after = identity_loss(recognition(rendering - 0.05 * gradient / gradient.abs().max(), landmarks), target)
    assert after < before
