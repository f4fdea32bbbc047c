"""Maps as PNG files: what comes back, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from deca.io.maps import (
    MapError,
    decode_normals,
    encode_normals,
    encode_unit,
    read_displacement,
    write_displacement,
    write_map,
)


@given(displacement=arrays(np.float32, (5, 7), elements=st.floats(-0.0625, 0.0625, width=32)))
def test_displacements_come_back_to_half_a_grey_level(
    displacement: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("map") / "displacement.png"
    scale = write_displacement(path, displacement)
    found = read_displacement(path)
    assert np.abs(found - displacement).max() <= 0.5001 * scale + 1e-9
    assert (found[displacement == 0] == 0).all()
    with Image.open(path) as image:
        assert image.mode == "I;16"


def test_a_displacement_without_scale_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "plain.png")
    with pytest.raises(MapError, match=r"plain\.png: this picture has no scale"):
        read_displacement(tmp_path / "plain.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(MapError, match=r"empty\.png: not a readable picture"):
        read_displacement(tmp_path / "empty.png")
    with pytest.raises(FileNotFoundError, match="no such displacement map"):
        read_displacement(tmp_path / "none.png")
    with pytest.raises(ValueError, match="not finite"):
        write_displacement(tmp_path / "nan.png", np.full((2, 2), np.nan, np.float32))
    assert not (tmp_path / "nan.png").exists()


def test_a_damaged_displacement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    write_displacement(path, np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(MapError, match=r"cut\.png"):
        read_displacement(path)


def test_colours_are_written_as_they_are(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 5, 3), np.uint8)
    write_map(tmp_path / "albedo.png", image)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "albedo.png")), image)


def test_colours_are_clipped() -> None:
    assert encode_unit(np.array([-1.0, 0.5, 2.0]).reshape(3, 1, 1)).tolist() == [[[0, 128, 255]]]


def test_normals_come_back_within_half_a_degree() -> None:
    normals = np.random.default_rng(0).normal(size=(3, 20, 20))
    normals /= np.linalg.norm(normals, axis=0)
    found = decode_normals(encode_normals(normals))
    angle = np.degrees(np.arccos((found * normals).sum(0).clip(-1, 1)))
    assert angle.max() < 0.5
