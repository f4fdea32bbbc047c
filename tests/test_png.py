"""PNG files made by the compiled passes, read back by two other libraries."""

from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from deca.io.png import png_bytes


def read_back(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        found = np.asarray(picture)
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(other[..., ::-1] if other.ndim == 3 else other, found)
    return found


SIZES = array_shapes(min_dims=2, max_dims=2, max_side=40)
# Few values make runs, many make long codes.
VALUES = st.one_of(st.integers(0, 255), st.sampled_from([0, 7]))


@given(image=SIZES.flatmap(lambda size: arrays(np.uint8, (*size, 3), elements=VALUES)))
def test_every_picture_comes_back(image: np.ndarray) -> None:
    np.testing.assert_array_equal(read_back(png_bytes(image)), image)


@given(image=SIZES.flatmap(lambda size: arrays(np.uint16, size)))
def test_every_grey_map_of_sixteen_bits_comes_back(image: np.ndarray) -> None:
    np.testing.assert_array_equal(read_back(png_bytes(image)), image)


@pytest.mark.parametrize("width", [1, 85, 86, 87, 172, 173, 174, 400])
def test_runs_of_every_length_come_back(width: int) -> None:
    """A match holds 258 bytes at most, 86 pixels."""
    image = np.full((5, width, 3), 200, np.uint8)
    image[3, width // 2] = 1
    np.testing.assert_array_equal(read_back(png_bytes(image)), image)


@pytest.mark.parametrize("ratio", [1.3, 1.618, 2.0, 4.0])
def test_codes_stay_short_however_unlike_the_counts(ratio: float) -> None:
    """Counts that grow like powers would make a Huffman code as long as there are symbols."""
    counts = np.maximum(300_000 / ratio ** np.arange(256), 1).astype(int)
    values = np.random.default_rng(0).permutation(np.repeat(np.arange(256), counts)).astype(np.uint8)
    # Along a row of its own the predictor leaves differences of neighbours: sums give the values back.
    row = np.cumsum(values[: len(values) // 3 * 3].reshape(-1, 3), 0, dtype=np.uint8)
    image = row[None]
    np.testing.assert_array_equal(read_back(png_bytes(image)), image)


def test_pictures_are_no_larger_than_zlib_makes_them() -> None:
    """A smooth picture with some noise, beside zlib's fastest on the same rows."""
    generator = np.random.default_rng(0)
    smooth = cv2.resize(generator.integers(0, 256, (12, 12, 3)).astype(np.uint8), (300, 300))
    image = np.clip(smooth + generator.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
    ours, fastest = io.BytesIO(png_bytes(image)), io.BytesIO()
    Image.fromarray(image).save(fastest, "PNG", compress_level=1)
    assert len(ours.getvalue()) < 1.05 * len(fastest.getvalue())
    assert len(ours.getvalue()) < 0.9 * len(zlib.compress(image.tobytes()))


def test_text_is_carried() -> None:
    data = png_bytes(np.zeros((2, 3), np.uint16), {"metres_per_unit": "1e-07"})
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.text == {"metres_per_unit": "1e-07"}
