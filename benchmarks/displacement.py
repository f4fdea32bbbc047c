"""Time and depth of the relief of one photo, at three sizes of the map (`displacement.py [PHOTO]`)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from measure import describe_machine, median_milliseconds
from rich.console import Console
from rich.table import Table

from deca.fitting.appearance import fit_appearance, shading_map
from deca.fitting.displacement import fit_displacement
from deca.fitting.landmarks import fit_landmarks
from deca.fitting.observation import observe, vertices_in_photo
from deca.fitting.registration import Registration
from deca.fitting.relief_region import relief_region
from deca.head.albedo import AlbedoModel
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.crop import landmark_crop
from deca.photo.faces import find_faces, largest_face
from deca.photo.sampling import transform_points

RUNS = 5


@torch.no_grad()
def main() -> None:
    """Measure once for each size and print the table."""
    torch.set_num_threads(1)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else data_file("astronaut.jpg")
    photo, data = read_photo(path), default_head()
    face = largest_face(find_faces(photo, face_detector(), face_landmarker()))
    crop, points = landmark_crop(face.ibug68), face.dense468[:, :2]
    model = HeadModel(data)
    landmarks_image = torch.from_numpy(transform_points(crop.T_image_photo, points)).float()
    parameters = fit_landmarks(model, landmarks_image).parameters
    vertices = model(parameters).vertices
    vertices_photo = vertices_in_photo(vertices, parameters.camera, crop)
    vertices_photo = Registration(data)(vertices_photo, torch.from_numpy(points))
    table = Table("map", "milliseconds", "deepest 1 %, mm", "rms, mm", title=f"relief of {path.name}")
    for size in (256, 512, 1024):
        layout = UVLayout(data, size)
        albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, size)
        region = relief_region(data, layout)
        observation = observe(photo, vertices, vertices_photo, model, layout)
        fitted = fit_appearance(observation, parameters, data, layout, albedo_model).parameters
        light = fitted.lighting
        predicted = albedo_model(fitted.albedo) * shading_map(observation.normals, light)

        def relief(observation=observation, predicted=predicted, light=light, region=region) -> torch.Tensor:
            return fit_displacement(observation, predicted, light, region)

        depth = -1000 * relief()[0, 0].numpy()[region.weights[0, 0].numpy() > 0.9]
        time = median_milliseconds(relief, RUNS)
        rms = np.sqrt((depth**2).mean())
        table.add_row(str(size), f"{time:.0f}", f"{np.quantile(depth, 0.99):.2f}", f"{rms:.3f}")
    console = Console()
    console.print(describe_machine())
    console.print(table)


if __name__ == "__main__":
    main()
