"""How long the benchmarks' protocols take, beside the official programs on the same cases.

python benchmarks/evaluation.py              the cases of ../shared/evaluation
python benchmarks/evaluation.py --scans 350  and so many scans of 110,000 vertices, from files, on all cores
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from deca.apps.evaluate_now import evaluate_now
from deca.apps.evaluate_options import NowOptions
from deca.evaluation import now, realy
from deca.evaluation.scan_face import Prediction
from deca.evaluation.surface import Surface

CASES = Path(__file__).parents[2] / "shared" / "evaluation"
LARGE = "n04_dense_100k"
# CPU seconds of the official programs: one large scan, 20 cases of about 30,000 vertices, 12 regions' rigid
# step.
_OFFICIAL = {"large": 2.65, "twenty": 21.0, "rigid": 38.5}
_TWENTY = 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=0, help="measure so many large scans from files")
    options = parser.parse_args()
    if not CASES.is_dir():
        raise SystemExit(f"{CASES}: not there; the cases are needed")
    paths = sorted((CASES / "now").glob("n*.npz"))
    seconds = {path.stem: min(_now(path) for _ in range(3)) for path in paths}
    rigid, all_of_it = _realy()
    vertices = _vertices(CASES / "now" / f"{LARGE}.npz")
    mean = float(np.mean(list(seconds.values())))
    rows = [
        (f"NoW, a scan of {vertices:,} vertices", seconds[LARGE], _OFFICIAL["large"]),
        (
            f"NoW, {_TWENTY} cases ({_TWENTY} times the mean of {len(paths)})",
            _TWENTY * mean,
            _OFFICIAL["twenty"],
        ),
        ("REALY, rigid alignment of 12 regions", rigid, _OFFICIAL["rigid"]),
    ]
    for name, own, official in rows:
        print(f"| {name} | {own:.2f} | {official:.2f}: {official / own:.1f} times |")
    print(f"| REALY, 12 regions with bending | {all_of_it:.1f} | not known |")
    if options.scans:
        took = _from_files(options.scans)
        print(f"| NoW, {options.scans} large scans from files, all cores, clock | {took:.0f} | not known |")


def _vertices(path: Path) -> int:
    with np.load(path, allow_pickle=False) as case:
        return len(case["scan_v"])


def _now(path: Path) -> float:
    with np.load(path, allow_pickle=False) as archive:
        case = dict(archive)
    started = time.process_time()
    scan, landmarks = case["scan_v"].astype(np.float64), case["scan_lmk"].astype(np.float64)
    face = scan[now.face_vertices(scan, landmarks)]
    now.distances(
        face, landmarks, Prediction(case["pred_v"], case["pred_f"].astype(np.int64), case["pred_lmk"])
    )
    return time.process_time() - started


def _realy() -> tuple[float, float]:
    """CPU seconds of the rigid alignments alone, and of everything."""
    rigid, everything = 0.0, 0.0
    for path in sorted((CASES / "realy").glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            case = dict(archive)
        triangles, truths = case["pred_f"].astype(np.int64), case["kp_gt"].astype(np.float64)
        vertices = case["pred_v"].astype(np.float64)
        places = realy.KeypointPlaces.of(case["kp_rows"], triangles)
        laid = realy.globally_laid(places(vertices), truths)(vertices)
        for name in realy.REGIONS:
            region = realy.Region(case[f"{name}_v"].astype(np.float64), case[f"{name}_f"].astype(np.int64))
            started = time.process_time()
            realy.rigidly_laid(name, region, truths, Surface(laid, triangles), places)
            rigid += time.process_time() - started
            started = time.process_time()
            realy.evaluate_region(name, region, truths, laid, triangles, places)
            everything += time.process_time() - started
    return rigid, everything


def _from_files(count: int) -> float:
    """Seconds of a clock for scans that each have a file of their own."""
    with np.load(CASES / "now" / f"{LARGE}.npz", allow_pickle=False) as archive:
        case = dict(archive)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        first = folder / "scans" / "s000"
        for number in range(count):
            subject = f"s{number:03}"
            scan, points = folder / "scans" / subject, folder / "scans_lmks_onlypp" / subject
            found = folder / "predictions" / subject / "multiview_neutral"
            for each in (scan, points, found):
                each.mkdir(parents=True)
            lines.append(f"{subject}/multiview_neutral/a.jpg\n")
            if number:
                shutil.copy(first / "a.obj", scan / "a.obj")
                shutil.copy(folder / "scans_lmks_onlypp" / "s000" / "a.pp", points / "a.pp")
                shutil.copy(folder / "predictions" / "s000" / "multiview_neutral" / "a.obj", found / "a.obj")
            else:
                _write_obj(scan / "a.obj", case["scan_v"], case["scan_f"])
                _write_obj(found / "a.obj", case["pred_v"], case["pred_f"])
                rows = "".join(
                    f'<point x="{x}" y="{y}" z="{z}" active="1" name="{index}"/>\n'
                    for index, (x, y, z) in enumerate(case["scan_lmk"])
                )
                (points / "a.pp").write_text(f"<PickedPoints>\n{rows}</PickedPoints>\n")
            np.save(found / "a.npy", case["pred_lmk"])
        (folder / "imagepathsvalidation.txt").write_text("".join(lines))
        started = time.perf_counter()
        options = NowOptions(data=folder, predictions=folder / "predictions")
        evaluation = evaluate_now(options, Console(stderr=True))
        assert len(evaluation.measured) == count, evaluation.failed
        return time.perf_counter() - started


def _write_obj(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> None:
    text = ["".join(f"v {x:.7g} {y:.7g} {z:.7g}\n" for x, y, z in vertices)]
    text += [f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in triangles]
    path.write_text("".join(text))


if __name__ == "__main__":
    main()
