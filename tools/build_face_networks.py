"""Make the face networks in src/deca/data from published packages: `python tools/build_face_networks.py`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from face_networks.geometry import canonical_face
from face_networks.onnx_graph import to_onnx
from face_networks.sources import DETECTOR, GEOMETRY, LANDMARKS, SHA256, checked, download
from face_networks.tflite_graph import read_graph

from deca.io.files import whole_file

NETWORKS = {
    "face_detector_full.onnx": (DETECTOR, ("boxes", "logits")),
    "face_landmarks_468.onnx": (LANDMARKS, ("points", "presence")),
}


def build(files: dict[str, bytes], folder: Path) -> None:
    """Write both networks and the canonical face into `folder` from the published files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, outputs) in NETWORKS.items():
        with whole_file(folder / name) as temporary:
            temporary.write_bytes(to_onnx(read_graph(files[source]), outputs).SerializeToString())
    geometry = canonical_face(files[GEOMETRY])
    with whole_file(folder / "face_geometry_468.npz") as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **geometry)


def main() -> None:
    """Download the packages, or take the files from a folder, and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, help=f"a folder with {', '.join(SHA256)}")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src" / "deca" / "data")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        files = {name: checked(name, (arguments.folder / name).read_bytes()) for name in SHA256}
    else:
        with tempfile.TemporaryDirectory() as folder:
            files = download(Path(folder))
    build(files, arguments.out)


if __name__ == "__main__":
    main()
