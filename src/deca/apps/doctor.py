"""`deca doctor`: what is installed, what is here, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch

from deca.apps.flame_heads import still_needed, stored_parts
from deca.conversion.asset import KINDS, AssetError
from deca.head.data import HeadError
from deca.io.asset_records import assets_folder, heads_folder, stored_names
from deca.io.assets import list_assets
from deca.io.files import data_file
from deca.io.heads import DEFAULT_HEAD, default_head

REQUIRED = (
    "numpy",
    "torch",
    "numba",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "safetensors",
    "filelock",
    "scipy",
    "pygltflib",
    "tyro",
)
EXTRAS = {
    "evaluate": ("deca evaluate", ("matplotlib", "trimesh")),
    "heic": ("HEIC photos", ("pillow-heif",)),
    "openvino": ("faster networks on processors", ("openvino",)),
    "ray": ("deca reconstruct --engine ray", ("ray",)),
    "serve": ("deca serve and deca view: the page", ("fastapi", "python-multipart", "uvicorn")),
    "train": ("deca train", ("lightning-fabric", "tensorboard")),
    "video": ("videos and cameras: deca track, deca animate", ("av",)),
}
"""What each extra of pyproject.toml is for, and the packages that it brings."""
# Beside the head that FLAME's files make.
PUBLISHED_MODEL = ("deca-weights",)
RELEASED_MODEL = (*PUBLISHED_MODEL, "uv-face-eye-mask", "fixed-displacement")
NETWORKS = ("face_detector_full.onnx", "face_landmarks_468.onnx")


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis; `remedy` is empty where nothing is wrong."""

    subject: str
    found: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at the machine, the packages, the head, the networks and the user's assets."""
    findings = [
        Finding("deca", version("deca")),
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding(
            "processors",
            str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        ),
        _device(),
    ]
    findings += [_package(name) for name in REQUIRED]
    findings += [_extra(name, *extra) for name, extra in EXTRAS.items()]
    findings.append(_head())
    findings += [_file(name) for name in NETWORKS]
    findings += _assets()
    return findings


def _device() -> Finding:
    if torch.cuda.is_available():
        return Finding("device", f"CUDA: {torch.cuda.get_device_name(0)}")
    return Finding("device", "CPU (no CUDA device; everything runs on the CPU)")


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", f"pip install {name}")


def _extra(name: str, purpose: str, packages: tuple[str, ...]) -> Finding:
    """Whether the packages of `deca[name]` are here; nothing else needs them."""
    if missing := [package for package in packages if not _is_installed(package)]:
        found = f"{purpose}; not installed: {', '.join(missing)}"
        return Finding(f"deca[{name}]", found, f"pip install 'deca[{name}]'", needed=False)
    return Finding(f"deca[{name}]", f"{purpose}; installed")


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _head() -> Finding:
    try:
        head = default_head()
    except (HeadError, FileNotFoundError) as error:
        return Finding("default head", str(error), "install deca again")
    sizes = (
        f"{len(head.template_vertices)} vertices, {len(head.shape_basis)} shape, "
        f"{len(head.expression_basis)} expression, {len(head.albedo_basis)} albedo components"
    )
    return Finding(f"head {head.name} {head.version}", f"{sizes}; {head.licence}")


def _file(name: str) -> Finding:
    try:
        path = data_file(name)
    except FileNotFoundError as error:
        return Finding(name, "missing", str(error))
    return Finding(name, f"{path.stat().st_size / 1e6:.1f} MB")


def _assets() -> list[Finding]:
    """What the user has added, and which heads and models that makes."""
    try:
        names = [record.name for record in list_assets() if record.kind != "head"]
        flame = still_needed("flame", stored_parts("flame"))
    except AssetError as error:
        return [Finding("assets", str(error), "deca assets verify", needed=False)]
    return [
        Finding("assets", f"{', '.join(names) or 'none'} in {assets_folder()}"),
        Finding("--head", ", ".join([DEFAULT_HEAD, *stored_names(heads_folder())])),
        _ready("--model deca", flame, [kind for kind in PUBLISHED_MODEL if kind not in names]),
        _ready("--behaviour released", flame, [kind for kind in RELEASED_MODEL if kind not in names]),
    ]


def _ready(option: str, flame: str, missing: list[str]) -> Finding:
    """Whether an option of `deca reconstruct` has the files it needs; `flame` is what FLAME's head lacks."""
    needed = ", ".join(filter(None, [flame, *(f"{kind} ({KINDS[kind].file})" for kind in missing)]))
    if not needed:
        return Finding(option, "has all it needs")
    return Finding(option, f"needs {needed}", "deca assets add FILE", needed=False)
