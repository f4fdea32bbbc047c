"""`deca evaluate` and `deca predict-benchmark` on folders as benchmarks have them, good and bad."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scan_cases import IMAGES, ball, with_bump, write_now_data, write_obj, write_picked
from typed import run

from deca.apps.errors import UsageError
from deca.apps.evaluate import run_feng, run_now, run_realy
from deca.apps.evaluate_detail import evaluate_detail
from deca.apps.evaluate_landmarks import evaluate_landmarks
from deca.apps.evaluate_options import (
    EvaluateOptions,
    LandmarkOptions,
    NowOptions,
    PredictOptions,
    RealyOptions,
    ScanOptions,
)
from deca.apps.predict_benchmark import predict_benchmark
from deca.evaluation.checks import neutral_warnings
from deca.evaluation.scan_face import Prediction
from deca.io.files import data_file
from deca.io.maps import write_displacement

ROOT = Path(__file__).parents[1]
ON_DISK = ROOT.parent / "shared" / "evaluation" / "ondisk"
PAGE = (ROOT / "docs" / "evaluation.md").read_text()


def quiet() -> Console:
    return Console(stderr=True, quiet=True)


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """A NoW data set of two people and three images, with predictions."""
    mesh, found = ball(), tmp_path / "predictions"
    write_now_data(tmp_path / "NoW")
    for image in IMAGES:
        write_obj((found / image).with_suffix(".obj"), mesh.vertices / 1000, mesh.triangles)
        np.save((found / image).with_suffix(".npy"), mesh.landmarks / 1000)
    return tmp_path


def now_options(folder: Path, **others) -> NowOptions:
    return NowOptions(data=folder / "NoW", predictions=folder / "predictions", workers=1, **others)


def figures(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.slow
def test_the_official_set_on_disk_gives_the_official_figures(tmp_path, capsys):
    if not ON_DISK.is_dir():
        pytest.skip("the evaluation cases are not in ../shared")
    expected = json.loads((ON_DISK / "expected.json").read_text())
    command = ["evaluate", "now", "--data", ON_DISK / "dataset", "--predictions", ON_DISK / "predictions"]
    # More processes than this one find the same, as another test shows, and take seconds to start.
    command += ["--workers", 1]
    listed = ["--images", ON_DISK / "dataset" / "imagepaths_one_missing.txt"]
    for options, name, status in (
        ([], "non_metrical", 0),
        (["--metrical", "--unit", "m"], "metrical", 0),
        (listed, "non_metrical", 1),
    ):
        out = tmp_path / "out.json"
        found_status, said = run(*command, *options, "--json", out), capsys.readouterr()
        assert found_status == status, said.err
        found = figures(out)
        assert found["images_missing"] == status
        truth = expected["overall"][name]
        for key, own in (("median", "median_mm"), ("mean", "mean_mm"), ("std", "std_mm")):
            assert found[own] == pytest.approx(truth[key], abs=1e-5, rel=0)
        for image, other in zip(found["images"], expected["images"], strict=True):
            assert image["image"] == other["image"]
            assert image["median_mm"] == pytest.approx(other[name]["median"], abs=1e-5, rel=0)
            assert image["vertices"] == other[name]["n"]
    assert "s02/selfie/IMG_0009.jpg" in said.out


def test_now_writes_its_report(challenge):
    out = challenge / "report"
    assert run_now(now_options(challenge, out=out, unit="m", converged=True), quiet()) == 0
    found = figures(out / "figures.json")
    assert found["images_measured"] == 3
    assert set(found["challenges"]) == {"multiview_neutral", "selfie"}
    assert found["challenges"]["selfie"]["images"] == 2
    assert [image["image"] for image in found["images"]] == list(IMAGES)
    assert not any(image["warnings"] for image in found["images"])
    with open(out / "images.csv", newline="") as stream:
        assert [row["image"] for row in csv.DictReader(stream)] == list(IMAGES)
    assert {"curve.png", "curve.svg", "heat_00.png", "index.html"} <= {path.name for path in out.iterdir()}
    page = (out / "index.html").read_text()
    assert "DECA" in page
    assert IMAGES[0] in page


def test_two_processes_find_what_one_does(challenge):
    one, two = challenge / "one.json", challenge / "two.json"
    run_now(now_options(challenge, json=one), quiet())
    options = NowOptions(data=challenge / "NoW", predictions=challenge / "predictions", workers=2, json=two)
    run_now(options, quiet())
    assert figures(one) == figures(two)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.with_suffix(".npy").unlink(), "no landmarks beside the mesh"),
        (lambda p: np.save(p.with_suffix(".npy"), np.zeros((6, 3))), "found 6 points"),
        (lambda p: p.write_text(""), "the mesh is empty"),
        (lambda p: p.write_text("v 0 0 0\nv 1 0 0\nv 0 nan 0\nf 1 2 3\n"), "finite"),
        (lambda p: p.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n"), "no faces"),
        (lambda p: p.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 7\n"), "vertex 7 does not exist"),
    ],
)
def test_a_bad_prediction_is_told_and_the_rest_goes_on(challenge, spoil, said):
    spoil((challenge / "predictions" / IMAGES[1]).with_suffix(".obj"))
    out = challenge / "out.json"
    assert run_now(now_options(challenge, json=out), quiet()) == 1
    found = figures(out)
    assert found["images_measured"] == 2
    ((failure,)) = found["failed"]
    assert failure["image"] == IMAGES[1]
    assert said in failure["error"]


def test_bad_lines_and_missing_files_are_counted_and_named(challenge):
    with open(challenge / "NoW" / "imagepathsvalidation.txt", "a") as stream:
        stream.write("s1/a.jpg\ns1/selfie/b.jpg\ns3/selfie/d.jpg\ns1/selfie/e.jpg\n../../x.jpg\n")
    mesh = ball()
    write_obj(challenge / "predictions/s3/selfie/d.obj", mesh.vertices, mesh.triangles)
    np.save(challenge / "predictions/s3/selfie/d.npy", mesh.landmarks)
    out = challenge / "out.json"
    assert run_now(now_options(challenge, json=out), quiet()) == 5
    found = figures(out)
    assert found["missing"] == ["s1/selfie/e.jpg"]
    said = {each["image"]: each["error"] for each in found["failed"]}
    assert "is not subject/group/image.jpg" in said["s1/a.jpg"]
    assert "listed twice" in said["s1/selfie/b.jpg"]
    assert "expected one scan" in said["s3/selfie/d.jpg"]


def test_odd_predictions_are_told_of(challenge):
    mesh, found = ball(), challenge / "predictions"
    flip = np.array([-1.0, 1.0, 1.0]) / 1000
    write_obj((found / IMAGES[0]).with_suffix(".obj"), mesh.vertices * flip, mesh.triangles)
    np.save((found / IMAGES[0]).with_suffix(".npy"), mesh.landmarks * flip)
    np.save((found / IMAGES[1]).with_suffix(".npy"), mesh.landmarks / 1000 + [0, 0, 0.03])
    out = challenge / "out.json"
    run_now(now_options(challenge, json=out, unit="cm"), quiet())
    warnings = [" ".join(image["warnings"]) for image in figures(out)["images"]]
    assert "mirrored" in warnings[0]
    assert "mm beside the mesh" in warnings[1]
    assert all("is --unit right" in said for said in warnings)


def test_heads_that_are_not_neutral_are_told_of():
    mesh = ball()
    turn = np.array([[0.9, 0, 0.436], [0, 1, 0], [-0.436, 0, 0.9]])
    open_mouth = mesh.vertices - [0, 15, 0] * (mesh.vertices[:, 1:2] < -30)
    others = {name: mesh for name in ("a", "b", "c")}
    others["turned"] = Prediction(mesh.vertices @ turn, mesh.triangles, mesh.landmarks @ turn)
    others["speaking"] = Prediction(open_mouth, mesh.triangles, mesh.landmarks)
    said = neutral_warnings(others, dict.fromkeys(others, "s1"))
    assert not said["a"]
    assert "turned by" in said["turned"][0]
    assert "is its expression neutral" in said["speaking"][0]


def test_usage_errors_are_told_at_once(challenge):
    with pytest.raises(UsageError, match="no such folder"):
        run_now(NowOptions(data=challenge / "none", predictions=challenge), quiet())
    with pytest.raises(UsageError, match="--metrical needs --unit"):
        run_now(now_options(challenge, metrical=True), quiet())
    with pytest.raises(UsageError, match="no such list of images"):
        run_now(now_options(challenge, images=challenge / "list.txt"), quiet())


def feng_set(folder: Path) -> None:
    mesh = ball()
    write_obj(folder / "FG2018/scans/M_3D_N/M1000_N.obj", with_bump(mesh), mesh.triangles)
    rows = "".join(f"{i + 1} {x} {y} {z}\n" for i, (x, y, z) in enumerate(mesh.landmarks))
    (folder / "FG2018/annotations").mkdir()
    (folder / "FG2018/annotations/M1000_N.lnd").write_text(rows)
    (folder / "FG2018/imagepaths.txt").write_text("HQ/M1000_N/1.jpg\nLQ/M1000_N/2.jpg\n")
    for image in ("HQ/M1000_N/1", "LQ/M1000_N/2"):
        write_obj(folder / f"feng-predictions/{image}.obj", mesh.vertices, mesh.triangles)
        np.save(folder / f"feng-predictions/{image}.npy", mesh.landmarks)


def test_feng_tells_both_qualities_and_writes_the_texts(tmp_path):
    feng_set(tmp_path)
    options = ScanOptions(
        data=tmp_path / "FG2018", predictions=tmp_path / "feng-predictions", out=tmp_path / "out", workers=1
    )
    assert run_feng(options, quiet()) == 0
    found = figures(tmp_path / "out/figures.json")
    assert set(found["qualities"]) == {"HQ", "LQ"}
    text = np.loadtxt(tmp_path / "out/distances/HQ/M1000_N/1_distances.txt")
    assert text.shape == (found["images"][0]["vertices"], 2)
    rms = np.sqrt(np.square(text[:, 1]).mean())
    assert found["images"][0]["rmse_mm"] == pytest.approx(rms, abs=1e-5)


def realy_set(folder: Path) -> bool:
    cases = ROOT.parent / "shared" / "evaluation" / "realy"
    if not cases.is_dir():
        return False
    with np.load(cases / "realy_s1.npz", allow_pickle=False) as archive:
        case = dict(archive)
    data, found = folder / "REALY", folder / "realy-predictions"
    write_obj(data / "REALY_HIFI3D_keypoints/1.obj", case["kp_gt"], np.zeros((0, 3), int))
    for region in ("nose", "mouth", "forehead", "cheek"):
        write_obj(data / f"REALY_scan_region/1/{region}.obj", case[f"{region}_v"], case[f"{region}_f"])
    write_obj(found / "1.obj", case["pred_v"], case["pred_f"])
    (found / "keypoints.txt").write_text(json.dumps(case["kp_rows"].tolist()))
    (data / "metrical_scale.txt").write_text("10\n10\n")
    return True


@pytest.mark.slow
def test_realy_on_disk_gives_the_official_errors(tmp_path):
    if not realy_set(tmp_path):
        pytest.skip("the evaluation cases are not in ../shared")
    write_obj(tmp_path / "realy-predictions/2.obj", np.eye(3), np.array([[0, 1, 2]]))
    write_obj(tmp_path / "realy-predictions/x.obj", np.eye(3), np.array([[0, 1, 2]]))
    options = RealyOptions(
        data=tmp_path / "REALY", predictions=tmp_path / "realy-predictions", out=tmp_path / "out", workers=1
    )
    assert run_realy(options, quiet()) == 5
    found = figures(tmp_path / "out/figures.json")
    errors = {each["image"]: each["error_mm"] for each in found["images"]}
    official = {"1/nose": 0.8633117, "1/mouth": 0.6033026, "1/forehead": 1.3501863, "1/cheek": 0.9152436}
    assert errors == pytest.approx(official, abs=1e-5)
    assert found["realy"]["all_mean_mm"] == pytest.approx(np.mean(list(official.values())), abs=1e-5)
    assert "are they of this topology" in found["failed"][0]["error"]


def landmark_set(folder: Path) -> None:
    points = np.random.default_rng(0).uniform(50, 150, (68, 2))
    rows = "\n".join(f"{x + 0.5} {y + 0.5}" for x, y in points)
    (folder / "300W/ibug").mkdir(parents=True)
    (folder / "found/ibug").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"300W/ibug/{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")
    np.save(folder / "found/ibug/a.npy", points + np.array([1.0, 0.0]))
    np.save(folder / "found/ibug/b.npy", points)


def test_landmarks_are_measured_and_the_missing_counted(tmp_path):
    landmark_set(tmp_path)
    (tmp_path / "found/ibug/b.npy").unlink()
    options = LandmarkOptions(data=tmp_path / "300W", predictions=tmp_path / "found", out=tmp_path / "out")
    assert evaluate_landmarks(options, quiet()) == 1
    found = figures(tmp_path / "out/figures.json")
    assert found["missing"] == ["ibug/b"]
    assert found["outer_eye"]["challenging"]["failures_percent"] == 50
    assert found["images"][0]["box_percent"] == pytest.approx(1.0, rel=0.03)


def detail_set(folder: Path) -> None:
    mesh = ball()
    data, found = folder / "faces/me", folder / "detailed/me"
    for each in (data, found):
        each.mkdir(parents=True)
    truth = np.zeros((64, 64), np.float32)
    truth[20:40] = 0.001 * np.sin(np.arange(64))
    write_displacement(data / "displacement.png", truth)
    write_displacement(found / "displacement.png", 0.5 * truth)
    write_obj(data / "scan.obj", with_bump(mesh), mesh.triangles)
    np.save(data / "landmarks.npy", mesh.landmarks)
    moved = np.linalg.norm(with_bump(mesh) - mesh.vertices, axis=1) > 1
    (data / "regions.json").write_text(json.dumps({"cheek": np.flatnonzero(moved).tolist()}))
    write_obj(found / "coarse.obj", mesh.vertices, mesh.triangles)
    write_obj(found / "detail.obj", with_bump(mesh), mesh.triangles)
    np.save(found / "landmarks.npy", mesh.landmarks)


def test_detail_is_measured_against_displacement_and_scan(tmp_path):
    detail_set(tmp_path)
    (tmp_path / "faces/other").mkdir()
    out = tmp_path / "d.json"
    options = EvaluateOptions(data=tmp_path / "faces", predictions=tmp_path / "detailed", json=out)
    assert evaluate_detail(options, quiet()) == 1
    found = figures(out)
    assert found["missing"] == ["other"]
    (me,) = found["images"]
    assert me["displacement_correlation"] == pytest.approx(1, abs=1e-3)
    assert me["displacement_error_mm"] == pytest.approx(me["displacement_of_truth_mm"] / 2, rel=1e-3)
    # The alignment of the coarse surface shares the bump out over the face.
    assert me["cheek_distance_mm_gain_percent"] > me["face_distance_mm_gain_percent"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("surface", ["coarse", "detail"])
def test_predictions_are_in_the_benchmarks_format(tmp_path, surface):
    place = tmp_path / "NoW/iphone_pictures/s1/selfie"
    place.mkdir(parents=True)
    shutil.copy(data_file("astronaut.jpg"), place / "a.jpg")
    (place / "b.jpg").write_text("no picture")
    (tmp_path / "NoW/imagepathsvalidation.txt").write_text("s1/selfie/a.jpg\ns1/selfie/b.jpg\n")
    options = PredictOptions(
        benchmark="now", dataset=tmp_path / "NoW", out=tmp_path / "out", model="encode", surface=surface
    )
    assert predict_benchmark(options, quiet()) == 1
    landmarks = np.load(tmp_path / "out/s1/selfie/a.npy")
    # Millimetres from one outer eye corner to the other.
    assert 75 < np.linalg.norm(landmarks[0] - landmarks[3]) < 105
    assert landmarks[3, 0] > landmarks[0, 0]
    mesh = ball()
    write_obj(tmp_path / "NoW/scans/s1/scan.obj", mesh.vertices, mesh.triangles)
    write_picked(tmp_path / "NoW/scans_lmks_onlypp/s1/scan.pp", mesh.landmarks)
    out = tmp_path / "now.json"
    measured = NowOptions(data=tmp_path / "NoW", predictions=tmp_path / "out", json=out, unit="mm", workers=1)
    run_now(measured, quiet())
    assert not any("beside the mesh" in said for said in figures(out)["images"][0]["warnings"])


@pytest.mark.slow
def test_the_keypoints_of_realy_lie_on_the_predicted_mesh(tmp_path):
    (tmp_path / "REALY_image").mkdir()
    shutil.copy(data_file("astronaut.jpg"), tmp_path / "REALY_image/1.jpg")
    options = PredictOptions(benchmark="realy", dataset=tmp_path, out=tmp_path / "out", model="encode")
    assert predict_benchmark(options, quiet()) == 0
    rows = np.array(json.loads((tmp_path / "out/keypoints.txt").read_text()))
    assert rows.shape == (85, 3)
    text = (tmp_path / "out/1.obj").read_text()
    vertices = np.array([line.split()[1:] for line in text.splitlines() if line.startswith("v ")], float)
    faces = np.array([line.split()[1:] for line in text.splitlines() if line.startswith("f ")], int) - 1
    weights = np.stack([rows[:, 1], rows[:, 2], 1 - rows[:, 1] - rows[:, 2]], 1)
    points = (vertices[faces[rows[:, 0].astype(int)]] * weights[..., None]).sum(1)
    # Right and left of the person: x is to the left.
    assert (points[[36, 48, 70, 76], 0] < points[[45, 54, 71, 77], 0]).all()
    assert points[8, 1] < points[33, 1] < points[27, 1]


@pytest.mark.slow
def test_the_commands_of_the_page_run_as_written(challenge, capsys):
    feng_set(challenge)
    landmark_set(challenge)
    detail_set(challenge)
    absent = set() if realy_set(challenge) else {"realy"}
    shutil.rmtree(challenge / "predictions")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    ours = [command for command in commands if command[:1] == ["deca"] and not absent & set(command)]
    assert len(ours) >= 5
    for command in ours:
        assert run(*command[1:], folder=challenge) == 0, (command, capsys.readouterr())
