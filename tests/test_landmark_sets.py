"""300-W, AFLW2000-3D and predictions, of files written as the real ones are; malformed ones are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from deca.io.landmark_sets import (
    LandmarkFileError,
    Pair,
    Truth,
    pair,
    part_of_300w,
    read_300w,
    read_aflw2000_3d,
    read_prediction,
)
from deca.io.parameter_files import write_landmarks

POINTS = np.round(np.random.default_rng(0).uniform(1, 400, (68, 2)), 6)


def pts(points: np.ndarray, count: int | None = None) -> str:
    """As 300-W's files are: two blanks after n_points:, and a blank line at the end."""
    rows = "\n".join(" ".join(f"{number:.6f}" for number in point) for point in points)
    return f"version: 1\nn_points:  {len(points) if count is None else count}\n{{\n{rows}\n}}\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def write_mat(path: Path, **changed: object) -> Path:
    """The variables of an AFLW2000-3D file that matter here, in its types, and two that do not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "pt3d_68": np.concatenate([POINTS, np.arange(68)[:, None]], 1).T.astype(np.float32),
        "Pose_Para": np.array([[0.1, -0.7, 0.2, 120.0, 130.0, -70.0, 0.001]], np.float32),
        "pt2d": np.full((2, 21), -1.0),
        "Shape_Para": np.zeros((199, 1), np.float32),
    }
    savemat(path, {name: value for name, value in {**values, **changed}.items() if value is not None})
    return path


def truth_of(folder: Path, name: str) -> Truth:
    path = write(folder / f"{name}.pts", pts(POINTS))
    return next(truth for truth in read_300w(folder) if truth.path == path)


def test_300w_is_read_in_our_pixels(tmp_path: Path) -> None:
    for name in ("ibug/image_003_1", "helen/testset/30427236_1", "afw/134212_1"):
        write(tmp_path / f"{name}.pts", pts(POINTS))
        write(tmp_path / f"{name}.jpg", "a picture")
    write(tmp_path / "lfpw/testset/image_0001.b.PTS", pts(POINTS + 1).replace("\n", "\r\n"))
    write(tmp_path / "afw/._134212_1.pts", "what macOS leaves")
    write(tmp_path / ".cache/134212_1.pts", "hidden")
    truths = read_300w(tmp_path)
    names = ["afw/134212_1", "helen/testset/30427236_1", "ibug/image_003_1", "lfpw/testset/image_0001.b"]
    assert [truth.name for truth in truths] == names
    assert [truth.subset for truth in truths] == ["afw", "helen", "ibug", "lfpw"]
    assert [part_of_300w(truth) for truth in truths] == ["other", "common", "challenging", "common"]
    for truth in truths[:3]:
        np.testing.assert_allclose(truth.landmarks, POINTS - 0.5, atol=1e-9, rtol=0)
        assert truth.yaw is None
    np.testing.assert_allclose(truths[3].landmarks, POINTS + 0.5, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("helen/trainset/1", "other"),
        ("lfpw/trainset/test_1", "other"),
        ("lfpw/testset/1", "common"),
        ("Helen/TestSet/1", "common"),
        ("helen/1", "other"),
        ("afw/1", "other"),
        ("01_Indoor/1", "other"),
        ("ibug/1", "challenging"),
        ("1", "other"),
    ],
)
def test_the_parts_of_300w(tmp_path: Path, name: str, part: str) -> None:
    assert part_of_300w(truth_of(tmp_path, name)) == part


def test_a_truth_beside_nothing_has_no_subset(tmp_path: Path) -> None:
    assert truth_of(tmp_path, "image_1").subset == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (pts(POINTS[:67]), "found 67 points"),
        (pts(POINTS[:51]), "found 51 points"),
        (pts(POINTS[:67], 68), "n_points is 68, but 67"),
        (pts(POINTS).replace("}", ""), "in braces"),
        (pts(POINTS).replace("version", "edition"), "in braces"),
        (pts(POINTS).replace("n_points:  68", "n_points:  " + "9" * 5000), "in braces"),
        ("", "in braces"),
        ("version: 1\nn_points: 0\n{\n}\n", "in braces"),
        (pts(POINTS).replace("{\n", "{\n1.0 2.0 3.0 4.0\n"), "n_points is 68, but 69"),
        (pts(np.where(np.arange(68)[:, None] == 5, np.nan, POINTS)), "point 6 of 68 is"),
        (pts(np.where(np.arange(68)[:, None] == 5, np.inf, POINTS)), "point 6 of 68 is"),
        (pts(POINTS).replace("{\n", "{\nx y\n").replace("68", "69"), "line 4: 'x y'"),
        (pts(POINTS[:67]).replace("{\n", "{\n1.0\n").replace("67", "68"), "line 4: 1 numbers"),
    ],
)
def test_a_malformed_pts_is_told(tmp_path: Path, text: str, found: str) -> None:
    path = write(tmp_path / "a.pts", text)
    with pytest.raises(LandmarkFileError, match=found) as caught:
        read_300w(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("read", [read_300w, read_aflw2000_3d])
def test_a_folder_without_truths_is_an_error(tmp_path: Path, read) -> None:
    with pytest.raises(LandmarkFileError, match="name the folder"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read(tmp_path / "nowhere")


def test_aflw2000_3d_is_read_in_our_pixels_and_degrees(tmp_path: Path) -> None:
    write_mat(tmp_path / "AFLW2000/image00004.mat")
    write_mat(tmp_path / "AFLW2000/image00002.mat", pt3d_68=np.zeros((3, 68)))
    # Its archive holds the authors' models too.
    write(tmp_path / "AFLW2000/Code/Model_Shape.mat", "no landmarks")
    write(tmp_path / "AFLW2000/image00002.jpg", "a picture")
    first, second = read_aflw2000_3d(tmp_path)
    assert (first.name, second.name) == ("AFLW2000/image00002", "AFLW2000/image00004")
    assert first.subset == "AFLW2000"
    np.testing.assert_array_equal(first.landmarks, np.full((68, 2), -0.5))
    np.testing.assert_allclose(second.landmarks, POINTS - 0.5, atol=1e-4, rtol=0)
    assert second.yaw == pytest.approx(-40.107, abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"pt3d_68": None}, "no numbers named pt3d_68"),
        ({"Pose_Para": None}, "no numbers named Pose_Para"),
        ({"pt3d_68": np.zeros((68, 3))}, r"pt3d_68 holds numbers of shape \(68, 3\)"),
        ({"pt3d_68": np.zeros((3, 21))}, r"pt3d_68 holds numbers of shape \(3, 21\)"),
        ({"Pose_Para": np.zeros((1, 3))}, r"Pose_Para holds numbers of shape \(1, 3\)"),
        ({"pt3d_68": np.full((3, 68), np.nan)}, "pt3d_68 holds a number that is not finite"),
        ({"Pose_Para": np.full((1, 7), np.inf)}, "Pose_Para holds a number that is not finite"),
        ({"pt3d_68": "words"}, "no numbers named pt3d_68"),
        ({"pt3d_68": np.array([[{"a": 1}]], object)}, "no numbers named pt3d_68"),
    ],
)
def test_a_mat_of_something_else_is_told(tmp_path: Path, changed: dict, found: str) -> None:
    write_mat(tmp_path / "image00002.mat", **changed)
    with pytest.raises(LandmarkFileError, match=found):
        read_aflw2000_3d(tmp_path)


@pytest.mark.parametrize("kept", [0, 60, 127, 128, 200, 1000])
def test_a_mat_cut_short_is_told(tmp_path: Path, kept: int) -> None:
    path = write_mat(tmp_path / "image00002.mat")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(LandmarkFileError, match="image00002"):
        read_aflw2000_3d(tmp_path)


def test_predictions_of_every_kind_are_the_same_points(tmp_path: Path) -> None:
    with_depth = np.concatenate([POINTS, np.arange(68)[:, None]], 1)
    np.save(tmp_path / "a.npy", POINTS)
    np.save(tmp_path / "b.npy", with_depth.astype(np.float32))
    np.save(tmp_path / "c.npy", np.round(POINTS).astype(np.int64))
    np.savetxt(tmp_path / "a.txt", POINTS)
    np.savetxt(tmp_path / "b.txt", with_depth, delimiter=",")
    write(tmp_path / "a.pts", pts(POINTS + 0.5))
    write_landmarks(tmp_path / "landmarks.json", POINTS, np.zeros((468, 2)))
    tolerance = {"b.npy": 1e-4, "c.npy": 0.5, "landmarks.json": 5e-4}
    for path in sorted(tmp_path.iterdir()):
        found = read_prediction(path)
        np.testing.assert_allclose(found, POINTS, atol=tolerance.get(path.name, 1e-6), rtol=0)
        assert found.dtype == np.float64


def npy_with(header: str) -> bytes:
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.npy", b"", "no array of numbers"),
        ("a.npy", b"PK\x03\x04 a zip", "no array of numbers"),
        ("a.npy", npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (68, 2), }"), "no array"),
        (
            "a.npy",
            npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000,), }"),
            "no array",
        ),
        (
            "a.npy",
            npy_with("{'descr': '|O', 'fortran_order': False, 'shape': (68, 2), }") + b"cos\n",
            "no array",
        ),
        (
            "a.npy",
            npy_with("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + b"a\0\0\0",
            "holds <U1",
        ),
        ("a.txt", b"", "shape"),
        ("a.txt", b"1 2\n" * 67, "found 67 points"),
        ("a.txt", b"1 2\n" * 67 + b"1\n", "line 68: 1 numbers"),
        ("a.txt", b"1 2\n" * 67 + b"1 2 3\n", "line 68: 3 numbers"),
        ("a.txt", b"\n1 2\n3 four\n", "line 3: '3 four'"),
        ("a.txt", b"1 2\n" * 67 + b"1 nan\n", "point 68 of 68"),
        ("landmarks.json", b"", "no landmarks of deca"),
        ("landmarks.json", b"\xff", "no landmarks of deca"),
        ("landmarks.json", b"[" * 100_000, "no landmarks of deca"),
        ("landmarks.json", b"[]", "no landmarks of deca"),
        ("landmarks.json", b"{}", "KeyError: 'ibug68'"),
        ("landmarks.json", b'{"ibug68": [[1, 2], [3]]}', "no landmarks of deca"),
        ("landmarks.json", b'{"ibug68": [["1", "2"]]}', "no number"),
        ("landmarks.json", b'{"ibug68": []}', r"shape \(0\)"),
        ("landmarks.json", json.dumps({"ibug68": [[1, float("nan")]] * 68}).encode(), "point 1 of 68"),
        ("a.csv", b"1,2\n", "landmarks are read from"),
    ],
)
def test_a_malformed_prediction_is_told(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LandmarkFileError, match=found) as caught:
        read_prediction(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("shape", [(67, 2), (69, 2), (68, 4), (2, 68), (1, 68, 2), (136,), ()])
def test_arrays_of_other_shapes_are_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(LandmarkFileError, match="expected 68 points"):
        read_prediction(tmp_path / "a.npy")


def test_no_pickle_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{"a": 1}]], object), allow_pickle=True)
    with pytest.raises(LandmarkFileError, match="no array of numbers"):
        read_prediction(tmp_path / "a.npy")


def test_a_prediction_that_is_not_there_is_not_malformed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_prediction(tmp_path / "a.npy")


def save(path: Path, value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "landmarks.json":
        write_landmarks(path, np.full((68, 2), float(value)), np.zeros((468, 2)))
    elif path.suffix == ".npy":
        np.save(path, np.full((68, 2), value))
    elif path.suffix == ".pts":
        path.write_text(pts(np.full((68, 2), value + 0.5)))
    else:
        np.savetxt(path, np.full((68, 2), value))


def values(pairs: list[Pair]) -> dict[str, float | None]:
    return {
        each.truth.name: None if each.prediction is None else float(each.prediction[0, 0]) for each in pairs
    }


def test_predictions_are_found_and_the_missing_are_told(tmp_path: Path) -> None:
    names = ["afw/a_1", "afw/b.x", "helen/testset/c", "helen/testset/d", "ibug/e", "ibug/f", "ibug/g"]
    for name in names:
        write(tmp_path / f"truth/{name}.pts", pts(POINTS))
    found = tmp_path / "found"
    save(found / "afw/a_1.npy", 1)
    save(found / "afw/b.x.txt", 2)
    save(found / "helen/testset/c.pts", 3)
    save(found / "helen/testset/d/landmarks.json", 4)
    save(found / "e/landmarks.json", 5)
    save(found / "ibug-f/landmarks.json", 6)
    save(found / "h/landmarks.json", 7)
    pairs = pair(read_300w(tmp_path / "truth"), found)
    assert values(pairs) == dict(zip(names, [1, 2, 3, 4, 5, 6, None], strict=True))
    with pytest.raises(FileNotFoundError, match="folder of predictions"):
        pair([], tmp_path / "nowhere")


def test_a_stem_that_truths_share_belongs_to_none(tmp_path: Path) -> None:
    for name in (
        "lfpw/testset/image_1",
        "lfpw/trainset/image_1",
        "helen/testset/image_2",
        "lfpw/testset/image_2",
    ):
        write(tmp_path / f"truth/{name}.pts", pts(POINTS))
    found = tmp_path / "found"
    save(found / "image_1/landmarks.json", 1)
    save(found / "testset-image_1/landmarks.json", 2)
    save(found / "testset-image_2/landmarks.json", 3)
    assert values(pair(read_300w(tmp_path / "truth"), found)) == {
        "helen/testset/image_2": None,
        "lfpw/testset/image_1": 2,
        "lfpw/testset/image_2": None,
        "lfpw/trainset/image_1": None,
    }


def test_two_predictions_of_one_truth_are_told(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "truth", "ibug/a")
    save(tmp_path / "found/ibug/a.npy", 1)
    save(tmp_path / "found/a/landmarks.json", 2)
    (found,) = pair([truth], tmp_path / "found")
    assert found.prediction is None
    assert "both predict ibug/a; keep one" in (found.error or "")


def test_the_truth_is_no_prediction(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, "ibug/a")
    (found,) = pair([truth], tmp_path)
    assert "this is the truth" in (found.error or "")


def test_a_malformed_prediction_is_not_missing(tmp_path: Path) -> None:
    truth = truth_of(tmp_path / "truth", "a")
    write(tmp_path / "found/a.txt", "1 2\n")
    (found,) = pair([truth], tmp_path / "found")
    assert "found 1 points" in (found.error or "")
