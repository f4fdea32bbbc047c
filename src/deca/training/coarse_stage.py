"""The stages pretrain and coarse: the coarse encoder learns from landmarks, pictures, rings of photos, and
truth."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.head.albedo import AlbedoModel, resize_map
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.model.networks import IMAGE_SIZE, read_outputs
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.renderer import Rendering, render_lit, render_texture
from deca.render.surface import SurfaceModel
from deca.training import losses, supervised
from deca.training.batch import FaceBatch
from deca.training.face_points import FacePointsModel
from deca.training.stage import LossTerm, Stage, TrainedNetworks, spread
from deca.training.supervised import TrueDistances

Identity = Callable[[Float[Tensor, "face 3 size size"]], Float[Tensor, "face feature"]]
Loss = Callable[..., Float[Tensor, " face"]]

CONSISTENCY = "shape_consistency"
_POINTS = ("landmarks", "dense_landmarks", "eyes", "lips")
_PICTURES = ("photometric", "identity")
_SIZES = ("shape", "expression", "albedo", "lighting", "actions")
_TRUTH = (
    "true_shape",
    "true_expression",
    "true_actions",
    "true_pose",
    "true_jaw",
    "true_eyes",
    "true_camera",
    "true_points",
    "true_albedo",
    "true_lighting",
)
TERMS = (*_POINTS, *_PICTURES, *_SIZES, CONSISTENCY, *_TRUTH)
"""What can be given a weight."""
# Forms of the losses as in the paper and as in the released code; what is not here has one.
_PAPER: Mapping[str, Loss] = {
    "landmarks": losses.landmark_loss,
    "eyes": losses.eye_closure_loss,
    "lips": losses.lip_closure_loss,
    "size": losses.code_size,
}
_RELEASED: Mapping[str, Loss] = {
    "landmarks": losses.released_landmark_loss,
    "eyes": losses.released_eye_closure_loss,
    "lips": losses.released_lip_distance_loss,
    "size": losses.released_code_size,
}
# Skin that makes up less than this part of a crop teaches no colours.
_LEAST_SKIN = 0.01


class CoarseStage(Stage):
    """The coarse losses of one head model's networks (DECA, section 4.1), and those of known truth.

    `weights` name the terms that are computed; those of the exchanged shapes are called
    `shape_consistency.NAME` and weigh the product of both. With `released` they have the released code's
    forms.
    """

    def __init__(
        self,
        networks: TrainedNetworks,
        data: HeadData,
        weights: Mapping[str, float],
        photometric_size: int,
        seed: int = 0,
        released: bool = False,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(networks, ["coarse_encoder"])
        self._photometric_size, self._seed, self._released = photometric_size, seed, released
        self._forms = _RELEASED if released else _PAPER
        self._identity = identity
        wanted = {name: weight for name, weight in weights.items() if weight}
        if identity is None:
            wanted.pop("identity", None)
        self._base = {name: wanted[name] for name in (*_POINTS, *_PICTURES, *_SIZES) if name in wanted}
        self._true = {name: wanted[name] for name in _TRUTH if name in wanted}
        consistency = wanted.get(CONSISTENCY, 0.0)
        compared = [name for name in (*_POINTS, *_PICTURES) if name in wanted and consistency]
        self._exchanged = {name: consistency * wanted[name] for name in compared}
        self.points_model = FacePointsModel(data)
        self.head_model = HeadModel(data)
        self.surface_model = SurfaceModel(data)
        map_size = 256 if photometric_size > 128 else 128
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, map_size)
        if self._true:
            self.true_distances = TrueDistances(data, self.head_model)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term that `losses` gives."""
        exchanged = {f"{CONSISTENCY}.{name}": weight for name, weight in self._exchanged.items()}
        return self._base | exchanged | self._true

    def defined(self, batch: FaceBatch) -> dict[str, Bool[Tensor, " face"]]:
        """For which faces each term says something; that depends on what is given, never on what is
        estimated."""
        seen = batch.landmarks[..., 2].any(1)
        skin = batch.skin.mean((1, 2, 3)) > _LEAST_SKIN
        everywhere = torch.ones_like(batch.truth.known)
        by_name = {"dense_landmarks": batch.dense_landmarks[..., 2].any(1)}
        by_name |= dict.fromkeys(("landmarks", "eyes", "lips"), seen) | dict.fromkeys(_PICTURES, skin)
        base = {name: by_name.get(name, everywhere) for name in self._base}
        exchanged = {f"{CONSISTENCY}.{name}": base[name] for name in self._exchanged}
        return base | exchanged | {name: batch.truth.known for name in self._true}

    def losses(self, batch: FaceBatch, step: int) -> dict[str, LossTerm]:
        """Every term of a batch; `step` decides whose shapes are exchanged."""
        found = self.encode(batch.image)
        defined = self.defined(batch)
        # Places and light need all their digits, whatever the networks compute with.
        with torch.autocast(batch.image.device.type, enabled=False):
            values = self._self_supervised(found, batch, self._base)
            if self._exchanged:
                other = losses.with_shapes_of(found, self._other_photos(batch, step))
                terms = self._self_supervised(other, batch, self._exchanged)
                values |= {f"{CONSISTENCY}.{name}": term for name, term in terms.items()}
            values |= self._supervised(found, batch)
        return {name: LossTerm(values[name], defined[name]) for name in self.weights}

    def encode(self, image: Float[Tensor, "face 3 size size"]) -> Parameters:
        """Parameters of crops of any size; no detail."""
        sizes = self.networks.sizes
        coarse = self.networks.coarse_encoder(resize_map(image, input_size(self.networks))).float()
        return read_outputs(coarse, coarse.new_zeros(len(coarse), sizes.detail), sizes)

    @torch.no_grad()
    def pictures(self, batch: FaceBatch) -> dict[str, Float[Tensor, "face 3 size size"]]:
        """The crops, and the renderings laid over them."""
        drawn = self.render(self.encode(batch.image), batch.image.shape[-1])
        return {
            "input": batch.image,
            "rendering": torch.where(drawn.alpha > 0, drawn.image, batch.image).clamp(0, 1),
        }

    def render(self, parameters: Parameters, size: int) -> Rendering:
        """The coarse rendering of faces."""
        vertices = self.head_model(parameters).vertices
        surface = self.surface_model(vertices, project(vertices, parameters.camera), size, size)
        albedo = self.albedo_model(parameters.albedo)
        if self._released:
            return render_texture(surface, albedo)
        return render_lit(surface, albedo, parameters.lighting)

    def _other_photos(self, batch: FaceBatch, step: int) -> Int[Tensor, " face"]:
        """The row of another photo of the person for each face; the same places in every ring, so that it
        makes no difference how a step is shared out."""
        generator = torch.Generator().manual_seed(_mixed(self._seed, step))
        other = losses.released_other_photos if self._released else losses.other_photos
        places = other(1, batch.ring, generator)
        people = torch.arange(len(batch) // batch.ring)
        return (batch.ring * people[:, None] + places).flatten().to(batch.image.device)

    def _self_supervised(
        self, found: Parameters, batch: FaceBatch, names: Container[str]
    ) -> dict[str, Float[Tensor, " face"]]:
        """Those of the named terms that photos have as well."""
        values = {}
        if any(name in names for name in _POINTS):
            points = self.points_model(found)
            for name in ("landmarks", "eyes", "lips"):
                if name in names:
                    values[name] = self._forms[name](points.landmarks[..., :2], batch.landmarks)
            if "dense_landmarks" in names:
                dense = points.dense_landmarks[..., :2]
                values["dense_landmarks"] = losses.landmark_loss(dense, batch.dense_landmarks)
        if any(name in names for name in _PICTURES):
            values |= self._compared(found, batch, names)
        for name, code in (
            ("shape", found.shape),
            ("expression", found.expression),
            ("albedo", found.albedo),
        ):
            if name in names:
                values[name] = self._forms["size"](code)
        if "lighting" in names:
            values["lighting"] = losses.released_light_greyness(found.lighting)
        if "actions" in names:
            values["actions"] = action_excess(found.expression)
        return values

    def _compared(
        self, found: Parameters, batch: FaceBatch, names: Container[str]
    ) -> dict[str, Float[Tensor, " face"]]:
        """The terms that compare pictures, of the faces that show skin."""
        rows = (batch.skin.mean((1, 2, 3)) > _LEAST_SKIN).nonzero()[:, 0]
        size, faces = self._photometric_size, len(batch)
        image, skin = resize_map(batch.image[rows], size), resize_map(batch.skin[rows], size)
        drawn = self.render(found.map(lambda values: values[rows]), size)
        seen = losses.visible_only(skin, drawn.alpha)
        values = {}
        if "photometric" in names:
            values["photometric"] = spread(losses.photometric_loss(image, drawn.image, seen), rows, faces)
        return values

    def _supervised(self, found: Parameters, batch: FaceBatch) -> dict[str, Float[Tensor, " face"]]:
        """The terms of known truth."""
        if not self._true:
            return {}
        rows = batch.truth.known.nonzero()[:, 0]
        found = found.map(lambda values: values[rows])
        true = batch.truth.parameters.map(lambda values: values[rows])
        distances, points = self.true_distances, self.points_model
        terms: dict[str, Callable[[], Tensor]] = {
            "true_shape": lambda: distances.shape_distance(found, true),
            "true_expression": lambda: distances.expression_distance(found, true),
            "true_actions": lambda: supervised.action_distance(found, true),
            "true_pose": lambda: supervised.angle_between(found.pose, true.pose),
            "true_jaw": lambda: distances.joint_angle("jaw", found, true),
            "true_eyes": lambda: distances.eye_angles(found, true),
            "true_camera": lambda: supervised.camera_distance(found, true),
            "true_points": lambda: supervised.point_distance(points(found), points(true)),
            "true_albedo": lambda: distances.albedo_distance(found, true),
            "true_lighting": lambda: distances.light_distance(found, true),
        }
        return {name: spread(terms[name](), rows, len(batch)) for name in self._true}


def action_excess(expression: Float[Tensor, "face action"]) -> Float[Tensor, " face"]:
    """Mean over facial actions of how far they leave [0, 1], beyond which they mean nothing."""
    return (expression - expression.clamp(0, 1)).abs().mean(1)


def input_size(networks: TrainedNetworks) -> int:
    """Pixels a side of the pictures that the coarse encoder takes."""
    return getattr(networks, "image_size", IMAGE_SIZE)


def _mixed(seed: int, step: int) -> int:
    """One number of two, different for different ones."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))
