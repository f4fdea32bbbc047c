"""Cut pieces without people out of photographs, for synthetic faces to stand before.

    python tools/default_networks/cut_backgrounds.py PHOTOS --out BACKGROUNDS

PHOTOS holds a manifest.csv as in fit_photos.py; people who are held back are left out. What lies beside the
head is taken: the strips left and right of three faces' widths.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from rich.progress import track

from deca.io.images import PhotoError, read_photo
from deca.io.maps import write_map
from deca.io.networks import face_detector
from deca.photo.detect import detect, whole_view
from deca.training.split import held_back

_LEAST = 48
_WIDER = 1.6


def main() -> None:
    """Cut what is large enough."""
    parser = argparse.ArgumentParser(description="Cut pieces without people out of photographs.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.photos / "manifest.csv", newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if not held_back(row["identity"])]
    for row in track(rows, "cutting"):
        # Studio backgrounds are grey, which a gradient is too.
        if row["file"].startswith(("london", "canada")):
            continue
        try:
            photo = read_photo(arguments.photos / row["file"])
        except PhotoError as error:
            print(f"left out: {error}")
            continue
        found = detect(photo, [whole_view(*photo.shape[:2])], face_detector())
        if not found:
            continue
        name = Path(row["file"]).with_suffix("").as_posix().replace("/", "-")
        for side, piece in beside(photo, np.stack([one.box for one in found])):
            write_map(arguments.out / f"{name}-{side}.png", piece)


def beside(photo: np.ndarray, boxes: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The upper parts of the strips left and right of all faces, hair and shoulders left out."""
    reach = (boxes[:, 2] - boxes[:, 0]) * (_WIDER - 1) / 2
    left, right = int((boxes[:, 0] - reach).min()), int((boxes[:, 2] + reach).max())
    bottom = int(boxes[:, 3].min())
    pieces = [("left", photo[:bottom, : max(left, 0)]), ("right", photo[:bottom, max(right, 0) :])]
    return [(side, np.ascontiguousarray(piece)) for side, piece in pieces if min(piece.shape[:2]) >= _LEAST]


if __name__ == "__main__":
    main()
