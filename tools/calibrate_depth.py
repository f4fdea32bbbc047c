"""Measure how much nearer than a head's own points the landmark network takes its 468 points to be.

    python tools/calibrate_depth.py

The network draws a turned face as its own canonical face turns, which has a longer nose and flatter cheeks,
whoever is seen: in the picture points move to the side by the difference times the sine of the yaw. On
synthetic faces of the training generator, whose points are known, that is a least squares problem of one
depth a point. Writes src/deca/data/face_depths_468.npz: the points of the mean head and these depths, metres.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track

from deca.geometry import axis_angle_to_matrix
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.files import data_file, whole_file
from deca.io.heads import default_head
from deca.io.networks import dense_landmark_mirror, face_landmarker
from deca.photo.dense_points import DENSE_OUTLINE
from deca.photo.landmarks import landmarks_in_region, region_of_points
from deca.training.synthetic.generator import SyntheticConfig, SyntheticFaces
from deca.training.synthetic.population import Population, PopulationConfig

SEED = 91
# Beyond, the network follows the silhouette.
LARGEST_YAW = 0.9
INNER = np.setdiff1d(np.arange(468), DENSE_OUTLINE)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure the depths that the landmark network assumes.")
    parser.add_argument("--faces", type=int, default=1500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = default_head()
    population = Population(data, None, PopulationConfig(frontal_share=0.2, largest_yaw=LARGEST_YAW))
    faces = SyntheticFaces(data, population, (), (), SyntheticConfig(size=384), face_landmarker())
    random = np.random.default_rng(SEED)
    measured = [one_face(faces, random) for _ in track(range(options.faces), "faces")]
    steps, yaws = (np.stack(parts) for parts in zip(*measured, strict=True))
    model = HeadModel(data)
    mean = HeadLandmarks(data).dense(model(model.neutral()))[0].numpy().astype(float)
    depths = assumed_depths(steps, yaws)
    # Left and right alike.
    partner = dense_landmark_mirror()
    depths, mean = (depths + depths[partner]) / 2, (mean + mean[partner] * [-1, 1, 1]) / 2
    depths -= depths[INNER].mean()
    left = steps - np.outer(yaws, depths)
    before, after = (np.square(each - each.mean(0))[:, INNER].mean() for each in (steps, left))
    print(f"{len(steps)} faces: {1 - after / before:.0%} of the squared error of inner points to the side")
    path = data_file("default_head.npz").with_name("face_depths_468.npz")
    with whole_file(path) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream,
            allow_pickle=False,
            points=(mean - mean[INNER].mean(0)).astype(np.float32),
            depths=depths.astype(np.float32),
        )


def one_face(faces: SyntheticFaces, random: np.random.Generator) -> tuple[Float[np.ndarray, "468"], float]:
    """How far to the person's left the network's points are from the true ones, metres, the face as a whole
    aside; and the sine of the yaw, the share of the head's z axis that points there."""
    face = faces.face(faces.subject(random, "nobody"), random, "face")
    assert face.found_points is not None
    assert face.truth is not None
    # The face's own found points are put right already, by what was measured here before.
    region = region_of_points(face.found_points)
    seen = landmarks_in_region(face.image, region, face_landmarker()).points[:, :2]
    true, found = (points.astype(float) * [1, -1] for points in (face.dense_landmarks, seen))
    metres = 2 / (float(face.truth["camera"][0]) * faces.config.size)
    rotation = axis_angle_to_matrix(torch.from_numpy(face.truth["pose"]))[:2].double().numpy()
    across = rotation[:, 0] / np.linalg.norm(rotation[:, 0])
    return metres * (laid_on(found, true) - true) @ across, float(rotation[:, 2] @ across)


def laid_on(
    points: Float[np.ndarray, "468 2"], others: Float[np.ndarray, "468 2"]
) -> Float[np.ndarray, "468 2"]:
    """Points moved, scaled and turned in the plane so that their inner ones lie on the others'."""
    source, target = (values @ [1, 1j] for values in (points, others))
    centre, goal = source[INNER].mean(), target[INNER].mean()
    factor = np.vdot(source[INNER] - centre, target[INNER] - goal) / np.vdot(
        source[INNER] - centre, source[INNER] - centre
    )
    laid = factor * (source - centre) + goal
    return np.stack([laid.real, laid.imag], 1)


def assumed_depths(
    steps: Float[np.ndarray, "face 468"], yaws: Float[np.ndarray, " face"]
) -> Float[np.ndarray, "468"]:
    """The depth of each point that explains its steps best beside a constant step: least absolute
    deviations."""
    depths = np.zeros(steps.shape[1])
    weights = np.ones(steps.shape)
    for _ in range(20):
        shares = weights / weights.sum(0)
        there = steps - (shares * steps).sum(0)
        turned = yaws[:, None] - (shares * yaws[:, None]).sum(0)
        depths = (weights * there * turned).sum(0) / (weights * turned**2).sum(0)
        left = np.abs(there - depths * turned)
        weights = 1 / np.maximum(left, 0.1 * np.median(left, 0))
    return depths


if __name__ == "__main__":
    main()
