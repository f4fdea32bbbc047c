"""What is probably wrong with predictions, said before a number is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from deca.evaluation.scan_face import Prediction
from deca.evaluation.similarity import Similarity, procrustes
from deca.evaluation.surface import Surface

# Millimetres that landmarks may lie beside their mesh: more than a lip's seam or a canthus is wide.
_BESIDE = 3.0
# By how much a head may be larger or smaller than it claims to be.
_SIZES = (0.75, 1.33)
# Degrees that neutral heads of one model may be turned against each other; their landmarks turn them by 4.
_TURNED = 10.0
# Millimetres that two predictions of one neutral person differ by at most vertices.
_MOVED = 5.0
_COMPARED = 400


def prediction_warnings(
    prediction: Prediction, by_landmarks: Similarity, millimetres: float | None
) -> list[str]:
    """What is odd about one prediction, laid on its scan by seven landmarks: landmarks off its surface, a
    mirrored mesh, a unit that it cannot have (`millimetres` is what a unit of it is claimed to be)."""
    said = []
    beside = (
        by_landmarks.scale
        * Surface(prediction.vertices, prediction.triangles).closest(prediction.landmarks)[0]
    )
    worst = int(beside.argmax())
    if beside[worst] > _BESIDE:
        said.append(
            f"landmark {worst + 1} of 7 lies {beside[worst]:.0f} mm beside the mesh; "
            "are landmarks and mesh of one frame and unit?"
        )
    if by_landmarks.mirrors:
        said.append("mirrored: the alignment by landmarks reflects it, as the official program does silently")
    if millimetres is not None and not _SIZES[0] < by_landmarks.scale / millimetres < _SIZES[1]:
        said.append(
            f"a unit of it is about {by_landmarks.scale:.3g} mm by its landmarks, not {millimetres:g}; "
            "is --unit right?"
        )
    return said


def neutral_warnings(
    predictions: Mapping[str, Prediction], people: Mapping[str, str]
) -> dict[str, list[str]]:
    """Which predictions are probably not neutral, by what others of the same topology look like.

    `predictions` by image, and whose image each is. A head that is turned against most others is posed; one
    that differs from the person's others by more than a shape estimate varies has an expression.
    """
    said: dict[str, list[str]] = {name: [] for name in predictions}
    topologies: dict[tuple[int, int], list[str]] = {}
    for name, each in predictions.items():
        topologies.setdefault((len(each.vertices), len(each.triangles)), []).append(name)
    for names in topologies.values():
        for name, degrees in _turns({name: predictions[name].landmarks for name in names}).items():
            if degrees > _TURNED:
                said[name].append(
                    f"turned by {degrees:.0f} degrees against most others: is its pose neutral?"
                )
        for person in {people[name] for name in names}:
            own = [name for name in names if people[name] == person]
            for name, distance in _differences([predictions[each] for each in own], own).items():
                if distance > _MOVED:
                    said[name].append(
                        f"differs by {distance:.0f} mm from the other predictions of {person}: is its "
                        "expression neutral?"
                    )
    return said


def _turns(landmarks: Mapping[str, Float[np.ndarray, "7 3"]]) -> dict[str, float]:
    """Degrees by which each set of landmarks is turned against that one which is turned least in all."""
    names = list(landmarks)
    if len(names) < 3:
        return {}
    first = landmarks[names[0]]
    turns = [Rotation.from_matrix(_proper(procrustes(landmarks[name], first))) for name in names]
    # The medoid, by the median of its angles to all others.
    angles = np.array([np.degrees((turn.inv() * Rotation.concatenate(turns)).magnitude()) for turn in turns])
    return dict(zip(names, angles[np.median(angles, 1).argmin()].tolist(), strict=True))


def _proper(similarity: Similarity) -> Float[np.ndarray, "3 3"]:
    return similarity.rotation * np.sign(np.linalg.det(similarity.rotation))


def _differences(own: Sequence[Prediction], names: Sequence[str]) -> dict[str, float]:
    """Millimetres by which vertices of each prediction differ from the one that differs least in all, at the
    95th percentile; a face is taken to be 100 mm from outer eye to outer eye."""
    if len(own) < 2:
        return {}
    chosen = np.linspace(0, len(own[0].vertices) - 1, _COMPARED).astype(int)
    shapes = [
        each.vertices[chosen] * 100 / np.linalg.norm(each.landmarks[0] - each.landmarks[3]) for each in own
    ]
    apart = np.zeros((len(own), len(own)))
    for row, one in enumerate(shapes):
        for column, other in enumerate(shapes[:row]):
            distance = np.linalg.norm(procrustes(one, other)(one) - other, axis=1)
            apart[row, column] = apart[column, row] = np.percentile(distance, 95)
    return dict(zip(names, apart[apart.sum(1).argmin()].tolist(), strict=True))
