"""OpenVINO's form of DECA's networks: converted once, kept on the disk, whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from deca.model.networks import IMAGE_SIZE, DecaNetworks
from deca.model.weights import build_networks

if TYPE_CHECKING:
    import openvino

NETWORKS = ("coarse_encoder", "detail_encoder", "detail_decoder")
# To be raised when the networks compute something else with the same weights.
_CONVERSION = 1


def import_openvino():
    """The package, without the telemetry that it would send to its makers when it is imported and used."""
    if "openvino" not in sys.modules and "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # pyright: ignore[reportArgumentType]
        try:
            import openvino
        finally:
            del sys.modules["openvino_telemetry"]
    import openvino

    return openvino


def kept_models(
    load: Callable[[], Mapping[str, Tensor]], sha256: str, folder: Path
) -> Mapping[str, openvino.Model]:
    """The networks as `folder` has them under the weights' `sha256`; where it does not have them whole, the
    weights are loaded and converted.

    WeightsError where the weights do not fit. A folder that cannot be written to is no more than a warning.
    """
    openvino = import_openvino()
    kept = folder / sha256 / f"{_CONVERSION}-{openvino.__version__.split('-')[0]}"
    if kept.is_dir():
        try:
            return {name: openvino.Core().read_model(kept / f"{name}.xml") for name in NETWORKS}
        except RuntimeError:
            # Cut short or changed by another hand; it can be made again.
            shutil.rmtree(kept, ignore_errors=True)
    models = convert_networks(build_networks(load()))
    try:
        _keep(models, kept)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        warnings.warn(
            f"{folder}: cannot keep the converted networks ({reason}); each start converts them until it can",
            stacklevel=3,
        )
    return models


def convert_networks(networks: DecaNetworks) -> dict[str, openvino.Model]:
    """OpenVINO's form of the three networks, for one image at a time."""
    image, code = torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE), torch.zeros(1, networks.sizes.decoder)

    def converted(module: nn.Module, example: Tensor) -> openvino.Model:
        # Nothing branches on what it computes, so that the trace needs no check.
        trace = torch.jit.trace(module, example, check_trace=False)
        return import_openvino().convert_model(trace, example_input=example, input=[tuple(example.shape)])

    examples = zip(NETWORKS, (image, image, code), strict=True)
    return {name: converted(getattr(networks, name), example) for name, example in examples}


def _keep(models: Mapping[str, openvino.Model], folder: Path) -> None:
    """Write the models as `folder`, whole or not at all, and remove those of other versions beside it."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        temporary.mkdir(parents=True)
        for name, model in models.items():
            import_openvino().save_model(model, temporary / f"{name}.xml", compress_to_fp16=False)
        try:
            os.replace(temporary, folder)
        except OSError:
            # Another process may have been quicker, with the same content.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and not other.name.startswith("."):
            shutil.rmtree(other, ignore_errors=True)
