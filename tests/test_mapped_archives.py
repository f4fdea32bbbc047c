"""An npz that opens at once: what numpy reads, at the same values, and never more than is there."""

from __future__ import annotations

import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from deca.conversion.asset import AssetError
from deca.io.mapped_archives import read_mapped_archive, write_mapped_archive

DTYPES = st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_]).map(np.dtype)
ARRAYS = arrays_of.arrays(DTYPES, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0))


@pytest.fixture
def large() -> np.ndarray:
    """More than a mebibyte, so that it is mapped."""
    return np.random.default_rng(5).normal(size=(300, 1001)).astype(np.float32)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), ARRAYS, max_size=4))
def test_numpy_and_we_read_what_was_written(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("archive") / "some.npz"
    write_mapped_archive(arrays, path)
    ours = read_mapped_archive(path)
    with np.load(path, allow_pickle=False) as theirs:
        assert set(ours) == set(arrays) == set(theirs.files)
        for name, array in arrays.items():
            for read in (ours[name], theirs[name]):
                np.testing.assert_array_equal(read, array)
                assert (read.dtype, read.shape) == (array.dtype, array.shape)


def test_large_arrays_are_aligned_views_of_the_file(large, tmp_path):
    arrays = {"text": np.asarray("seven"), "large": large, "turned": large.T, "more": large[::-1]}
    path = tmp_path / "large.npz"
    write_mapped_archive(arrays, path)
    ours = read_mapped_archive(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(ours[name], array)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    for name in ("large", "turned", "more"):
        assert ours[name].ctypes.data % 64 == 0
    before = path.read_bytes()
    ours["large"][:] = 0
    assert path.read_bytes() == before
    np.testing.assert_array_equal(read_mapped_archive(path)["large"], large)


def test_the_same_arrays_make_the_same_bytes(large, tmp_path):
    for name in ("one", "two"):
        write_mapped_archive({"large": large}, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_by_numpy_are_read_too(large, tmp_path, save):
    path = tmp_path / "theirs.npz"
    save(path, small=np.arange(3), odd=np.asarray("x"), large=large)
    ours = read_mapped_archive(path)
    np.testing.assert_array_equal(ours["large"], large)
    np.testing.assert_array_equal(ours["small"], np.arange(3))
    assert ours["large"].flags.aligned


@pytest.mark.parametrize("kept", [0, 10, 1000, 600_000, -200, -1])
def test_a_file_that_is_cut_short_is_refused(large, tmp_path, kept):
    path = tmp_path / "cut.npz"
    write_mapped_archive({"large": large}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AssetError, match=r"cut\.npz: ") as caught:
        read_mapped_archive(path)
    assert "\n" not in str(caught.value)


def test_an_array_that_reaches_beyond_the_file_is_refused(large, tmp_path):
    """The directory places the entry where the file ends."""
    path = tmp_path / "beyond.npz"
    write_mapped_archive({"large": large}, path)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    # Both sizes of the entry, in its directory's record and in the npy's own header.
    content[directory + 20 : directory + 28] = struct.pack("<II", 2**28, 2**28)
    shape = content.index(b"(300, 1001)")
    content[shape : shape + 11] = b"(67043328,)"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"beyond\.npz: "):
        read_mapped_archive(path)


def test_objects_are_refused(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, bad=np.array([{}], object))
    with pytest.raises(AssetError, match="bad is an object array"):
        read_mapped_archive(path)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_mapped_archive({"bad": np.array([{}], object)}, path)
