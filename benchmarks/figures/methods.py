"""What is compared: ways from a photo with a found face to Parameters, all on the default head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.apps.encoding_reconstructor import EncodingReconstructor
from deca.apps.reconstruct import FaceTask, Reconstructor
from deca.fitting.landmarks import LandmarkFitConfig, fit_landmarks, refine_landmarks
from deca.io.default_networks import default_networks, read_small_networks
from deca.parameters import Parameters
from deca.photo.crop import Crop, landmark_crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo, transform_points
from figures.people import KEPT, code_version, kept_arrays

# Shape, expression and jaw held at zero: what is left to fit are camera and pose.
_RIGID = LandmarkFitConfig(
    expression_deviation=1e-6,
    expression_sparsity=0.0,
    jaw_deviation=1e-6,
    jaw_deviation_sideways=1e-6,
    jaw_limits=(0.0, 0.0),
    bound=0.0,
)


class Method(Protocol):
    """A way from a photo to Parameters."""

    @property
    def name(self) -> str:
        """Its name in the table."""
        ...

    def encode(self, key: str, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """The parameters of one face in one crop; `key` names the photo among what is kept."""
        ...


@runtime_checkable
class DetailMethod(Method, Protocol):
    """A method whose detail is a code that a decoder turns to displacement, under any expression."""

    def displacement(self, parameters: Parameters) -> Float[Tensor, "1 1 256 256"]:
        """Displacement in UV, metres."""
        ...

    def with_detail(self, photo: Photo, found: FoundFace, crop: Crop, parameters: Parameters) -> Parameters:
        """The parameters with the detail code of the photo as it is seen through them."""
        ...


@runtime_checkable
class ReliefMethod(Method, Protocol):
    """A method whose detail is read from one photo, for that photo alone."""

    def relief(self, key: str, photo: Photo, found: FoundFace) -> Float[Tensor, "1 1 size size"]:
        """Displacement in UV, metres."""
        ...


@dataclass(frozen=True)
class OnePass:
    """The networks alone, as `deca reconstruct` uses them."""

    reconstructor: EncodingReconstructor
    name: str = "one pass"
    encoded: dict[str, tuple[Crop, Parameters]] = field(default_factory=dict)

    @torch.no_grad()
    def encode(self, key: str, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """One forward pass, and one for the detail code; once for each key."""
        if key not in self.encoded:
            crop, parameters = self.reconstructor.coarse(photo, found)
            self.encoded[key] = crop, self.with_detail(photo, found, crop, parameters)
        return self.encoded[key]

    @torch.no_grad()
    def displacement(self, parameters: Parameters) -> Float[Tensor, "1 1 256 256"]:
        """The detail decoder's map."""
        return self.reconstructor.networks.displacement(parameters)

    @torch.no_grad()
    def with_detail(self, photo: Photo, found: FoundFace, crop: Crop, parameters: Parameters) -> Parameters:
        """The parameters with the detail code of the photo seen through them."""
        return parameters.replace(detail=self.reconstructor.detail_code(photo, found, crop, parameters))


@dataclass(frozen=True)
class Refined:
    """The networks, then some steps of the optimiser towards the landmarks, as `deca reconstruct
    --refine`."""

    start: OnePass
    config: LandmarkFitConfig
    name: str = "refined"
    encoded: dict[str, tuple[Crop, Parameters]] = field(default_factory=dict)

    @torch.no_grad()
    def encode(self, key: str, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """One forward pass, refined; once for each key."""
        if key not in self.encoded:
            self.encoded[key] = self._refined(photo, found)
        return self.encoded[key]

    def _refined(self, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        crop, parameters = self.start.reconstructor.coarse(photo, found)
        landmarks_image = torch.from_numpy(transform_points(crop.T_image_photo, found.dense468[:, :2]))
        head_model = self.start.reconstructor.deca.head_model
        fitted = refine_landmarks(head_model, landmarks_image, parameters, self.config, found.teeth_together)
        return crop, self.start.with_detail(photo, found, crop, fitted.parameters)

    def displacement(self, parameters: Parameters) -> Float[Tensor, "1 1 256 256"]:
        """The detail decoder's map."""
        return self.start.displacement(parameters)

    def with_detail(self, photo: Photo, found: FoundFace, crop: Crop, parameters: Parameters) -> Parameters:
        """The parameters with the detail code of the photo as it is seen through them."""
        return self.start.with_detail(photo, found, crop, parameters)


class Fit:
    """The optimiser from scratch, as `deca reconstruct --model fit`; what it gives is kept between runs."""

    name = "optimiser"

    @cached_property
    def reconstructor(self) -> Reconstructor:
        """The reconstructor, made on first use."""
        return Reconstructor(texture_size=512)

    def encode(self, key: str, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """Pose, camera, shape and expression; albedo and light are left at their means."""
        return _kept(self.name, key, lambda: self._fitted(found))

    def _fitted(self, found: FoundFace) -> tuple[Crop, Parameters]:
        crop, fit = self.reconstructor.geometry(found)
        return crop, fit.parameters

    def relief(self, key: str, photo: Photo, found: FoundFace) -> Float[Tensor, "1 1 size size"]:
        """The relief that is read from the photo's shading."""

        def made() -> dict[str, np.ndarray]:
            relief = self.reconstructor.face(FaceTask(photo, found, {})).displacement
            return {"displacement": relief.numpy()}

        return torch.from_numpy(kept_arrays(_path("relief", key), made)["displacement"])


class MeanHead:
    """The mean head, of which only pose and camera follow the landmarks: what every figure is to beat."""

    name = "mean head"

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    def encode(self, key: str, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """Pose and camera alone."""
        return _kept(self.name, key, lambda: self._posed(found))

    def _posed(self, found: FoundFace) -> tuple[Crop, Parameters]:
        crop = landmark_crop(found.ibug68)
        landmarks_image = torch.from_numpy(transform_points(crop.T_image_photo, found.dense468[:, :2]))
        head_model = self._fit.reconstructor.deca.head_model
        return crop, fit_landmarks(head_model, landmarks_image, _RIGID).parameters


def open_methods(networks: Path | None, refine: int) -> list[Method]:
    """Every method, the networks' first: those of a file, or those that ship; FileNotFoundError for a
    missing one."""
    opened = read_small_networks(networks)[0] if networks else default_networks()
    one_pass = OnePass(EncodingReconstructor(0, networks=opened))
    refined = Refined(one_pass, LandmarkFitConfig(iterations=refine))
    return [one_pass, refined, *baselines()]


def baselines() -> list[Method]:
    """The methods without networks."""
    fit = Fit()
    return [fit, MeanHead(fit)]


def _path(method: str, key: str) -> Path:
    version = code_version("photo/*.py", "head/*.py", "fitting/*.py")
    return KEPT / f"{method.replace(' ', '-')}-{version}" / f"{key}.npz"


def _kept(name: str, key: str, fit: Callable[[], tuple[Crop, Parameters]]) -> tuple[Crop, Parameters]:
    """What a fit gave for a photo, made first where it is not kept."""

    def made() -> dict[str, np.ndarray]:
        crop, parameters = fit()
        arrays = {part.name: getattr(parameters, part.name).numpy() for part in fields(parameters)}
        return arrays | {"crop_size": np.array(crop.size), "T_photo_crop": crop.T_photo_crop}

    arrays = kept_arrays(_path(name, key), made)
    crop = Crop(int(arrays.pop("crop_size")), arrays.pop("T_photo_crop"))
    return crop, Parameters(**{part: torch.from_numpy(array) for part, array in arrays.items()})
