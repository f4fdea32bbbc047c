"""The stage detail: detail encoder and decoder learn wrinkles from pictures, rings of photos, and truth."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from deca.fitting.registration import Registration
from deca.fitting.skin import skin_region
from deca.fitting.trust import mirrored_texels
from deca.geometry import vertex_normals
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.detail import DetailModel
from deca.head.face_part import face_part
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.model.detail_decoder import MAP_SIZE
from deca.model.detail_view import DetailView, luma_of
from deca.model.networks import decoder_input
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.renderer import render_detailed, render_lit
from deca.render.surface import Surface, SurfaceModel
from deca.render.visibility import visible_points
from deca.training import detail_losses, losses, supervised
from deca.training.batch import FaceBatch
from deca.training.mrf import mrf_loss, patch_mrf, released_contextual_mrf
from deca.training.perceptual import LAYER_WEIGHTS
from deca.training.stage import (
    LossTerm,
    Stage,
    TrainedNetworks,
    input_size,
    other_rows,
    resized,
    shows_skin,
    spread,
)

Features = Callable[[Float[Tensor, "face 3 size size"]], Sequence[Float[Tensor, "face _ _ _"]]]

CONSISTENCY = "consistency"
_PICTURES = ("photometric", "mrf")
_MAPS = ("symmetry", "size", "roughness", "true_displacement")
TERMS = (*_PICTURES, *_MAPS, CONSISTENCY)
"""What can be given a weight."""
# How far behind the surface a texel may lie and still be seen, metres.
_TOLERANCE = 0.003
# Pixels a side of the pictures in which true displacement is looked up.
_SHOWN_SIZE = 384
_COVERED = 0.99
# By how much people's displacements differ, metres.
_DEVIATION = 0.0002
_CLAY = 0.75
# A shading of 0.6 on average, brighter from the upper left of the viewer.
_CLAY_LIGHT = (2.1, -0.25, 0.3, 0.35)


@dataclass(frozen=True)
class _Coarse:
    """What the frozen coarse encoder says of a batch, and what follows from it: no gradient comes here.

    `true` is the displacement that is known, where the coarse faces show it. Which texels the crops show is
    asked by the released losses alone.
    """

    parameters: Parameters
    vertices: Float[Tensor, "face vertex 3"]
    vertices_image: Float[Tensor, "face vertex 3"]
    true: Float[Tensor, "face 1 map map"]
    visible_uv: Float[Tensor, "face 1 map map"] | None

    def rows(self, rows: Int[Tensor, " row"]) -> _Coarse:
        """Some of the faces."""
        parameters = self.parameters.map(lambda values: values[rows])
        visible_uv = None if self.visible_uv is None else self.visible_uv[rows]
        vertices, vertices_image = self.vertices[rows], self.vertices_image[rows]
        return _Coarse(parameters, vertices, vertices_image, self.true[rows], visible_uv)


@dataclass(frozen=True)
class _Photo:
    """The photos of some rows as pictures are compared: in the image, or, as released, in UV."""

    rows: Int[Tensor, " row"]
    coarse: _Coarse
    surface: Surface | None
    albedo_uv: Float[Tensor, "row 3 map map"]
    image: Float[Tensor, "row 3 size size"]
    weights: Float[Tensor, "row 1 size size"]
    features: Sequence[Tensor]


class DetailStage(Stage):
    """The detail losses of one head model's networks (DECA, section 4.2), and that of a known displacement.

    `weights` name the terms that are computed; those of the exchanged detail codes are called
    `consistency.NAME` and weigh the product of both. `features` are compared by ID-MRF. With `released`,
    pictures are compared on the middle of the UV map, and the losses have the released code's forms; its
    fixed displacement is not added.
    """

    skin: Tensor
    deviations: Tensor
    symmetric: Tensor

    def __init__(
        self,
        networks: TrainedNetworks,
        data: HeadData,
        weights: Mapping[str, float],
        photometric_size: int,
        seed: int = 0,
        released: bool = False,
        draw_known: bool = True,
        features: Features | None = None,
    ) -> None:
        super().__init__(networks, ["detail_encoder", "detail_decoder"])
        self._photometric_size, self._seed, self._released = photometric_size, seed, released
        self._draw_known, self.features, self._actions = draw_known, features, data.has_actions
        wanted = {name: weight for name, weight in weights.items() if weight}
        if features is None:
            wanted.pop("mrf", None)
        self._base = {name: wanted[name] for name in (*_PICTURES, *_MAPS) if name in wanted}
        consistency = wanted.get(CONSISTENCY, 0.0)
        self._exchanged = {name: consistency * weight for name, weight in self._base.items() if consistency}
        part = face_part(data)
        self.head_model, self.surface_model = HeadModel(part), SurfaceModel(part)
        self.layout = UVLayout(part, MAP_SIZE)
        self.detail_model = DetailModel(part, self.layout)
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, MAP_SIZE)
        self.detail_view = DetailView(part, self.detail_model)
        self.registration = Registration(part)
        skin = skin_region(part, self.layout)
        self.register_buffer("skin", skin, persistent=False)
        self.register_buffer("deviations", _DEVIATION * skin[0, 0], persistent=False)
        both = (skin & skin.flip(3)).float() * mirrored_texels(part, self.layout)
        self.register_buffer("symmetric", both, persistent=False)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term that `losses` gives."""
        return self._base | {f"{CONSISTENCY}.{name}": weight for name, weight in self._exchanged.items()}

    def defined(self, batch: FaceBatch) -> dict[str, Bool[Tensor, " face"]]:
        """For which faces each term says something; that depends on what is given, never on what is
        estimated."""
        everywhere = torch.ones_like(batch.truth.known)
        by_name = {"true_displacement": batch.truth.displacement_known}
        by_name |= dict.fromkeys(_PICTURES, shows_skin(batch, self._draw_known))
        base = {name: by_name.get(name, everywhere) for name in self._base}
        return base | {f"{CONSISTENCY}.{name}": base[name] for name in self._exchanged}

    def losses(self, batch: FaceBatch, step: int) -> dict[str, LossTerm]:
        """Every term of a batch; `step` decides whose details are exchanged."""
        defined = self.defined(batch)
        coarse = self._coarse(batch)
        found = self._with_details(coarse, batch.image)
        inputs, exchanged = [decoder_input(found)], bool(self._exchanged)
        if exchanged:
            rows = other_rows(batch, self._seed, step, self._released)
            inputs.append(decoder_input(detail_losses.with_details_of(found, rows)))
        # Both in one pass, for the sake of a batch norm's statistics.
        maps = self.networks.detail_decoder(torch.cat(inputs)).float().chunk(len(inputs))
        with torch.autocast(batch.image.device.type, enabled=False):
            pictured = any(name in self._base for name in _PICTURES)
            photo = self._photo(batch, coarse) if pictured else None
            values = self._compared(maps[0], coarse, photo, batch, self._base)
            if exchanged:
                terms = self._compared(maps[1], coarse, photo, batch, self._exchanged)
                values |= {f"{CONSISTENCY}.{name}": term for name, term in terms.items()}
        return {name: LossTerm(values[name], defined[name]) for name in self.weights}

    @torch.no_grad()
    def pictures(self, batch: FaceBatch) -> dict[str, Float[Tensor, "face 3 size size"]]:
        """The crops, the detailed renderings laid over them, and the detailed surfaces as clay."""
        coarse, size = self._coarse(batch), batch.image.shape[-1]
        found = self._with_details(coarse, batch.image)
        displacement = self.networks.detail_decoder(decoder_input(found)).float()
        normals = self.detail_model(coarse.vertices, displacement)
        surface = self.surface_model(coarse.vertices, coarse.vertices_image, size, size)
        albedo_uv = self.albedo_model(found.albedo)
        drawn = render_detailed(surface, albedo_uv, normals, found.lighting)
        grey = torch.full_like(albedo_uv, _CLAY)
        light = torch.zeros_like(found.lighting)
        light[:, : len(_CLAY_LIGHT)] = light.new_tensor(_CLAY_LIGHT)[:, None]
        shown = {
            "input": batch.image,
            "coarse": render_lit(surface, grey, light).image,
            "clay": render_detailed(surface, grey, normals, light).image,
            "rendering": torch.where(drawn.alpha > 0, drawn.image, batch.image),
        }
        return {name: image.clamp(0, 1) for name, image in shown.items()}

    @torch.no_grad()
    def views(
        self, batch: FaceBatch
    ) -> tuple[Float[Tensor, "face 4 map map"], Parameters, Float[Tensor, "face 1 map map"]]:
        """The detail views of crops, their coarse parameters, and the displacement that is known of them as
        `losses` asks for it."""
        coarse = self._coarse(batch)
        return self._view(coarse, batch.image), coarse.parameters, coarse.true

    def _view(
        self, coarse: _Coarse, image: Float[Tensor, "face 3 size size"]
    ) -> Float[Tensor, "face 4 map map"]:
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            lighting = coarse.parameters.lighting
            return self.detail_view(luma_of(image), coarse.vertices, coarse.vertices_image, lighting)

    @torch.no_grad()
    def _coarse(self, batch: FaceBatch) -> _Coarse:
        """The coarse faces of crops."""
        found, _ = self.encode(batch)
        if self._actions:
            # Nor does what follows the training see more: a facial action means nothing beyond.
            found = found.replace(expression=found.expression.clamp(0, 1))
        with torch.autocast(batch.image.device.type, enabled=False):
            vertices = self.head_model(found).vertices
            # A wrinkle that is read beside its place teaches nothing.
            seen = self._placed(vertices, found, batch.found_points, batch.landmarks)
            scale = float(found.camera[:, 0].abs().mean())
            visible_uv = self._visible_uv(vertices, seen, scale) if self._released else None
            true = self._shown_displacement(batch, seen)
            return _Coarse(found, vertices, seen, true, visible_uv)

    def _placed(
        self,
        vertices: Float[Tensor, "face vertex 3"],
        parameters: Parameters,
        dense: Float[Tensor, "face 468 3"],
        sparse: Float[Tensor, "face 68 3"],
    ) -> Float[Tensor, "face vertex 3"]:
        """Posed vertices in the image frame, moved onto the landmarks that the head has."""
        landmarks = dense if self.registration.landmarks == dense.shape[1] else sparse
        return self.registration(project(vertices, parameters.camera), landmarks)

    def _shown_displacement(
        self, batch: FaceBatch, seen: Float[Tensor, "face vertex 3"]
    ) -> Float[Tensor, "face 1 map map"]:
        """The known displacements where the crops show them on vertices that are `seen` there, metres.

        A head that is not quite the true one has a wrinkle at other texels than the true head, and there it
        is to be put. Texels that show nothing of the true face have its displacement at the same texel.
        """
        true = batch.truth.displacement.clone()
        rows = batch.truth.displacement_known.nonzero()[:, 0]
        if not len(rows):
            return true
        parameters = batch.truth.parameters.map(lambda values: values[rows])
        vertices = self.head_model(parameters).vertices
        # Perspective is in the landmarks alone.
        places = self._placed(vertices, parameters, batch.dense_landmarks[rows], batch.landmarks[rows])
        surface = self.surface_model(vertices, places, _SHOWN_SIZE, _SHOWN_SIZE)
        pixels = surface.sample(true[rows])
        shown = surface.fragments.image(torch.cat([pixels, torch.ones_like(pixels)], 1))
        grid = self.layout.to_uv(seen[rows][..., :2]).permute(0, 2, 3, 1)
        found, covered = grid_sample(shown, grid, align_corners=False).split(1, 1)
        true[rows] = torch.where((covered > _COVERED) & self.skin, found, true[rows])
        return true

    def _visible_uv(
        self, vertices: Float[Tensor, "face vertex 3"], seen: Float[Tensor, "face vertex 3"], scale: float
    ) -> Float[Tensor, "face 1 map map"]:
        """Which texels of posed vertices the crops show, where cameras of that scale see them."""
        surface = self.surface_model(vertices, seen, self._photometric_size, self._photometric_size)
        normals = self.layout.at_texels(vertex_normals(vertices, self.head_model.triangles))
        tolerance = _TOLERANCE * scale
        visible = visible_points(self.layout.at_texels(seen), normals, surface, tolerance)
        return self.layout.image(visible.float()[..., None])

    def _with_details(self, coarse: _Coarse, image: Float[Tensor, "face 3 size size"]) -> Parameters:
        """The faces with the detail codes of their crops."""
        networks, found = self.networks, coarse.parameters
        if isinstance(networks, SmallNetworks):
            code = networks.detail_code(self._view(coarse, image), found)
        else:
            code = networks.detail_encoder(resized(image, input_size(networks)))
        return found.replace(detail=code.float())

    def _photo(self, batch: FaceBatch, coarse: _Coarse) -> _Photo:
        """What the photos show, for the faces whose pictures are compared."""
        rows = shows_skin(batch, self._draw_known).nonzero()[:, 0]
        coarse, size = coarse.rows(rows), self._photometric_size
        surface = None
        with torch.no_grad():
            image, weights = batch.image[rows], batch.skin[rows]
            albedo_uv = self.albedo_model(coarse.parameters.albedo)
            if coarse.visible_uv is not None:
                grid = self.layout.to_uv(coarse.vertices_image[..., :2]).permute(0, 2, 3, 1)
                image, weights = (grid_sample(part, grid, align_corners=False) for part in (image, weights))
                weights = detail_losses.released_patch(weights * coarse.visible_uv * self.skin)
                image = detail_losses.released_patch(image)
            else:
                image, weights = resized(image, size), resized(weights, size)
                if len(rows):
                    surface = self.surface_model(coarse.vertices, coarse.vertices_image, size, size)
                    # The inside of a cheek shows where the whole head would show an ear.
                    front = surface.fragments.image((surface.normals[:, 2:] > 0).float())
                    weights = losses.visible_only(weights, front)
            features = self.features(image * weights) if self.features and len(rows) else []
        return _Photo(rows, coarse, surface, albedo_uv, image, weights, features)

    def _compared(
        self,
        displacement: Float[Tensor, "face 1 map map"],
        coarse: _Coarse,
        photo: _Photo | None,
        batch: FaceBatch,
        names: Container[str],
    ) -> dict[str, Float[Tensor, " face"]]:
        """The named terms of displacements."""
        released = self._released
        values: dict[str, Tensor] = {}
        if photo is not None:
            values |= self._pictured(displacement, photo, names)
        if "symmetry" in names and coarse.visible_uv is not None:
            seen = coarse.visible_uv * self.skin
            values["symmetry"] = detail_losses.released_symmetry_loss(displacement, seen)
        elif "symmetry" in names:
            values["symmetry"] = detail_losses.soft_symmetry_loss(displacement, self.symmetric)
        if "size" in names:
            size = detail_losses.released_displacement_size if released else detail_losses.displacement_size
            values["size"] = size(displacement)
        if "roughness" in names:
            normals = self.detail_model(coarse.vertices, displacement)
            light = self._shading_uv(normals, coarse.parameters.lighting)
            values["roughness"] = detail_losses.released_shading_roughness(light * self.skin)
        if "true_displacement" in names:
            rows = batch.truth.displacement_known.nonzero()[:, 0]
            distance = supervised.displacement_distance(
                displacement[rows], coarse.true[rows], self.deviations
            )
            values["true_displacement"] = spread(distance, rows, len(batch))
        return values

    def _pictured(
        self, displacement: Float[Tensor, "face 1 map map"], photo: _Photo, names: Container[str]
    ) -> dict[str, Float[Tensor, " face"]]:
        """The terms that compare pictures."""
        rows, faces, coarse = photo.rows, len(displacement), photo.coarse
        if not len(rows):
            return {name: displacement.new_zeros(faces) for name in _PICTURES if name in names}
        normals = self.detail_model(coarse.vertices, displacement[rows])
        lighting = coarse.parameters.lighting
        if photo.surface is None:
            drawn = detail_losses.released_patch(photo.albedo_uv * self._shading_uv(normals, lighting))
            weights = photo.weights
        else:
            rendering = render_detailed(photo.surface, photo.albedo_uv, normals, lighting)
            drawn, weights = rendering.image, photo.weights
        values = {}
        if "photometric" in names:
            values["photometric"] = spread(losses.photometric_loss(photo.image, drawn, weights), rows, faces)
        if "mrf" in names and self.features is not None:
            term = released_contextual_mrf if self._released else patch_mrf
            found = self.features(drawn * weights)
            values["mrf"] = spread(mrf_loss(found, photo.features, LAYER_WEIGHTS, term), rows, faces)
        return values

    def _shading_uv(
        self, normals: Float[Tensor, "face 3 map map"], lighting: Float[Tensor, "face 9 3"]
    ) -> Float[Tensor, "face 3 map map"]:
        """The light on normals in UV."""
        faces = zip(normals.flatten(2).mT, lighting, strict=True)
        return torch.stack([shade(texels, light).mT for texels, light in faces]).view_as(normals)
