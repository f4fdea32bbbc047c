"""Times of the two encoders and the detail decoder, beside the reference and beside what the machine can do.

Run: python benchmarks/encode.py [--device cuda]. The weights are random: they change no time. "Reference" is
the published implementation on two cores without a GPU.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import tyro
from measure import describe_machine, median_milliseconds, print_table
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deca.io.inference import OpenVinoNetworks, Precision, computes_in_bfloat16, open_networks
from deca.io.openvino_models import kept_models
from deca.model.networks import IMAGE_SIZE, DecaNetworks, FaceNetworks
from deca.model.weights import build_networks

if TYPE_CHECKING:
    import openvino

RUNS = 30
BATCHES = (1, 8, 64)
# The published implementation on two cores without a GPU, milliseconds.
REFERENCE = {
    "coarse encoder, PyTorch": 54,
    "coarse encoder, PyTorch, batch of 8": 411,
    "both encoders, PyTorch": 114,
    **{
        f"both encoders, OpenVINO {precision}, {threads}": 114
        for precision in ("f32", "bf16")
        for threads in ("one thread", "two threads")
    },
    # Its 41 are those of the decoder and of the normals, which take 20.
    "detail decoder, PyTorch": 21,
    "detail decoder, OpenVINO f32, one thread": 21,
    "detail decoder, OpenVINO f32, two threads": 21,
}
PRECISIONS: dict[Precision, torch.dtype] = {"f32": torch.float32, "bf16": torch.bfloat16}
State = Mapping[str, Tensor]
Models = Mapping[str, "openvino.Model"]


@dataclass(frozen=True)
class Work:
    """What both encoders have to do for a batch: operations, and bytes to and from memory.

    Two operations for a multiplication and its addition. The bytes are those of the weights, inputs and
    outputs of convolutions and linear layers, as if all between them happened on the way.
    """

    operations: float
    bytes: float


@torch.inference_mode()
def main(device: str = "cuda" if torch.cuda.is_available() else "cpu") -> None:
    """Measure on `device` and print the tables."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    state = DecaNetworks().state_dict()
    on_processor = device == "cpu"
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        models = kept_models(lambda: state, "random", Path(folder)) if on_processor else None
        print_throughput(state, models, torch.device(device))
        if models is not None:
            opened = partial(open_networks, lambda: state, "random", Path(folder))
            print_table("one image", latencies(state, models, opened), REFERENCE)


def print_throughput(state: State, models: Models | None, device: torch.device) -> None:
    """Images through both encoders, and the fractions that they reach of what the device can do."""
    rate, bandwidth = matrix_rate(device), copy_rate(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor, one thread"
    rates = f"bf16 matrices at {rate / 1e12:.2f} TFLOP/s, memory at {bandwidth / 1e9:.0f} GB/s"
    title = f"both encoders, {name}; {rates}"
    table = Table("", "batch", "ms", "images/s", "of the matrix rate", "of the memory's rate", title=title)
    for precision, dtype in PRECISIONS.items():
        networks = on_channels_last(state).to(device, dtype)
        engines: dict[str, FaceNetworks] = {"PyTorch": networks}
        if models is not None and (precision == "f32" or computes_in_bfloat16()):
            engines["OpenVINO"] = OpenVinoNetworks(models, precision, threads=1)
        for batch in BATCHES:
            image = torch.rand(batch, 3, IMAGE_SIZE, IMAGE_SIZE, device=device, dtype=dtype)
            work = count_work(networks, image)
            for engine, used in engines.items():
                given = image if engine == "PyTorch" else image.float()
                encode = waiting(partial(used.encode, given), device)
                seconds = median_milliseconds(encode, RUNS) / 1000
                table.add_row(
                    f"{engine}, {precision}",
                    str(batch),
                    f"{1000 * seconds:,.1f}",
                    f"{batch / seconds:,.0f}",
                    f"{work.operations / seconds / rate:.0%}",
                    f"{work.bytes / seconds / bandwidth:.0%}",
                )
    Console(width=120).print(table)


def latencies(state: State, models: Models, opened: Callable[[], FaceNetworks]) -> dict[str, float]:
    """Milliseconds of each step on the processor."""
    image, images = torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE), torch.rand(8, 3, IMAGE_SIZE, IMAGE_SIZE)
    pytorch = on_channels_last(state)
    parameters = pytorch.encode(image)
    steps: dict[str, Callable[[], object]] = {
        "open the networks, converted before": opened,
        "coarse encoder, PyTorch": lambda: pytorch.coarse_encoder(image),
        "coarse encoder, PyTorch, batch of 8": lambda: pytorch.coarse_encoder(images),
        "both encoders, PyTorch": lambda: pytorch.encode(image),
        "detail decoder, PyTorch": lambda: pytorch.displacement(parameters),
    }
    for threads, words in ((1, "one thread"), (2, "two threads")):
        for precision in ("f32", "bf16") if computes_in_bfloat16() else ("f32",):
            compiled = OpenVinoNetworks(models, precision, threads)
            steps[f"both encoders, OpenVINO {precision}, {words}"] = partial(compiled.encode, image)
        compiled = OpenVinoNetworks(models, "f32", threads)
        steps[f"detail decoder, OpenVINO f32, {words}"] = partial(compiled.displacement, parameters)
    return {name: median_milliseconds(step, RUNS) for name, step in steps.items()}


def on_channels_last(state: State) -> DecaNetworks:
    """The networks with the layout in which PyTorch's convolutions are quickest."""
    return build_networks(state).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def count_work(networks: DecaNetworks, image: Tensor) -> Work:
    """What `networks` do to encode `image`, counted while they do it."""
    moved = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        moved += sum(tensor.nbytes for tensor in (*inputs, output, *module.parameters()))

    layers = [module for module in networks.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with FlopCounterMode(display=False) as counter:
        networks.encode(image)
    for hook in hooks:
        hook.remove()
    return Work(counter.get_total_flops(), moved)


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a large product of matrices in bfloat16."""
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.rand(side, side, device=device).bfloat16() for _ in range(2))
    return 2 * side**3 / (median_milliseconds(waiting(lambda: left @ right, device), RUNS) / 1000)


def copy_rate(device: torch.device) -> float:
    """Bytes a second read and written by a large copy."""
    source = torch.zeros(2**30 if device.type == "cuda" else 2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    milliseconds = median_milliseconds(waiting(lambda: target.copy_(source), device), RUNS)
    return 2 * source.nbytes / (milliseconds / 1000)


def waiting(function: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """`function`, returning only when the device has done what it asked for."""

    def done() -> object:
        result = function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return result

    return done


if __name__ == "__main__":
    tyro.cli(main)
