"""Who the synthetic faces are and what they do: random parameters of one head model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.data import HeadData
from deca.parameters import Parameters


@dataclass(frozen=True)
class PopulationConfig:
    """How synthetic people differ, and how they stand before the camera; angles are radians."""

    shape_deviation: float = 1.1
    """Deviation of shape coefficients: a little more than one, so that unusual faces lie inside."""
    albedo_deviation: float = 1.1
    seen_expressions: float = 0.7
    """Share of expressions that are mixed from those fitted to photos, where there are any."""
    free_action: float = 0.10
    """Chance of each action to be there in an expression that is not taken from a photo."""
    frontal_share: float = 0.5
    """Share of heads that are about frontal; the others turn evenly over all yaws, half of them to 60
    degrees."""
    largest_yaw: float = 1.57
    largest_jaw: float = 0.4


@dataclass(frozen=True)
class ExpressionSamples:
    """Expressions and jaws as fitted to photos: the distribution of what real faces do."""

    expression: Float[np.ndarray, "sample expression"]
    jaw: Float[np.ndarray, "sample 3"]


@dataclass(frozen=True)
class Population:
    """Draws the parameters of synthetic people of one head model."""

    data: HeadData
    samples: ExpressionSamples | None = None
    config: PopulationConfig = field(default_factory=PopulationConfig)

    def shape(self, random: np.random.Generator) -> Float[np.ndarray, " shape"]:
        """Shape coefficients: Gaussian, within four deviations."""
        return (
            (self.config.shape_deviation * random.normal(size=len(self.data.shape_basis)))
            .clip(-4, 4)
            .astype(np.float32)
        )

    def albedo(self, random: np.random.Generator) -> Float[np.ndarray, " albedo"]:
        """Albedo coefficients likewise."""
        return (
            (self.config.albedo_deviation * random.normal(size=len(self.data.albedo_basis)))
            .clip(-4, 4)
            .astype(np.float32)
        )

    def expression(
        self, random: np.random.Generator
    ) -> tuple[Float[np.ndarray, " expression"], Float[np.ndarray, "3"]]:
        """Expression coefficients and the jaw's rotation, without the gaze."""
        count = len(self.data.expression_basis)
        jaw = np.zeros(3, np.float32)
        if self.samples is not None and random.random() < self.config.seen_expressions:
            first, second = random.integers(len(self.samples.expression), size=2).tolist()
            share, strength = random.beta(0.4, 0.4), random.uniform(0.2, 1.4)
            expression = strength * _mixed(self.samples.expression, first, second, share)
            jaw += strength * _mixed(self.samples.jaw, first, second, share)
        elif self.data.has_actions:
            active = random.random(count) < self.config.free_action
            expression = active * random.beta(1.0, 1.6, count)
        else:
            expression = random.normal(size=count) * random.uniform(0, 1)
        if random.random() < 0.35:
            jaw[0] += random.beta(1, 2) * self.config.largest_jaw
        jaw[1] += 0.02 * random.normal()
        jaw[0] = jaw[0].clip(-0.05, self.config.largest_jaw)
        if self.data.has_actions:
            names = self.data.expression_names
            expression = self._blinks(expression, random).clip(0, 1)
            # The jaw's own joint opens the mouth, and the gaze turns the lids (see `eyes`).
            for index, name in enumerate(names):
                if name in ("jawOpen", "tongueOut") or name.startswith("eyeLook"):
                    expression[index] = 0
        return expression.astype(np.float32), jaw

    def eyes(self, random: np.random.Generator) -> Float[np.ndarray, "2 3"]:
        """Rotations of the left and the right eye, which look nearly the same way."""
        gaze = random.normal(size=2) * [0.10, 0.18]
        gaze = gaze.clip([-0.35, -0.5], [0.35, 0.5])
        eyes = np.zeros((2, 3), np.float32)
        eyes[:, :2] = gaze
        inwards = abs(random.normal()) * 0.03
        eyes[:, 1] += [-inwards, inwards]
        return eyes

    def pose(self, random: np.random.Generator) -> Float[np.ndarray, "3"]:
        """Axis-angle of the head: yaw, then pitch, then roll about its own axes."""
        if random.random() < self.config.frontal_share:
            yaw = 0.25 * random.normal()
        else:
            most = self.config.largest_yaw
            largest = most if random.random() < 0.5 else min(most, float(np.deg2rad(60)))
            yaw = random.uniform(-largest, largest)
        pitch, roll = (np.array([0.2, 0.15]) * random.normal(size=2)).clip(-0.7, 0.7)
        turns = torch.tensor([[0.0, yaw, 0.0], [pitch, 0.0, 0.0], [0.0, 0.0, roll]], dtype=torch.float64)
        about_y, about_x, about_z = axis_angle_to_matrix(turns)
        return matrix_to_axis_angle(about_z @ about_y @ about_x).numpy().astype(np.float32)

    def parameters(self, random: np.random.Generator) -> Parameters:
        """One face in even light, its camera not yet placed; the eyes' actions follow the gaze."""
        expression, jaw = self.expression(random)
        eyes = self.eyes(random)
        neutral = Parameters.neutral(
            shape=len(self.data.shape_basis),
            expression=len(expression),
            albedo=len(self.data.albedo_basis),
        )
        drawn = {
            "shape": self.shape(random),
            "albedo": self.albedo(random),
            "expression": expression,
            "jaw": jaw,
            "eyes": eyes,
            "pose": self.pose(random),
        }
        return neutral.replace(**{name: torch.from_numpy(values)[None] for name, values in drawn.items()})

    def _blinks(self, expression: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Now and then the eyes are closed, both or one; looking down closes them a little."""
        if random.random() < 0.12:
            expression = expression.copy()
            closed = random.beta(2, 1)
            for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
                if name in self.data.expression_names and (side == 0 or random.random() < 0.9):
                    expression[self.data.expression_names.index(name)] = closed
        return expression


def _mixed(samples: np.ndarray, first: int, second: int, share: float) -> np.ndarray:
    return share * samples[first] + (1 - share) * samples[second]
