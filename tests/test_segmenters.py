"""A user's segmentation network: its classes become the skin mask, whatever form they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deca.io.face_mesh import face_mesh
from deca.io.segmenters import open_segmenter
from deca.photo.face_area import face_area

SIZE = 96


def write_network(path: Path, labels: bool = False, channels: int = 3, size: int = 48) -> Path:
    """Three classes scored by the three colours; or the class of the strongest colour."""
    output = helper.make_tensor_value_info(
        "out",
        TensorProto.INT64 if labels else TensorProto.FLOAT,
        [1, size, size] if labels else [1, channels, size, size],
    )
    node = (
        helper.make_node("ArgMax", ["in"], ["out"], axis=1, keepdims=0)
        if labels
        else helper.make_node("Mul", ["in", "ten"], ["out"])
    )
    graph = helper.make_graph(
        [node],
        "colours",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, channels, size, size])],
        [output],
        [] if labels else [helper.make_tensor("ten", TensorProto.FLOAT, [1], [10.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("colours", ["unit", "signed"])
def test_pixels_of_the_named_classes_near_the_face_are_skin(tmp_path, labels, colours):
    points = face_mesh().vertices * [2.0, -2.0, -2.0] + [48.0, 60.0, 0.0]
    area = face_area(points, face_mesh(), SIZE, 100.0)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[..., 1] = 255
    image[:, :48] = [255, 0, 0]
    segmenter = open_segmenter(write_network(tmp_path / "net.onnx", labels), (0,), colours)
    mask = segmenter(image, area)
    assert (mask[:, 51:] == 0).all()
    assert mask[60, 40] == 255
    assert mask[5, 5] == 0  # red, but far from the face
    both = open_segmenter(tmp_path / "net.onnx", (0, 1), colours)(image, area)
    assert both[60, 40] == both[60, 56] == 255


def test_networks_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such network"):
        open_segmenter(tmp_path / "none.onnx", (1,), "unit")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ValueError, match="not a readable ONNX network"):
        open_segmenter(tmp_path / "text.onnx", (1,), "unit")
    with pytest.raises(ValueError, match="expected one picture"):
        open_segmenter(write_network(tmp_path / "grey.onnx", channels=1), (0,), "unit")
    with pytest.raises(ValueError, match="has classes 0 to 2, not 3"):
        open_segmenter(write_network(tmp_path / "net.onnx"), (3,), "unit")
