"""The stages pretrain and coarse: the coarse encoder learns from landmarks, pictures, rings of photos, and
truth."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.face_part import face_part, face_vertices
from deca.head.landmarks import HeadLandmarks
from deca.head.model import Head, HeadModel
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.renderer import Rendering, render_lit, render_texture
from deca.render.surface import SurfaceModel
from deca.training import losses, supervised
from deca.training.batch import FaceBatch
from deca.training.identity import identity_loss
from deca.training.stage import (
    LossTerm,
    Stage,
    TrainedNetworks,
    other_rows,
    resized,
    shows_skin,
    spread,
)
from deca.training.supervised import TrueDistances

Loss = Callable[..., Float[Tensor, " face"]]

CONSISTENCY = "shape_consistency"
POINTS = "encoder_points"
"""The points that the small encoder sees itself."""
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
TERMS = (POINTS, *_POINTS, *_PICTURES, *_SIZES, CONSISTENCY, *_TRUTH)
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
# About so many vertices of the face stand for all of them.
_NET = 400


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
        draw_known: bool = True,
        recognition: nn.Module | None = None,
    ) -> None:
        super().__init__(networks, ["coarse_encoder"])
        self._photometric_size, self._seed, self._released = photometric_size, seed, released
        self._forms = _RELEASED if released else _PAPER
        self._draw_known, self.recognition = draw_known, recognition
        wanted = {name: weight for name, weight in weights.items() if weight}
        if recognition is None:
            wanted.pop("identity", None)
        if not isinstance(networks, SmallNetworks):
            wanted.pop(POINTS, None)
        self._base = {
            name: wanted[name] for name in (POINTS, *_POINTS, *_PICTURES, *_SIZES) if name in wanted
        }
        self._true = {name: wanted[name] for name in _TRUTH if name in wanted}
        consistency = wanted.get(CONSISTENCY, 0.0)
        compared = [name for name in (*_POINTS, *_PICTURES) if name in wanted and consistency]
        self._exchanged = {name: consistency * wanted[name] for name in compared}
        part = face_part(data)
        self.head_model, self.surface_model = HeadModel(part), SurfaceModel(part)
        self.landmarks = HeadLandmarks(part)
        map_size = 256 if photometric_size > 128 else 128
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, map_size)
        self._net = face_vertices(part)[:: max(1, len(face_vertices(part)) // _NET)].tolist()
        if self._true:
            self.true_distances = TrueDistances(part, self.head_model)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term that `losses` gives."""
        exchanged = {f"{CONSISTENCY}.{name}": weight for name, weight in self._exchanged.items()}
        return self._base | exchanged | self._true

    def defined(self, batch: FaceBatch) -> dict[str, Bool[Tensor, " face"]]:
        """For which faces each term says something; that depends on what is given, never on what is
        estimated."""
        seen = batch.landmarks[..., 2].any(1)
        everywhere = torch.ones_like(batch.truth.known)
        by_name: dict[str, Tensor] = {}
        by_name |= dict.fromkeys((POINTS, "dense_landmarks"), batch.dense_landmarks[..., 2].any(1))
        by_name |= dict.fromkeys(("landmarks", "eyes", "lips"), seen)
        by_name |= dict.fromkeys(_PICTURES, shows_skin(batch, self._draw_known))
        base = {name: by_name.get(name, everywhere) for name in self._base}
        exchanged = {f"{CONSISTENCY}.{name}": base[name] for name in self._exchanged}
        return base | exchanged | {name: batch.truth.known for name in self._true}

    def losses(self, batch: FaceBatch, step: int) -> dict[str, LossTerm]:
        """Every term of a batch; `step` decides whose shapes are exchanged."""
        found, points = self.encode(batch)
        defined = self.defined(batch)
        # Places and light need all their digits, whatever the networks compute with.
        with torch.autocast(batch.image.device.type, enabled=False):
            photo = self._photo(batch, found)
            head = self.head_model(found)
            values = self._self_supervised(found, head, batch, photo, self._base)
            values |= self._supervised(found, head, batch)
            if points is not None and POINTS in self._base:
                values[POINTS] = losses.landmark_loss(points.float(), batch.dense_landmarks)
            if self._exchanged:
                other = losses.with_shapes_of(found, other_rows(batch, self._seed, step, self._released))
                head = self.head_model(other)
                terms = self._self_supervised(other, head, batch, photo, self._exchanged)
                values |= {f"{CONSISTENCY}.{name}": term for name, term in terms.items()}
        return {name: LossTerm(values[name], defined[name]) for name in self.weights}

    @torch.no_grad()
    def pictures(self, batch: FaceBatch) -> dict[str, Float[Tensor, "face 3 size size"]]:
        """The crops, and the renderings laid over them."""
        found, _ = self.encode(batch)
        albedo_uv, size = self.albedo_model(found.albedo), batch.image.shape[-1]
        drawn = self.render(found, self.head_model(found), albedo_uv, size)
        return {
            "input": batch.image,
            "rendering": torch.where(drawn.alpha > 0, drawn.image, batch.image).clamp(0, 1),
        }

    def render(
        self, parameters: Parameters, head: Head, albedo_uv: Float[Tensor, "face 3 map map"], size: int
    ) -> Rendering:
        """The coarse rendering of faces, black where the face ends."""
        surface = self.surface_model(head.vertices, project(head.vertices, parameters.camera), size, size)
        if self._released:
            return render_texture(surface, albedo_uv)
        return render_lit(surface, albedo_uv, parameters.lighting)

    def _photo(self, batch: FaceBatch, found: Parameters) -> _Photo:
        """What the photos show, for the faces whose pictures are compared, and the albedo of all their
        renderings."""
        rows = shows_skin(batch, self._draw_known).nonzero()[:, 0]
        if not any(name in self._base for name in _PICTURES):
            rows = rows[:0]
        size = self._photometric_size
        image, skin = resized(batch.image[rows], size), resized(batch.skin[rows], size)
        landmarks = batch.landmarks[rows, :, :2]
        albedo_uv = self.albedo_model(found.albedo[rows])
        return _Photo(rows, image, skin, landmarks, self._recognised(image, landmarks), albedo_uv)

    def _recognised(
        self, image: Float[Tensor, "row 3 size size"], landmarks: Float[Tensor, "row 68 2"]
    ) -> Float[Tensor, "row feature"] | None:
        """What the recognition network makes of the photos themselves."""
        if self.recognition is None or not len(image):
            return None
        with torch.no_grad():
            return self.recognition(image, landmarks)

    def _self_supervised(
        self, found: Parameters, head: Head, batch: FaceBatch, photo: _Photo, names: Container[str]
    ) -> dict[str, Float[Tensor, " face"]]:
        """Those of the named terms that photos have as well."""
        values = {}
        if any(name in names for name in ("landmarks", "eyes", "lips")):
            landmarks = project(self.landmarks(head), found.camera)[..., :2]
            for name in ("landmarks", "eyes", "lips"):
                if name in names:
                    values[name] = self._forms[name](landmarks, batch.landmarks)
        if "dense_landmarks" in names:
            dense = project(self.landmarks.dense(head), found.camera)[..., :2]
            values["dense_landmarks"] = losses.landmark_loss(dense, batch.dense_landmarks)
        if any(name in names for name in _PICTURES):
            values |= self._compared(found, head, photo, names)
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
        self, found: Parameters, head: Head, photo: _Photo, names: Container[str]
    ) -> dict[str, Float[Tensor, " face"]]:
        """The terms that compare pictures."""
        rows, faces = photo.rows, found.batch
        if not len(rows):
            return {name: found.shape.new_zeros(faces) for name in _PICTURES if name in names}
        shown = Head(head.vertices[rows], head.joint_transforms[rows])
        found = found.map(lambda values: values[rows])
        drawn = self.render(found, shown, photo.albedo_uv, self._photometric_size)
        # The inside of a cheek shows where the whole head would show an ear.
        front = drawn.alpha * (drawn.normals[:, 2:] > 0)
        seen = losses.visible_only(photo.skin, front)
        values = {}
        if "photometric" in names:
            difference = losses.photometric_loss(photo.image, drawn.image, seen)
            values["photometric"] = spread(difference, rows, faces)
        if "identity" in names:
            # Over the photo, whose hair and background then say nothing: only the face differs.
            laid_over = torch.where(front > 0, drawn.image, photo.image)
            values["identity"] = spread(self._unlikeness(laid_over, photo), rows, faces)
        return values

    def _unlikeness(self, drawn: Float[Tensor, "row 3 size size"], photo: _Photo) -> Float[Tensor, " row"]:
        """How little the recognition network takes the renderings for the people of the photos."""
        if self.recognition is None or photo.features is None:
            return drawn.new_zeros(len(drawn))
        return identity_loss(self.recognition(drawn, photo.landmarks), photo.features)

    def _supervised(
        self, found: Parameters, head: Head, batch: FaceBatch
    ) -> dict[str, Float[Tensor, " face"]]:
        """The terms of known truth."""
        if not self._true:
            return {}
        rows = batch.truth.known.nonzero()[:, 0]
        vertices = head.vertices[rows]
        found = found.map(lambda values: values[rows])
        true = batch.truth.parameters.map(lambda values: values[rows])
        distances = self.true_distances
        terms: dict[str, Callable[[], Tensor]] = {
            "true_shape": lambda: distances.shape_distance(found, true),
            "true_expression": lambda: distances.expression_distance(found, true),
            "true_actions": lambda: supervised.action_distance(found, true),
            "true_pose": lambda: supervised.angle_between(found.pose, true.pose),
            "true_jaw": lambda: distances.joint_angle("jaw", found, true),
            "true_eyes": lambda: distances.eye_angles(found, true),
            "true_camera": lambda: supervised.camera_distance(found, true),
            "true_points": lambda: supervised.point_distance(
                project(vertices[:, self._net], found.camera),
                project(self.head_model(true).vertices[:, self._net], true.camera),
            ),
            "true_albedo": lambda: distances.albedo_distance(found, true),
            "true_lighting": lambda: distances.light_distance(found, true),
        }
        return {name: spread(terms[name](), rows, len(batch)) for name in self._true}


@dataclass(frozen=True)
class _Photo:
    """The photos of some rows of a batch at the size at which pictures are compared."""

    rows: Int[Tensor, " row"]
    image: Float[Tensor, "row 3 size size"]
    skin: Float[Tensor, "row 1 size size"]
    landmarks: Float[Tensor, "row 68 2"]
    features: Float[Tensor, "row feature"] | None
    albedo_uv: Float[Tensor, "row 3 map map"]


def action_excess(expression: Float[Tensor, "face action"]) -> Float[Tensor, " face"]:
    """Mean over facial actions of how far they leave [0, 1], beyond which they mean nothing."""
    return (expression - expression.clamp(0, 1)).abs().mean(1)
