"""Parameters: everything the system estimates about the faces of a batch, in one immutable value."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Parameters:
    """Shape, expression, pose, camera, appearance and detail of a batch of faces (DECA, section 3).

    Rotations are axis-angle vectors in radians, in the head frame of CONVENTIONS.md. `pose` turns the whole
    head about its root joint; `neck`, `jaw` and `eyes` (left, right) turn those joints relative to their
    parent. `camera` is (scale, x, y) of the weak-perspective camera: image = scale * (head_xy + (x, y)), y
    up, over the crop's [-1, 1]. `lighting` holds nine spherical-harmonics coefficients for each of red,
    green and blue. `detail` is the person-specific detail code.
    """

    shape: Float[Tensor, "batch shape"]
    expression: Float[Tensor, "batch expression"]
    pose: Float[Tensor, "batch 3"]
    neck: Float[Tensor, "batch 3"]
    jaw: Float[Tensor, "batch 3"]
    eyes: Float[Tensor, "batch 2 3"]
    camera: Float[Tensor, "batch 3"]
    albedo: Float[Tensor, "batch albedo"]
    lighting: Float[Tensor, "batch 9 3"]
    detail: Float[Tensor, "batch detail"]

    @staticmethod
    def neutral(
        *,
        shape: int,
        expression: int,
        albedo: int,
        detail: int = 0,
        batch: int = 1,
        device: torch.device | str = "cpu",
    ) -> Parameters:
        """The mean head, unposed, in white ambient light, filling a crop of 0.25 m; sizes as given."""

        def zeros(*size: int) -> Tensor:
            return torch.zeros(batch, *size, device=device)

        camera = zeros(3)
        camera[:, 0] = 8.0
        lighting = zeros(9, 3)
        # The constant band alone: 1 / sqrt(4 pi) times this coefficient is a shading of one.
        lighting[:, 0] = (4 * torch.pi) ** 0.5
        return Parameters(
            shape=zeros(shape),
            expression=zeros(expression),
            pose=zeros(3),
            neck=zeros(3),
            jaw=zeros(3),
            eyes=zeros(2, 3),
            camera=camera,
            albedo=zeros(albedo),
            lighting=lighting,
            detail=zeros(detail),
        )

    @property
    def batch(self) -> int:
        """Number of faces."""
        return self.shape.shape[0]

    def replace(self, **changes: Tensor) -> Parameters:
        """A copy with the named tensors exchanged."""
        return replace(self, **changes)

    def map(self, function) -> Parameters:
        """A copy with `function` applied to every tensor."""
        return Parameters(**{field.name: function(getattr(self, field.name)) for field in fields(self)})

    def to(self, device: torch.device | str) -> Parameters:
        """A copy on `device`."""
        return self.map(lambda tensor: tensor.to(device))

    def __getitem__(self, index: int) -> Parameters:
        """The face at `index`, as a batch of one."""
        return self.map(lambda tensor: tensor[index : index + 1] if index != -1 else tensor[-1:])
