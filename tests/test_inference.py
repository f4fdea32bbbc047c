"""The compiled networks against PyTorch's, and what is kept of them on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from parity_head import stage
from parity_weights import published_weights
from torch import Tensor

from deca.io import inference, openvino_models
from deca.io.inference import OpenVinoNetworks, computes_in_bfloat16, open_networks
from deca.io.openvino_models import NETWORKS, convert_networks, kept_models
from deca.model.networks import DecaNetworks, FaceNetworks, NetworkSizes
from deca.model.published_names import own_state_dict
from deca.model.weights import build_networks
from deca.parameters import Parameters

openvino = pytest.importorskip("openvino")
# Of a parameter's standard deviation over photos.
AGREEMENT = 1e-2
ESTIMATED = ("shape", "albedo", "expression", "pose", "jaw", "camera", "lighting", "detail")


@cache
def reference() -> DecaNetworks:
    return build_networks(own_state_dict(published_weights())).requires_grad_(False)


@cache
def models():
    return convert_networks(reference())


@cache
def crops() -> Tensor:
    """The set's three crops, and each of them mirrored, darkened, lightened and smaller in its frame."""
    figures = stage("01_crop")
    crops = torch.stack([figures[f"crop{index}"] for index in range(3)])
    smaller = torch.nn.functional.interpolate(crops, scale_factor=0.75, mode="bilinear")
    smaller = torch.nn.functional.pad(smaller, (28, 28, 28, 28))
    return torch.cat([crops, crops.flip(3), 0.6 * crops, 1 - 0.7 * (1 - crops), smaller])


@cache
def expected() -> Tensor:
    return numbers(reference())


def numbers(networks: FaceNetworks) -> Tensor:
    parameters = networks.encode(crops())
    return torch.cat([getattr(parameters, name).flatten(1) for name in ESTIMATED], 1)


def departure(networks: FaceNetworks) -> Tensor:
    """Of each parameter of each crop, in standard deviations of that parameter over the crops."""
    return (numbers(networks) - expected()).abs() / expected().std(0)


@pytest.mark.parametrize("threads", [1, 2])
def test_encoders_agree_with_pytorch(threads):
    assert float(departure(OpenVinoNetworks(models(), "f32", threads)).max()) < AGREEMENT


def test_encoders_in_bfloat16_depart_no_further_than_pytorch_does_in_it():
    if not computes_in_bfloat16():
        pytest.skip("this processor has no instructions for bfloat16")
    image = crops().bfloat16()
    rounded = build_networks(own_state_dict(published_weights())).requires_grad_(False).bfloat16()
    parameters = rounded.encode(image)
    pytorch = torch.cat([getattr(parameters, name).flatten(1).float() for name in ESTIMATED], 1)
    deviation = expected().std(0)
    rounding = ((pytorch - expected()) / deviation).square().mean().sqrt()
    ours = departure(OpenVinoNetworks(models(), "bf16", 1)).square().mean().sqrt()
    assert float(ours) < 1.2 * float(rounding)


def test_displacement_agrees_with_pytorch():
    compiled = OpenVinoNetworks(models(), "f32", 1)
    parameters = reference().encode(crops()[:2])
    displacement = compiled.displacement(parameters)
    assert displacement.shape == (2, 1, 256, 256)
    torch.testing.assert_close(displacement, reference().displacement(parameters), atol=2e-7, rtol=0)


def test_results_do_not_change_when_the_networks_run_again():
    compiled = OpenVinoNetworks(models(), "f32", 1)
    first = compiled.encode(crops()[:1])
    kept, displacement = first.shape.clone(), compiled.displacement(first)
    map_kept = displacement.clone()
    compiled.displacement(compiled.encode(crops()[2:3]))
    assert first.shape.equal(kept)
    assert displacement.equal(map_kept)


def test_no_thread_is_bound_to_a_core():
    cores = os.sched_getaffinity(0)
    OpenVinoNetworks(models(), "f32", 2).encode(crops()[:1])
    for thread in Path("/proc/self/task").iterdir():
        assert os.sched_getaffinity(int(thread.name)) == cores


def test_the_second_start_neither_loads_nor_converts(tmp_path, monkeypatch):
    monkeypatch.setattr(openvino_models, "convert_networks", lambda _networks: models())
    first = open_networks(lambda: own_state_dict(published_weights()), "abc", tmp_path)
    monkeypatch.setattr(openvino_models, "convert_networks", _never)
    second = open_networks(_never, "abc", tmp_path)
    image = crops()[:1]
    assert first.encode(image).shape.equal(second.encode(image).shape)
    assert second.sizes == NetworkSizes()


def test_without_openvino_pytorch_does_it(monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "find_spec", lambda _name: None)
    networks = open_networks(lambda: own_state_dict(published_weights()), "abc", tmp_path)
    assert isinstance(networks, DecaNetworks)
    assert float(departure(networks).max()) < AGREEMENT
    parameters = networks.encode(crops()[:1])
    assert isinstance(parameters, Parameters)
    assert not parameters.shape.requires_grad
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small(monkeypatch):
    """A conversion that takes no time: each network becomes a doubling; returns how often it was done."""
    done: list[str] = []

    def load() -> dict[str, Tensor]:
        done.append("loaded")
        return {}

    def convert(_networks: object) -> dict[str, openvino.Model]:
        opset = openvino.opset13
        value = opset.parameter([1, 2], name="value")
        doubled = opset.multiply(value, opset.constant([[2.0, 2.0]], dtype="float32"))
        return {name: openvino.Model([doubled], [value], name) for name in NETWORKS}

    monkeypatch.setattr(openvino_models, "build_networks", lambda state: state)
    monkeypatch.setattr(openvino_models, "convert_networks", convert)
    return load, done


def test_only_whole_models_are_kept_and_old_versions_go(tmp_path, small):
    load, _ = small
    (tmp_path / "abc" / "0-2020.1").mkdir(parents=True)
    kept_models(load, "abc", tmp_path)
    (folder,) = (tmp_path / "abc").iterdir()
    assert openvino.__version__.startswith(folder.name.split("-")[1])
    assert {path.stem for path in folder.iterdir()} == set(NETWORKS)


def test_other_weights_are_other_models(tmp_path, small):
    load, done = small
    for sha256 in ("abc", "def", "abc", "def"):
        kept_models(load, sha256, tmp_path)
    assert len(done) == 2


@pytest.mark.parametrize("end", ["xml", "bin"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_models_are_converted_again(tmp_path, small, damage, end):
    load, done = small
    kept_models(load, "abc", tmp_path)
    (broken,) = (tmp_path / "abc").glob(f"*/{NETWORKS[1]}.{end}")
    broken.write_bytes(broken.read_bytes()[:4]) if damage == "cut" else broken.unlink()
    assert set(kept_models(load, "abc", tmp_path)) == set(NETWORKS)
    assert len(done) == 2
    kept_models(load, "abc", tmp_path)
    assert len(done) == 2


def test_a_folder_that_cannot_be_written_is_a_warning_in_one_line(tmp_path, small):
    load, _ = small
    (tmp_path / "abc").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot keep the converted networks") as caught:
        assert set(kept_models(load, "abc", tmp_path)) == set(NETWORKS)
    assert "\n" not in str(caught[0].message)


def test_what_fails_on_the_way_leaves_nothing(tmp_path, small, monkeypatch):
    load, _ = small
    monkeypatch.setattr(openvino_models.os, "replace", _full)
    with pytest.warns(UserWarning, match="No space left"):
        kept_models(load, "abc", tmp_path)
    assert not list((tmp_path / "abc").iterdir())


def test_of_two_processes_the_first_is_kept(tmp_path, small, monkeypatch):
    load, _ = small
    replace = os.replace

    def second(source: Path, target: Path) -> None:
        if target.parent.name == "abc":
            target.mkdir()
            (target / "of the first").touch()
        replace(source, target)

    monkeypatch.setattr(openvino_models.os, "replace", second)
    kept_models(load, "abc", tmp_path)
    (folder,) = (tmp_path / "abc").iterdir()
    assert [path.name for path in folder.iterdir()] == ["of the first"]


def test_nothing_is_told_to_openvino_s_makers():
    program = (
        "import sys\n"
        "from deca.io.openvino_models import import_openvino\n"
        "import_openvino()\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
        "assert telemetry_utils.tm.__name__ == 'openvino.tools.ovc.telemetry_stub'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def _never(*_arguments: object) -> dict[str, Tensor]:
    raise AssertionError("this was not to be called")


def _full(*_arguments: object) -> None:
    raise OSError(28, "No space left on device")
