"""Fit the default head to photographs: what semi-synthetic faces and the population of expressions are made
from.

    python tools/default_networks/fit_photos.py PHOTOS --out FITS

PHOTOS holds a manifest.csv with the columns file and identity; people who are held back are left out. A photo
becomes FITS/NAME with parameters.json, texture.png and displacement.png, as `deca reconstruct` writes them,
and about.json, which says whose photo it is. What is done already is skipped.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

import torch
from rich.progress import track

from deca.apps.reconstruct import NoFaceError, Reconstructor
from deca.apps.reconstruction import Reconstruction
from deca.io.images import PhotoError
from deca.io.maps import write_displacement, write_map
from deca.io.parameter_files import FaceRecord, write_parameters
from deca.training.split import held_back


def main() -> None:
    """Fit what is not fitted yet."""
    parser = argparse.ArgumentParser(description="Fit the default head to photographs.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("PART", "PARTS"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with open(arguments.photos / "manifest.csv", newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if not held_back(row["identity"])]
    part, parts = arguments.part
    reconstructor = Reconstructor(texture_size=512)
    for row in track(rows[part::parts], "fitting"):
        folder = arguments.out / Path(row["file"]).with_suffix("").as_posix().replace("/", "-")
        if folder.is_dir():
            continue
        try:
            (face,) = reconstructor.photo(arguments.photos / row["file"], "largest")
        except (NoFaceError, PhotoError) as error:
            print(f"left out: {error}")
            continue
        about = {"identity": row["identity"], "licence": row["licence"], "source": row["file"]}
        write_fit(face, about, folder)


def write_fit(face: Reconstruction, about: dict[str, str], folder: Path) -> None:
    """Write the files of one fit; the folder appears whole or not at all."""
    parts = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    write_map(parts / "texture.png", face.texture)
    scale = write_displacement(parts / "displacement.png", face.displacement[0, 0].numpy())
    height, width = face.photo.shape[:2]
    record = FaceRecord(
        parameters=face.parameters,
        crop=face.crop,
        image_size=(width, height),
        detector_confidence=face.found.detection.score,
        residuals=face.residuals,
        displacement_scale=scale,
    )
    write_parameters(parts / "parameters.json", record, face.deca.data)
    (parts / "about.json").write_text(json.dumps(about), encoding="utf-8")
    parts.rename(folder)


if __name__ == "__main__":
    main()
