"""Identity: whether a neutral and a smiling photo of one person give nearer shapes than those of two
people."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from figures.alignment import vertex_distances
from figures.methods import Method
from figures.neutral import face_vertices, neutral_vertices
from figures.people import london


def measure(method: Method) -> dict[str, float]:
    """Areas under the ROC curve, the shapes laid on each other with their own scale and with a common one."""
    shapes = {
        note: {person.identity: shape for person, shape in _shapes(method, note)}
        for note in ("neutral", "smiling")
    }
    people = [identity for identity in shapes["neutral"] if identity in shapes["smiling"]]
    same = np.eye(len(people), dtype=bool)
    areas = {}
    for name, with_scale in (("rigid", False), ("scaled", True)):
        distances = np.array(
            [
                [
                    vertex_distances(shapes["neutral"][one], shapes["smiling"][other], with_scale).mean()
                    for other in people
                ]
                for one in people
            ]
        )
        areas[name] = area_under_roc(distances[same], distances[~same])
    return areas


def area_under_roc(same: Float[np.ndarray, " same"], different: Float[np.ndarray, " different"]) -> float:
    """The chance that a distance of one person's pair is less than one of two people's; ties count half."""
    ranks = rankdata(np.concatenate([different, same]))[: len(different)]
    wins = ranks.sum() - len(different) * (len(different) + 1) / 2
    return float(wins / (len(same) * len(different)))


def _shapes(method: Method, note: str):
    face = face_vertices()
    for person in london(note):
        found = person.found()
        if found is not None:
            _, parameters = method.encode(person.key, person.photo(), found)
            yield person, neutral_vertices(parameters)[face]
