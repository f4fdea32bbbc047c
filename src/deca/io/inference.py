"""DECA's networks at speed: by OpenVINO where it is installed, else by PyTorch, which is the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.io.openvino_models import NETWORKS, import_openvino, kept_models
from deca.model.networks import FaceNetworks, NetworkSizes, decoder_input, read_outputs
from deca.model.weights import build_networks
from deca.parameters import Parameters

if TYPE_CHECKING:
    import openvino

Precision = Literal["f32", "bf16"]


class OpenVinoNetworks:
    """DECA's networks compiled for this processor; to be called by one thread at a time.

    From two `threads` on the encoders run at the same time. `precision` is theirs alone: the decoder's map
    is differentiated, and bfloat16 turned its normals by up to four degrees (random weights).
    """

    def __init__(self, models: Mapping[str, openvino.Model], precision: Precision, threads: int) -> None:
        core = import_openvino().Core()

        def compiled(name: str, precision: Precision, threads: int) -> openvino.InferRequest:
            settings = {
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Two processes would pin themselves to the same core.
                "ENABLE_CPU_PINNING": False,
            }
            return core.compile_model(models[name], "CPU", settings).create_infer_request()

        self._together = threads > 1
        self._encoders = [compiled(name, precision, max(1, threads // 2)) for name in NETWORKS[:2]]
        self._decoder = compiled(NETWORKS[2], "f32", threads)

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate: as published."""
        return NetworkSizes()

    def encode(self, image: Float[Tensor, "batch 3 224 224"]) -> Parameters:
        """Parameters of crops, RGB in [0, 1]; one after another, as a batch is no quicker."""
        outputs = [self._encode_one(one[None].numpy()) for one in image.contiguous()]
        coarse, detail = (torch.from_numpy(np.concatenate(rows)) for rows in zip(*outputs, strict=True))
        return read_outputs(coarse, detail, self.sizes)

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement in UV, metres."""
        codes = decoder_input(parameters).contiguous()
        return torch.cat([torch.from_numpy(_outputs(self._decoder, code[None].numpy())) for code in codes])

    def _encode_one(self, image: np.ndarray) -> list[np.ndarray]:
        if not self._together:
            return [_outputs(encoder, image) for encoder in self._encoders]
        for encoder in self._encoders:
            encoder.start_async([image], share_inputs=True)
        for encoder in self._encoders:
            encoder.wait()
        return [encoder.get_output_tensor().data.copy() for encoder in self._encoders]


def open_networks(
    load: Callable[[], Mapping[str, Tensor]],
    sha256: str,
    folder: Path,
    threads: int = 1,
    precision: Precision = "f32",
) -> FaceNetworks:
    """Networks with the weights that `load` reads, as fast as the processor and what is installed allow.

    OpenVINO's form of the networks is kept in `folder` under the weights' `sha256`, so that they are
    converted, and `load` is called, only once. WeightsError where the weights do not fit.

    In "f32" the encoders agree with PyTorch within a ten-thousandth of a parameter's standard deviation over
    photos. In "bf16", where the processor has instructions for it, they take half the time and depart by
    0.09 of it (root mean square, random weights), as PyTorch in bfloat16 does.
    """
    if find_spec("openvino") is None:
        networks = build_networks(load()).requires_grad_(False)
        return networks.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    models = kept_models(load, sha256, folder)
    return OpenVinoNetworks(models, precision if computes_in_bfloat16() else "f32", threads)


def computes_in_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; emulating it would take longer than float32."""
    # By itself OpenVINO chooses bf16 on just these processors.
    return import_openvino().Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string() == "bf16"


def _outputs(request: openvino.InferRequest, values: np.ndarray) -> np.ndarray:
    request.infer([values], share_inputs=True)
    return request.get_output_tensor().data.copy()
