"""Training faces made by rendering the small head: shards with truth, and the configuration to train on
them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from small_head import make_small_head

from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import write_head
from deca.io.shards import ShardWriter, StoredFace
from deca.parameters import Parameters
from deca.photo.crop import LANDMARK_MARGIN
from deca.render.camera import image_to_pixels, project
from deca.render.renderer import render_lit
from deca.render.surface import SurfaceModel
from deca.training.config import AugmentationConfig, TrainConfig

STORED = 80
NO_AUGMENTATION = AugmentationConfig(
    shift=0.0,
    flip=0.0,
    gain=0.0,
    colour=0.0,
    gamma=0.0,
    grey=0.0,
    blur=0.0,
    noise=0.0,
    jpeg=0.0,
    occluder=0.0,
)


class FaceMaker:
    """Random faces of one head, of as many people as are asked for."""

    def __init__(self, data: HeadData) -> None:
        self.data = data
        self.head_model, self.surface_model = HeadModel(data), SurfaceModel(data)
        self.landmarks = HeadLandmarks(data)
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, 32)

    def parameters(self, seed: int, person: int) -> Parameters:
        """The parameters of one face; shape and albedo are the person's."""
        random, own = np.random.default_rng([seed]), np.random.default_rng([person, 1])
        rest = self.head_model.neutral()

        def normal(generator: np.random.Generator, *size: int) -> torch.Tensor:
            return torch.from_numpy(generator.normal(size=size).astype(np.float32))

        light = rest.lighting.clone()
        light[:, 1:4] = 0.3 * normal(random, 1, 3, 3)
        return rest.replace(
            shape=normal(own, *rest.shape.shape),
            albedo=normal(own, *rest.albedo.shape),
            expression=0.3 * normal(random, *rest.expression.shape).abs(),
            pose=0.2 * normal(random, 1, 3),
            jaw=torch.tensor([[0.2 * random.random(), 0.0, 0.0]], dtype=torch.float32),
            lighting=light,
        )

    def face(self, seed: int, person: int, truth: bool) -> StoredFace:
        """One face, its landmarks exact."""
        parameters = self.parameters(seed, person)
        head = self.head_model(parameters)
        points = self.landmarks(head)[0]
        low, high = points[:, :2].amin(0), points[:, :2].amax(0)
        side = (high - low).mean() * LANDMARK_MARGIN * 2
        parameters = parameters.replace(camera=torch.cat([2 / side[None], -(low + high) / 2])[None])
        seen = project(head.vertices, parameters.camera)
        surface = self.surface_model(head.vertices, seen, STORED, STORED)
        drawn = render_lit(surface, self.albedo_model(parameters.albedo), parameters.lighting)
        front = (drawn.normals[0, 2] > 0.2) & (drawn.alpha[0, 0] > 0)

        def pixels(found: torch.Tensor) -> np.ndarray:
            return image_to_pixels(project(found, parameters.camera)[0, :, :2], STORED, STORED).numpy()

        rows, columns = np.mgrid[:64, :64] / 64
        wrinkles = 5e-4 * np.sin(40 * rows + person) * (columns > 0.3) * (columns < 0.7)
        about = {
            "identity": f"person {person}",
            "photo": f"{seed}",
            "source": "made from numbers",
            "licence": "CC0-1.0",
            "quality": {},
            "T_photo_crop": np.eye(3).tolist(),
        }
        return StoredFace(
            key=f"face-{seed}",
            image=(drawn.image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy(),
            skin=(front * 255).byte().numpy(),
            landmarks=pixels(points[None]),
            dense_landmarks=pixels(self.landmarks.dense(head)),
            about=about | ({"head": self.data.name} if truth else {}),
            truth={field.name: getattr(parameters, field.name)[0].numpy() for field in fields(Parameters)}
            if truth
            else None,
            displacement=wrinkles.astype(np.float32) if truth else None,
        )


def write_faces(folder: Path, people: int, photos: int, truth: bool) -> Path:
    """A folder of shards with `photos` faces of each person."""
    maker = FaceMaker(make_small_head())
    with torch.no_grad(), ShardWriter(folder) as writer:
        for person in range(people):
            for photo in range(photos):
                writer.add(maker.face(100 * person + photo, person, truth))
    return folder


def training_config(folder: Path, **changes) -> TrainConfig:
    """A short training of the small networks on faces in `folder`/faces, with the head in
    `folder`/head.npz."""
    head = folder / "head.npz"
    if not head.exists():
        write_head(make_small_head(), head)
    settings = {
        "stage": "coarse",
        "shards": {str(folder / "faces"): 1.0},
        "out": str(folder / "out"),
        "head": str(head),
        "backbone": "small",
        "steps": 4,
        "batch_size": 4,
        "ring": 2,
        "photometric_size": 32,
        "losses": {"true_points": 1.0, "true_shape": 0.01},
        "augmentation": NO_AUGMENTATION,
        "device": "cpu",
        "workers": 0,
        "log_every": 1,
        "pictures_every": 0,
    }
    return TrainConfig(**(settings | changes))
