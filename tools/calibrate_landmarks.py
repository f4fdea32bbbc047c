"""Measure where the landmark network puts its 468 points on real faces, and move the default head's points
there.

    python tools/calibrate_landmarks.py PHOTO_FOLDER ...    (then build the head again)

The photos show neutral faces. The head is fitted, without expression, to the network's points of each; what
is systematically left over, along the skin and the same left and right, is a matter of the network, and is
added to default_head/landmark_offsets.txt. Nothing but the network's own points is used.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from default_head.calibration import OFFSETS, closest_on_skin, mean_steps, tangential_residuals

from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.io.images import PhotoError, read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.crop import landmark_crop
from deca.photo.faces import find_faces, largest_face
from deca.photo.sampling import transform_points

ROUNDS = 3
PHOTOS = (".jpg", ".jpeg", ".png")


def landmarks_of(folder: Path, limit: int) -> list[torch.Tensor]:
    """The 468 points, in the image frame of their crop, of the largest face of each of the first photos."""
    detector, landmarker = face_detector(), face_landmarker()
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOS)[:limit]:
        try:
            faces = find_faces(read_photo(path), detector, landmarker)
        except PhotoError:
            continue
        if faces:
            face = largest_face(faces)
            crop = landmark_crop(face.ibug68)
            found.append(torch.from_numpy(transform_points(crop.T_image_photo, face.dense468[:, :2])))
    return found


def moved(head: HeadData, steps: np.ndarray) -> HeadData:
    """The head with its dense points moved and put back onto the skin."""
    corners = head.template_vertices[head.triangles[head.dense_landmark_triangles]]
    points = (corners * head.dense_landmark_barycentrics[..., None]).sum(1) + steps
    triangles, barycentrics = closest_on_skin(points, head)
    return replace(
        head, dense_landmark_triangles=triangles, dense_landmark_barycentrics=barycentrics.astype(np.float32)
    )


def main() -> None:
    """Calibrate and write the offsets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=100, help="photos from each folder")
    options = parser.parse_args()
    landmarks = [points for folder in options.folders for points in landmarks_of(folder, options.limit)]
    head = default_head()
    partner = face_landmarker().mirror
    total = np.zeros((468, 3))
    for _ in range(ROUNDS):
        model = HeadModel(head)
        measured = [tangential_residuals(model, points) for points in landmarks]
        left = np.sqrt(np.mean([np.square(residual).sum(1).mean() for _, residual, _ in measured]))
        steps = mean_steps(model, measured)
        steps = (steps + steps[partner] * [-1, 1, 1]) / 2
        length = np.linalg.norm(steps, axis=1).mean()
        print(f"{len(measured)} faces: {1000 * left:.2f} mm left, mean step {1000 * length:.2f} mm")
        head, total = moved(head, steps), total + steps
    header = "Offsets of the 468 dense points from the registered canonical face, millimetres, head frame."
    np.savetxt(OFFSETS, np.loadtxt(OFFSETS) + 1000 * total, fmt="%.2f", header=header)


if __name__ == "__main__":
    main()
