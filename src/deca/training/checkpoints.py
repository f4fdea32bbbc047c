"""Checkpoints: weights, optimiser and step as safetensors and JSON, written whole or not at all, the last few
kept."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_NAME = re.compile(r"step-(\d{8,})")
_WEIGHTS, _AVERAGE, _OPTIMISER, _STATE = (
    "weights.safetensors",
    "average.safetensors",
    "optimiser.safetensors",
    "state.json",
)


class CheckpointError(ValueError):
    """A checkpoint cannot be gone on from; the message names it, says what was found, and the remedy."""


@dataclass(frozen=True)
class Checkpoint:
    """A training after `step` steps: nothing else is needed to go on as if it had never stopped.

    `average` is the moving average of the weights, or empty; `optimiser` holds its tensors as
    "PARAMETER/KIND"; `about` is what the data were.
    """

    step: int
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    about: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint into `folder` and remove all but the `keep` latest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.step:08}"
    part = folder / f".{path.name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        for name, tensors in (
            (_WEIGHTS, checkpoint.weights),
            (_AVERAGE, checkpoint.average),
            (_OPTIMISER, checkpoint.optimiser),
        ):
            if tensors:
                save_file(_plain(tensors), part / name)
        state = {"step": checkpoint.step, "about": checkpoint.about}
        (part / _STATE).write_text(json.dumps(state, indent=2) + "\n")
        shutil.rmtree(path, ignore_errors=True)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in _paths(folder)[:-keep]:
        shutil.rmtree(old)
    return path


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps, if there is one."""
    paths = _paths(folder)
    return paths[-1] if paths else None


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint; CheckpointError where something of it is missing or damaged."""
    try:
        state = json.loads((path / _STATE).read_text())
        average = path / _AVERAGE
        return Checkpoint(
            step=state["step"],
            weights=load_file(path / _WEIGHTS),
            average=load_file(average) if average.exists() else {},
            optimiser=load_file(path / _OPTIMISER),
            about=state["about"],
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: damaged ({error}); remove this folder to go on from the one before"
        ) from None


def optimiser_tensors(optimiser: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """What the optimiser remembers of each of the module's parameters, as "PARAMETER/KIND"."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    return {
        f"{names[parameter]}/{kind}": value
        for parameter, state in optimiser.state.items()
        for kind, value in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, module: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """The inverse of `optimiser_tensors`, for an optimiser of the same parameters."""
    names = {parameter: name for name, parameter in module.named_parameters()}
    order = [names[parameter] for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        if name not in order:
            raise CheckpointError(f"the optimiser's state is of another network: it has {name}; train anew")
        state.setdefault(order.index(name), {})[kind] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [
        (int(match[1]), folder / match[0]) for match in map(_NAME.fullmatch, os.listdir(folder)) if match
    ]
    return [path for _, path in sorted(found)]


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they can be written: on the CPU, none sharing memory with another."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
