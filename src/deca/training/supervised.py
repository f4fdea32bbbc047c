"""Losses for faces whose truth is known, synthetic ones: one value a face, each in a unit that one can
picture."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import axis_angle_to_matrix
from deca.head.data import HeadData
from deca.head.face_part import face_vertices
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.render.lighting import harmonics

_MILLIMETRES = 1000.0
_DIRECTIONS = 1000
# Added to squares, so that their root has a derivative at zero.
_LEAST = 1e-10


class TrueDistances(nn.Module):
    """How far estimated parameters of one head model are from true ones, as seen on the face.

    Shape, expression, albedo and light are linear, so a root mean square over vertices, texels or directions
    is a quadratic form of the coefficients: as exact as the sum over thousands of vertices, and nearly free.
    """

    shape: Tensor
    expression: Tensor
    albedo: Tensor
    light: Tensor

    def __init__(self, data: HeadData, head_model: HeadModel) -> None:
        super().__init__()
        self._head_model = (head_model,)  # not registered: it is another module's
        vertices = torch.from_numpy(face_vertices(data))
        for name in ("shape", "expression"):
            moves = torch.from_numpy(getattr(data, f"{name}_basis"))[:, vertices] * _MILLIMETRES
            self.register_buffer(name, _products(moves.flatten(1)) / len(vertices), persistent=False)
        size = min(data.albedo_basis.shape[1:3])
        texels = UVLayout(data, size).region_mask("face")
        colours = torch.from_numpy(data.albedo_basis)[:, :size, :size][:, texels]
        self.register_buffer("albedo", _products(colours.flatten(1)) / colours[0].numel(), persistent=False)
        light = harmonics(_sphere(_DIRECTIONS))
        self.register_buffer("light", _products(light) / _DIRECTIONS, persistent=False)

    def shape_distance(self, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Root mean square distance of the unposed faces' vertices, their expressions aside, millimetres."""
        return _distance(found.shape - true.shape, self.shape)

    def expression_distance(self, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Root mean square distance of the face's vertices by the expressions alone, millimetres."""
        return _distance(found.expression - true.expression, self.expression)

    def albedo_distance(self, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Root mean square difference of the face's texels and colours, of sRGB in [0, 1]."""
        return _distance(found.albedo - true.albedo, self.albedo)

    def light_distance(self, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Root mean square difference of the shading over all directions and colours."""
        difference = (found.lighting - true.lighting).transpose(1, 2)
        squares = torch.einsum("fci,ij,fcj->f", difference, self.light, difference) / 3
        return _root(squares)

    def eye_angles(self, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Sum of the angles between the rotations of both eyes, radians."""
        return self.joint_angle("left_eye", found, true) + self.joint_angle("right_eye", found, true)

    def joint_angle(self, joint: str, found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
        """Angle between the rotations of a joint, by its own parameters and by expressions that turn it,
        radians."""
        (model,) = self._head_model
        index = model.data.joint_names.index(joint)
        rotations = (model.joint_rotations(parameters)[:, index] for parameters in (found, true))
        return angle_between(*rotations)


def angle_between(first: Float[Tensor, "face 3"], second: Float[Tensor, "face 3"]) -> Float[Tensor, " face"]:
    """The angle of the rotation from one axis-angle rotation to another, radians in [0, pi]."""
    difference = axis_angle_to_matrix(first) - axis_angle_to_matrix(second)
    # The chord is 2 sin(angle / 2), which has a derivative where the arc cosine of the trace has none.
    half = _root(difference.square().sum((1, 2)) / 8)
    return 2 * torch.asin(half.clamp_max(1 - 1e-6))


def action_distance(found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
    """Mean absolute difference of the expression's coefficients: small movements count like large ones."""
    return (found.expression - true.expression).abs().mean(1)


def camera_distance(found: Parameters, true: Parameters) -> Float[Tensor, " face"]:
    """Relative error of the scale, plus the mean error of the head frame's origin in the image frame."""
    scale = true.camera[:, 0]
    origin = found.camera[:, :1] * found.camera[:, 1:] - true.camera[:, :1] * true.camera[:, 1:]
    return (found.camera[:, 0] - scale).abs() / scale + origin.abs().mean(1)


def point_distance(
    found_image: Float[Tensor, "face point 3"], true_image: Float[Tensor, "face point 3"]
) -> Float[Tensor, " face"]:
    """Mean distance of points on the head in the image frame, depth included: all parameters of place
    together."""
    return _root((found_image - true_image).square().sum(2)).mean(1)


def displacement_distance(
    found: Float[Tensor, "face 1 size size"],
    true: Float[Tensor, "face 1 size size"],
    deviations: Float[Tensor, "size size"],
) -> Float[Tensor, " face"]:
    """Mean of ((D - D_true) / deviation)^2 over the texels whose deviation is not zero.

    `deviations` (metres) say by how much people differ at each texel: lines, which are shallow, weigh as much
    as deep folds. Squares, because of all that a picture leaves open the mean is wanted.
    """
    texels = deviations > 0
    off = (found - true)[:, 0, texels] / deviations[texels]
    return off.square().mean(1)


def _products(rows: Float[Tensor, "row number"]) -> Float[Tensor, "row row"]:
    rows = rows.double()
    return (rows @ rows.mT).float()


def _distance(difference: Float[Tensor, "face k"], products: Float[Tensor, "k k"]) -> Float[Tensor, " face"]:
    return _root(((difference @ products) * difference).sum(1))


def _root(squares: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return (squares.clamp_min(0) + _LEAST).sqrt()


def _sphere(count: int) -> Float[Tensor, "count 3"]:
    """Directions evenly over the sphere (Fibonacci's lattice)."""
    number = torch.arange(count) + 0.5
    z, turn = 1 - 2 * number / count, number * torch.pi * (1 + 5**0.5)
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * turn.cos(), radius * turn.sin(), z], 1)
