"""The loop of all three stages on lightning-fabric: steps, curves, checkpoints, and going on where a run
stopped."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from deca.head.data import HeadData
from deca.io.files import whole_file
from deca.io.shards import ShardFolder
from deca.training.batch import FaceBatch
from deca.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from deca.training.config import ConfigError, TrainConfig, config_text, differences, read_config
from deca.training.curves import Curves
from deca.training.data import FaceData
from deca.training.divergence import DivergedError, complaint
from deca.training.stage import Part, TrainedNetworks, weighted_sum
from deca.training.stages import crop_size, make_networks, make_stage
from deca.training.synchronised import synchronise
from deca.training.tally import Progress, Tally
from deca.training.weights import load_weights, save_weights

CONFIG, WEIGHTS, CHECKPOINTS, CURVES = "config.json", "weights.safetensors", "checkpoints", "curves"
_PRECISION = {"f32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class Outcome:
    """Where a run has ended; `finished` unless it was stopped before its last step."""

    step: int
    finished: bool
    out: Path


def train(
    config: TrainConfig,
    data: HeadData,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train as configured, or go on from the last checkpoint in the configuration's folder.

    After every step `stop` is asked; where it says so, a checkpoint is written and the run ends. A run that
    goes on comes to the same weights, bit for bit, as one that never stopped. Raises ConfigError,
    CheckpointError and DivergedError.
    """
    config = config.complete()
    fabric = make_fabric(config)
    fabric.launch()
    folders = [ShardFolder(path) for path in config.shards]
    networks = make_networks(config, data)
    size = crop_size(config, networks)
    faces = FaceData(config, folders, data, size, fabric.global_rank, fabric.world_size)
    return _Run(config, fabric, networks, data, faces, report, stop).through()


def make_fabric(config: TrainConfig) -> Fabric:
    """The devices of a configuration: one, or several processes that average their gradients."""
    accelerator = config.device
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "auto"
    if config.devices > 1:
        backend = "nccl" if accelerator == "cuda" else "gloo"
        strategy = DDPStrategy(process_group_backend=backend, broadcast_buffers=False)
    return Fabric(
        accelerator=accelerator,
        devices=config.devices,
        strategy=strategy,
        precision=_PRECISION[config.precision],  # pyright: ignore[reportArgumentType]
    )


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0."""
    rate = config.learning_rate * min(1.0, (step + 1) / (config.warm_up + 1))
    if config.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * step / steps)) / 2
    return rate


def step_count(config: TrainConfig, photos: Sequence[int]) -> int:
    """Steps of a whole training on folders of so many faces."""
    if config.steps is not None:
        return config.steps
    return math.ceil((config.epochs or 0) * sum(photos) / config.faces)


class _Run:
    """One run of one process: what its steps share."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        networks: TrainedNetworks,
        data: HeadData,
        faces: FaceData,
        report: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self.config, self.fabric, self.networks, self.faces = config, fabric, networks, faces
        self.report, self.stop = report, stop
        self.out = Path(config.out)
        self.steps = step_count(config, faces.photos)
        found = self._found()
        if found is not None:
            networks.load_state_dict(dict(found.weights))
        elif config.initial_weights is not None:
            load_weights(networks, Path(config.initial_weights))
        # A stage may judge by what the networks know beforehand: they are as they will be by now.
        self.stage = stage = make_stage(config, networks, data)
        if fabric.world_size > 1:
            synchronise(networks)
        self.learnt = [parameter for parameter in stage.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(self.learnt, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.module, self.optimiser = fabric.setup(stage, optimiser)
        self.average: dict[str, Tensor] = {}
        if config.average is not None:
            self.average = {name: value.detach().clone() for name, value in self._averaged()}
        self.first = 0
        if found is not None:
            self.first = found.step
            restore_optimiser(self.optimiser.optimizer, self.networks, found.optimiser)
            for name, value in self.average.items():
                value.copy_(found.average[name])

    def through(self) -> Outcome:
        """All steps that are left."""
        config, rank_zero = self.config, self.fabric.is_global_zero
        if rank_zero:
            self.out.mkdir(parents=True, exist_ok=True)
            with whole_file(self.out / CONFIG) as temporary:
                temporary.write_text(config_text(config))
        parts = self.faces.batches(
            self.first * config.accumulation, self.steps * config.accumulation, config.workers
        )
        curves = Curves(self.out / CURVES, self.first) if rank_zero else None
        step, stopped = self.first, False
        tally = Tally(self.stage.weights)
        self.module.train()
        while step < self.steps and not stopped:
            pictured = config.pictures_every and step % config.pictures_every == 0
            stopped = self._step(step, parts, tally)
            step += 1
            last = step == self.steps or stopped
            if step % config.log_every == 0 or last:
                progress = tally.progress(
                    self.fabric, step, self.steps, learning_rate(config, step - 1, self.steps)
                )
                if curves is not None:
                    curves.add(progress)
                    self.report(progress)
                tally = Tally(self.stage.weights)
            if curves is not None and pictured:
                curves.draw(self._pictures(), step)
            if step % config.checkpoint_every == 0 or last:
                self._write(step)
        if curves is not None:
            curves.close()
            if step == self.steps:
                save_weights(self.networks, self.average, self.out / WEIGHTS)
        self.fabric.barrier()
        return Outcome(step, step == self.steps, self.out)

    def _step(self, step: int, parts: Iterator[FaceBatch], tally: Tally) -> bool:
        """One step of the optimiser; whether the run is to stop after it."""
        config, fabric, weights = self.config, self.fabric, self.stage.weights
        # Whatever is drawn at random in a step follows from its number.
        torch.manual_seed(config.seed * 1_000_003 + step)
        started = time.monotonic()
        batches = [next(parts).to(fabric.device) for _ in range(config.accumulation)]
        waited = time.monotonic() - started
        defined = [self.stage.defined(batch) for batch in batches]
        counts = self._counted(defined)
        values: list[dict[str, Tensor]] = []
        for number, (batch, known) in enumerate(zip(batches, defined, strict=True)):
            with fabric.no_backward_sync(self.module, enabled=number < len(batches) - 1):
                found = self.module(Part(batch, step))
                # Processes average their gradients; the sum over all of them is wanted.
                total = weighted_sum(found, known, counts, weights) * fabric.world_size
                fabric.backward(total)
            values.append({name: torch.where(known[name], term.detach(), 0) for name, term in found.items()})
        norm = torch.nn.utils.clip_grad_norm_(self.learnt, config.clip or math.inf)
        sums = {name: torch.stack([part[name].sum() for part in values]).sum() for name in weights}
        finite = bool(torch.stack([*sums.values(), norm.to(fabric.device)]).isfinite().all())
        broken, stopped = self._asked(not finite, self.stop())
        if broken:
            kept = latest_checkpoint(self.out / CHECKPOINTS)
            state = f"{kept} is kept" if kept else "there is no checkpoint yet"
            raise DivergedError(
                f"{complaint(self.stage, step, batches, values)}; {state}. A lower learning_rate, clip, "
                "or leaving these faces out may help"
            )
        for group in self.optimiser.optimizer.param_groups:
            group["lr"] = learning_rate(config, step, self.steps)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if config.average is not None:
            for name, value in self._averaged():
                self.average[name].lerp_(value.detach(), 1 - config.average)
        tally.add(sums, counts, float(norm), time.monotonic() - started, waited, config.faces)
        return stopped

    def _counted(self, defined: Sequence[Mapping[str, Bool[Tensor, " face"]]]) -> dict[str, float]:
        """How many faces define each term, in all parts of all processes."""
        names = list(self.stage.weights)
        counts = torch.stack([torch.stack([part[name].sum() for part in defined]).sum() for name in names])
        total = self.fabric.all_reduce(counts.float(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return dict(zip(names, total.tolist(), strict=True))

    def _asked(self, *questions: bool) -> list[bool]:
        """For each question whether any process says yes."""
        answers = torch.tensor([float(answer) for answer in questions], device=self.fabric.device)
        total = self.fabric.all_reduce(answers, reduce_op="sum")
        assert isinstance(total, Tensor)
        return [answer > 0 for answer in total.tolist()]

    def _averaged(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors of the trained networks that are averaged: their parameters."""
        for part in self.stage.trained:
            for name, value in getattr(self.networks, part).named_parameters():
                yield f"{part}.{name}", value

    def _found(self) -> Checkpoint | None:
        """The checkpoint to go on from; a ConfigError where it is of another configuration."""
        path = latest_checkpoint(self.out / CHECKPOINTS)
        if path is None:
            return None
        saved = self.out / CONFIG
        if not saved.is_file():
            raise CheckpointError(f"{saved} is missing beside checkpoints; choose another folder as out")
        if other := differences(read_config(saved.read_text(), str(saved)), self.config):
            told = "; ".join(
                f"{key} was {json.dumps(was)}, is {json.dumps(now)}" for key, (was, now) in other.items()
            )
            raise ConfigError(
                f"{self.out} holds a training of another configuration: {told}; "
                "go on with the old one, or choose another folder as out"
            )
        found = read_checkpoint(path)
        if found.about["photos"] != self.faces.photos:
            raise ConfigError(
                f"the folders of shards held {found.about['photos']} faces when {path} was written, now "
                f"{self.faces.photos}; choose another folder as out, and {path / WEIGHTS} as initial_weights"
            )
        if found.step > self.steps:
            raise ConfigError(f"{path} is beyond step {self.steps}, the last one that is asked for")
        return found

    def _write(self, step: int) -> None:
        if not self.fabric.is_global_zero:
            return
        optimiser = optimiser_tensors(self.optimiser.optimizer, self.networks)
        about = {"photos": self.faces.photos}
        checkpoint = Checkpoint(step, self.networks.state_dict(), self.average, optimiser, about)
        write_checkpoint(self.out / CHECKPOINTS, checkpoint, self.config.keep_checkpoints)

    def _pictures(self) -> dict[str, Tensor]:
        """Pictures of the first faces that the training saw."""
        self.stage.eval()
        pictures = self.stage.pictures(self.faces[0].to(self.fabric.device))
        self.stage.train()
        return pictures
