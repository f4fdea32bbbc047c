"""Speed: what one photo costs on one thread, from the found face to the detailed surface, files aside."""

from __future__ import annotations

import statistics
import time

import torch

from deca.apps.network_reconstructor import enlarged
from deca.apps.reconstruct import FaceTask
from deca.io.heads import default_head
from deca.model.deca import Deca
from figures.methods import DetailMethod, Fit, Method
from figures.people import london

_RUNS = 15
# Of the optimiser's steps, those that find what the networks do.
_STEPS = ("geometry", "eyes", "appearance", "detail")


@torch.no_grad()
def measure(method: Method) -> dict[str, float]:
    """Median milliseconds of finding the parameters (`encoding`) and of decoding them to displacement and
    normals."""
    person = london("neutral")[0]
    photo, found = person.photo(), person.found()
    assert found is not None, person.file
    if isinstance(method, Fit):
        runs = [method.reconstructor.face(FaceTask(photo, found, {})).seconds for _ in range(3)]
        return {"encoding": 1000 * statistics.median(sum(run[step] for step in _STEPS) for run in runs)}
    if not isinstance(method, DetailMethod):
        return {}
    deca = Deca(default_head())
    times: dict[str, list[float]] = {"encoding": [], "decoding": []}
    for run in range(_RUNS):
        started = time.perf_counter()
        # A key of its own: what is encoded once is remembered.
        _, parameters = method.encode(f"{person.key}, run {run}", photo, found)
        encoded = time.perf_counter()
        displacement = enlarged(method.displacement(parameters), deca.layout.size)
        deca.detail_model(deca.head_model(parameters).vertices, displacement)
        times["encoding"].append(encoded - started)
        times["decoding"].append(time.perf_counter() - encoded)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}
