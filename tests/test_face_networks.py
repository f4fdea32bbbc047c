"""The face networks: made again from their sources they are what ships, and another conversion agrees."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from deca.io.files import data_file
from deca.io.networks import open_network

pytest.importorskip("onnx", reason="making the networks needs onnx")
pytest.importorskip("tflite", reason="making the networks needs tflite")
TOOLS = Path(__file__).parents[1] / "tools"
MODELS = Path(__file__).parents[1].parent / "shared" / "models"
sys.path.insert(0, str(TOOLS))

from build_face_networks import NETWORKS  # noqa: E402
from face_networks.geometry import canonical_face, fields  # noqa: E402
from face_networks.onnx_graph import to_onnx  # noqa: E402
from face_networks.sources import checked, packed_assets  # noqa: E402
from face_networks.tflite_graph import Operator, TfliteGraph, read_graph  # noqa: E402


def pictures(batch, size=192):
    return np.random.default_rng(0).random((batch, 3, size, size), np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_made_again_from_the_published_file(name, tmp_path):
    source, outputs = NETWORKS[name]
    if not (MODELS / source).is_file():
        pytest.skip("the published files are not beside the project")
    path = tmp_path / name
    path.write_bytes(
        to_onnx(read_graph(checked(source, (MODELS / source).read_bytes())), outputs).SerializeToString()
    )
    made, shipped = open_network(path)(pictures(2)), open_network(data_file(name))(pictures(2))
    for one, other in zip(made, shipped, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_independent_conversion_agrees(name):
    if not (MODELS / name).is_file():
        pytest.skip("the other conversion is not beside the project")
    other, shipped = open_network(MODELS / name)(pictures(2)), open_network(data_file(name))(pictures(2))
    for one, two in zip(other, shipped, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6 * np.abs(one).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_picture_does_not_see_the_others_of_its_batch(name):
    network, batch = open_network(data_file(name)), pictures(3)
    together, alone = network(batch), network(batch[1:2])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one[1:2], other, atol=1e-5 * np.abs(other).max())


def test_names_of_what_goes_in_and_comes_out():
    session = onnxruntime.InferenceSession(str(data_file("face_detector_full.onnx")))
    assert [entry.name for entry in session.get_inputs()] == ["pictures"]
    assert [entry.name for entry in session.get_outputs()] == ["boxes", "logits"]


def test_an_unknown_operator_is_named():
    graph = TfliteGraph((Operator("FLUX", (0,), (1,), None),), (0,), (1,), ((1, 2, 2, 3), (1, 2, 2, 3)), {})
    with pytest.raises(NotImplementedError, match="FLUX"):
        to_onnx(graph, ("out",))


def test_protocol_buffer_fields():
    # Field 1 is the varint 300, 2 the bytes "ab", 3 a 32-bit and 4 a 64-bit number.
    message = b"\x08\xac\x02" + b"\x12\x02ab" + b"\x1d\x00\x00\x80\x3f" + b"\x21" + bytes(8)
    assert list(fields(message)) == [(1, 300), (2, b"ab"), (3, b"\x00\x00\x80\x3f"), (4, bytes(8))]
    with pytest.raises(ValueError, match="wire type 3"):
        list(fields(b"\x0b"))


def test_canonical_face_from_its_file():
    numbers = np.arange(468 * 5, dtype="<f4")
    mesh = b"".join(b"\x1d" + number.tobytes() for number in numbers) + b"\x20\x01\x20\x02\x20\x83\x01"
    size = len(mesh)
    metadata = b"\x0a" + bytes([size & 127 | 128, size >> 7 & 127]) + mesh
    face = canonical_face(metadata)
    np.testing.assert_array_equal(face["vertices"][1], [5, 6, 7])
    np.testing.assert_array_equal(face["uv"][1], [8, 9])
    np.testing.assert_array_equal(face["triangles"], [[1, 2, 131]])


def test_a_wrong_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"face_landmark\.tflite: SHA-256"):
        checked("face_landmark.tflite", b"something else")
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        script = tmp_path / "x.js"
        script.write_text("nothing")
        for end in ("_loader.js", ".data"):
            archive.add(script, f"package/face_mesh_solution_packed_assets{end}")
    with pytest.raises(ValueError, match="its loader names no files"):
        packed_assets(tmp_path / "other.tgz")
