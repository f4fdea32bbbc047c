"""How far landmarks lie from manually placed points of 81 people: `python benchmarks/landmarks_london.py`.

Those of the reconstructed head, those found in the photo, and those of the network without its mirror image.

The 14 points are those whose place in the manual outlines of the Face Research Lab London Set is exactly that
of an iBUG point (DeBruine and Jones, 2017, doi 10.6084/m9.figshare.5047666, CC-BY-4.0). Errors are in percent
of the distance between the outer eye corners.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from figures.people import PHOTOS, PLACES
from rich.console import Console
from rich.table import Table

from deca.apps.reconstruct import Reconstructor
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.detect import detect, whole_view
from deca.photo.faces import FoundFace, find_faces
from deca.photo.ibug import ibug68
from deca.photo.landmarks import INPUT_SIZE, landmarks
from deca.photo.sampling import Photo
from deca.render.camera import crop_to_photo, project


def main() -> None:
    """Print the error at each point and the time for each photo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", type=Path, default=PHOTOS / "london", help="folder of *_neutral.jpg and *.points189.json"
    )
    paths = sorted(parser.parse_args().photos.glob("*_neutral.jpg"))
    if not paths:
        print("landmarks_london: skipped, no photos; give their folder with --photos")
        return
    reconstructed, averaged, single, seconds = [], [], [], []
    reconstructor = Reconstructor()
    for path in paths:
        photo = read_photo(path)
        truth = np.array(json.loads(path.with_suffix(".points189.json").read_text()))[list(PLACES.values())]
        start = time.perf_counter()
        faces = find_faces(photo, face_detector(), face_landmarker())
        seconds.append(time.perf_counter() - start)
        if len(faces) != 1:
            sys.exit(f"{path}: {len(faces)} faces found, expected one")
        reconstructed.append(errors(head_landmarks(reconstructor, faces[0]), truth))
        averaged.append(errors(faces[0].ibug68, truth))
        single.append(errors(without_mirror(photo), truth))
    table = Table(title=f"Landmark error, % of the outer-eye distance, {len(paths)} people")
    for heading in ("iBUG point", "head", "photo", "network alone"):
        table.add_column(heading, justify="right")
    columns = [np.array(column) for column in (reconstructed, averaged, single)]
    for row, place in enumerate(PLACES):
        table.add_row(str(place), *(f"{column[:, row].mean():.2f}" for column in columns))
    table.add_row("all", *(f"{column.mean():.2f}" for column in columns))
    console = Console()
    console.print(table)
    console.print(
        f"detection and landmarks: {1000 * statistics.median(seconds):.1f} ms a photo, median, one thread"
    )


def errors(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances of the 14 points from the truth (14, 2), in percent of its outer-eye distance."""
    names = list(PLACES)
    eyes = np.linalg.norm(truth[names.index(36)] - truth[names.index(45)])
    return 100 * np.linalg.norm(points[names, :2] - truth, axis=1) / eyes


def head_landmarks(reconstructor: Reconstructor, found: FoundFace) -> np.ndarray:
    """The 68 landmarks of the reconstructed head, in pixels of the photo."""
    crop, fit = reconstructor.geometry(found)
    deca, camera = reconstructor.deca, fit.parameters.camera
    points_image = project(deca.landmarks(deca.head_model(fit.parameters)), camera)
    return crop_to_photo(points_image.double(), torch.from_numpy(crop.T_photo_crop)[None], crop.size)[
        0
    ].numpy()


def without_mirror(photo: Photo) -> np.ndarray:
    """The 68 points of the photo's first face as the network alone gives them."""
    full = face_landmarker()

    def network(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, logits = full.network(pictures[:1])
        mirrored = points.reshape(468, 3)[full.mirror] * [-1, 1, 1] + [INPUT_SIZE, 0, 0]
        return np.stack([points.reshape(468, 3), mirrored]), np.concatenate([logits, logits])

    (detection, *_) = detect(photo, [whole_view(*photo.shape[:2])], face_detector())
    return ibug68(landmarks(photo, detection, replace(full, network=network)).points)


if __name__ == "__main__":
    main()
