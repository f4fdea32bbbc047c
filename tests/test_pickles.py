"""The pickle reader builds arrays and nothing else, in little memory, whatever stands in the file."""

from __future__ import annotations

import collections
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from hostile_files import (
    CHANGES,
    FILLS_MEMORY,
    HOLDS_NOTHING,
    RUNS_SOMETHING,
    Hostile,
    changed,
    python_pickles,
)
from hypothesis import given
from hypothesis import strategies as st
from parity_files import loaders_folder

from deca.conversion.asset import AssetError
from deca.io import pickle_machine
from deca.io.archives import read_npy
from deca.io.pickles import read_pickle

ARRAYS = {
    "doubles": np.arange(6.0).reshape(2, 3),
    "columns_first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(5, dtype=">f4"),
    "unsigned": np.array([2**32 - 1, 0], np.uint32),
    "yes_and_no": np.array([True, False]),
    "half": np.array([0.5], np.float16),
    "empty": np.zeros((0, 3)),
    "no_axes": np.array(3.0),
    "letters": np.array(["head", "jaw"]),
}
MEBIBYTE = 2**20


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_from_every_protocol(tmp_path, protocol):
    read = read_pickle(written(tmp_path, python_pickles(ARRAYS)[protocol]))
    assert set(read) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("make", ["csc_matrix", "csr_matrix", "csc_array", "csr_array"])
def test_sparse_matrices_come_back_dense(tmp_path, protocol, make):
    dense = np.random.default_rng(2).normal(size=(5, 7)) * (np.arange(7) % 3 == 0)
    content = python_pickles({"J_regressor": getattr(scipy.sparse, make)(dense)})[protocol]
    np.testing.assert_array_equal(read_pickle(written(tmp_path, content))["J_regressor"], dense)


def test_sparse_entries_that_stand_twice_add_up(tmp_path):
    matrix = scipy.sparse.csc_matrix(
        (np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2)
    )
    read = read_pickle(written(tmp_path, pickle.dumps({"m": matrix})))
    np.testing.assert_array_equal(read["m"], [[0, 4], [3, 0]])


@pytest.mark.parametrize("protocol", range(2, 6))
def test_tensors_come_back(tmp_path, protocol):
    content = collections.OrderedDict(
        rows=torch.arange(6.0).reshape(2, 3),
        turned=torch.arange(6.0).reshape(2, 3).T,
        part=torch.arange(10)[3:5],
        parameter=torch.nn.Parameter(torch.ones(2)),
        scalar=torch.tensor(3, dtype=torch.int32),
    )
    read = read_pickle(written(tmp_path, python_pickles(content)[protocol]))
    assert set(read) == set(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(read[name], tensor.detach().numpy())


def test_numbers_and_texts_come_back_and_the_rest_is_left_out(tmp_path):
    content = {"size": 256, "share": 0.5, "style": "lbs", "scalar": np.float32(2), "list": [1], 3: np.ones(2)}
    read = read_pickle(written(tmp_path, pickle.dumps(content)))
    assert {name: value.item() for name, value in read.items()} == {
        "size": 256,
        "share": 0.5,
        "style": "lbs",
        "scalar": 2,
    }


def test_a_text_of_python_2_is_bytes(tmp_path):
    raw = "".join(f"\\x{byte:02x}" for byte in np.array([1.5, -2.0]).tobytes()).encode()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
    )
    array += b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'" + raw + b"'\ntb"
    read = read_pickle(written(tmp_path, b"(dS'x'\n" + array + b"s."))
    np.testing.assert_array_equal(read["x"], [1.5, -2.0])


@pytest.mark.parametrize("name", ["numpy", "chumpy", "python2", "python2_chumpy"])
def test_the_sets_models_hold_the_expected_arrays(name):
    folder = loaders_folder()
    read = read_pickle(folder / f"model_{name}.pkl")
    with np.load(folder / "expected.npz", allow_pickle=False) as expected:
        for key in set(expected.files) - {"parents"}:
            np.testing.assert_array_equal(read[key].astype(expected[key].dtype), expected[key])


def test_the_sets_hostile_files_are_refused_and_run_nothing(tmp_path):
    # In a process and a folder of its own, so that whatever would run leaves its mark there.
    hostile = sorted(loaders_folder().glob("hostile_*.pkl"))
    assert hostile
    for path in hostile:
        program = f"from deca.io.pickles import read_pickle; read_pickle({str(path)!r})"
        finished = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        last = finished.stderr.strip().splitlines()[-1]
        assert "AssetError" in last
        assert path.name in last
        assert not list(tmp_path.iterdir())


def test_pythons_own_unpickler_does_run_them(tmp_path, monkeypatch):
    # The files are no straw men: the marks they leave are what the refusals prevent.
    monkeypatch.chdir(tmp_path)
    pickle.loads(RUNS_SOMETHING["global"].content)
    assert (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("name", RUNS_SOMETHING)
def test_what_would_run_is_refused_by_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, RUNS_SOMETHING[name])
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


@pytest.mark.parametrize("name", FILLS_MEMORY)
def test_what_would_fill_memory_is_refused(tmp_path, name):
    hostile = FILLS_MEMORY[name]
    tracemalloc.start()
    try:
        refused(tmp_path, hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * MEBIBYTE + 4 * len(hostile.content)


def test_an_endless_pickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_INSTRUCTIONS", 1000)
    refused(tmp_path, Hostile(b"\x80\x02" + b"N0" * 1000 + b"N.", "more than 1000 pickle instructions"))


@pytest.mark.parametrize("name", HOLDS_NOTHING)
def test_depth_costs_nothing(tmp_path, name):
    assert read_pickle(written(tmp_path, HOLDS_NOTHING[name])) == {}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_pickle_that_is_cut_short_is_refused(tmp_path, share):
    content = pickle.dumps(ARRAYS, 2)
    refused(tmp_path, Hostile(content[: int(share * len(content))], ""))


def test_an_array_of_objects_in_an_npy_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(AssetError, match="an array of objects"):
        read_npy(tmp_path / "a.npy")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_pickle(tmp_path / "gone.pkl")


GOOD = {
    protocol: content
    for protocol, content in python_pickles(
        {"a": np.arange(4.0), "m": scipy.sparse.csc_matrix(np.eye(3)), "t": torch.arange(3), "n": [1, (2,)]}
    ).items()
}


@given(protocol=st.sampled_from(sorted(GOOD)), changes=CHANGES)
def test_any_change_gives_arrays_or_a_refusal(tmp_path_factory, protocol, changes):
    folder = tmp_path_factory.getbasetemp()
    try:
        read = read_pickle(written(folder, changed(GOOD[protocol], changes)))
    except AssetError:
        return
    assert all(isinstance(value, np.ndarray) and value.dtype != object for value in read.values())


def refused(tmp_path: Path, hostile: Hostile) -> None:
    path = written(tmp_path, hostile.content)
    with pytest.raises(AssetError) as caught:
        read_pickle(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert hostile.said in message
    assert "\n" not in message
    assert len(message) < 400
