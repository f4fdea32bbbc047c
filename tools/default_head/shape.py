"""The shape space: the population's covariance plus a Gaussian process, as one hundred orthogonal
components."""

from __future__ import annotations

import numpy as np
from default_head.frame import Frame, mirrored, smooth_step
from default_head.mesh import Topology
from default_head.population import Population
from default_head.process import process_factor
from jaxtyping import Float
from scipy.linalg import eigh

COMPONENTS = 100
# Skin follows an eyeball fully up to the first distance from it, not at all from the second, metres.
LID_CONTACT = (0.0012, 0.007)
# MakeHuman's ages, heights and builds scale the head more than they do in people, whose heads vary by a few
# percent.
SIZE_KEPT = 0.4


def shape_components(
    population: Population, frame: Frame, topology: Topology
) -> Float[np.ndarray, "component vertex 3"]:
    """COMPONENTS orthogonal displacement fields, each one standard deviation, the largest first, metres.

    The leading directions of population plus Gaussian process are found with important vertices weighing
    more; the normal distribution within their span is then turned to its principal axes under the plain
    vertex metric, so that coefficients stay independent and N(0, 1). Every component is symmetric or
    antisymmetric.
    """
    weight = np.sqrt(frame.importance)[None, :, None]
    people = _population_factor(population, frame)
    found, variances = [], []
    for sign in (1, -1):
        factor = np.concatenate(
            [(people + sign * mirrored(people, topology)) / 2, process_factor(frame, topology, sign)]
        )
        factor = consistent_eyes(factor, frame, topology)
        flat = (factor * weight).reshape(len(factor), -1)
        values, vectors = eigh(flat @ flat.T, subset_by_index=[len(factor) - COMPONENTS, len(factor) - 1])
        found.append(vectors.T @ factor.reshape(len(factor), -1))
        variances.append(values)
    leading = np.sort(np.concatenate(variances))[-COMPONENTS]
    components = [
        _principal_axes(fields[values >= leading]) for fields, values in zip(found, variances, strict=True)
    ]
    result = np.concatenate(components).reshape(COMPONENTS, -1, 3)
    # A component's sign is free: the face grows, or its left half does.
    outward = np.einsum("kvc,vc->k", result * np.where(frame.vertices[:, :1] > 0, 1.0, 0.5), frame.vertices)
    result = result * np.where(outward < 0, -1, 1)[:, None, None]
    return result[np.argsort(-np.square(result).sum((1, 2)), kind="stable")]


def consistent_eyes(
    fields: Float[np.ndarray, "field vertex 3"], frame: Frame, topology: Topology
) -> Float[np.ndarray, "field vertex 3"]:
    """Fields in which eyeballs only move and grow, and the skin next to one moves with it along its normal.

    So to first order no eyeball pierces a lid, whatever the coefficients.
    """
    fields = fields.copy()
    for side in (0, 1):
        ball = np.flatnonzero(topology.vertex_part == 1 + side)
        positions = frame.vertices[ball]
        centre = (positions[0] + positions[-1]) / 2
        radius = np.linalg.norm(positions[0] - centre)
        directions = topology.eye_directions[side]
        shift = fields[:, ball].mean(1, keepdims=True)
        growth = np.einsum("fvc,vc->f", fields[:, ball] - shift, directions) / len(ball)
        fields[:, ball] = shift + growth[:, None, None] * directions
        offset = frame.vertices - centre
        distance = np.linalg.norm(offset, axis=1)
        near = np.flatnonzero((topology.vertex_part == 0) & (distance < radius + LID_CONTACT[1]))
        follow = 1 - smooth_step(distance[near] - radius, *LID_CONTACT)
        normal = offset[near] / distance[near, None]
        carried = shift + growth[:, None, None] * offset[near] / radius
        lag = ((carried - fields[:, near]) * normal).sum(-1)
        fields[:, near] += (follow * lag)[..., None] * normal
    return fields


def laid_upon_each_other(
    fields: Float[np.ndarray, "field vertex 3"], frame: Frame
) -> Float[np.ndarray, "field vertex 3"]:
    """Fields less the translation and infinitesimal rotation of the skull that fits them, and part of its
    growth."""
    axes = np.eye(3)
    moves = [np.broadcast_to(axis, frame.vertices.shape) for axis in axes]
    moves += [np.cross(axis, frame.vertices) for axis in axes]
    similar = np.stack([*moves, frame.vertices]).reshape(7, -1)
    weighted = similar * np.repeat(frame.skull, 3)
    flat = fields.reshape(len(fields), -1)
    coefficients = np.linalg.solve(similar @ weighted.T, weighted @ flat.T)
    coefficients[6] *= 1 - SIZE_KEPT
    return (flat - coefficients.T @ similar).reshape(fields.shape)


def _population_factor(population: Population, frame: Frame) -> Float[np.ndarray, "field vertex 3"]:
    """Fields whose outer products sum up to the population's covariance, heads laid upon each other."""
    fields = laid_upon_each_other(population.fields, frame)
    values, vectors = eigh(np.cov(population.weights.T))
    kept = values > 1e-9 * values[-1]
    return np.tensordot((vectors[:, kept] * np.sqrt(values[kept])).T, fields, 1)


def _principal_axes(fields: Float[np.ndarray, "field coordinate"]) -> Float[np.ndarray, "field coordinate"]:
    """The orthogonal fields with the same sum of outer products."""
    _, vectors = eigh(fields @ fields.T)
    return vectors.T @ fields
