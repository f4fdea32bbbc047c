"""Make the default weights again: photographs to shards, fits, synthetic faces, training, and the file that
ships.

    python tools/train_default.py PHOTOS --work build/default

PHOTOS holds a manifest.csv (file, identity, licence). Every step goes on where it was stopped, and does
nothing when it is done. People who are held back (deca.training.split) are left out of all of it. The numbers
of a training follow from its configuration in tools/default_networks and from the photographs; last digits
differ from processor to processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

from deca.io.default_networks import write_small_networks
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.training.config import read_config
from deca.training.stages import make_networks

TOOLS = Path(__file__).parent / "default_networks"
SYNTHETIC_FACES, WRINKLED_FACES = 24_000, 8_000
TRAININGS = ("coarse", "appearance", "detail")


def main() -> None:
    """Run every step that is not done."""
    parser = argparse.ArgumentParser(description="Make the default weights again.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/default"))
    parser.add_argument("--out", type=Path, help="the file of weights; by default that of the package")
    arguments = parser.parse_args()
    photos, work = arguments.photos, arguments.work
    work.mkdir(parents=True, exist_ok=True)
    for name, size in (("real", 320), ("real-detail", 448)):
        prepare = ["prepare", photos, "--out", work / name, "--size", size, "--workers", 1]
        deca(*prepare, "--identity", "csv", "--csv", photos / "manifest.csv", "--source", "open photographs")
    tool("fit_photos.py", photos, "--out", work / "fits")
    if not (work / "backgrounds").is_dir():
        tool("cut_backgrounds.py", photos, "--out", work / "backgrounds")
    made_of = ["--faces", work / "fits", "--backgrounds", work / "backgrounds"]
    deca(
        "synthesise",
        "--out",
        work / "synthetic",
        "--count",
        SYNTHETIC_FACES,
        "--wrinkled",
        0,
        "--seed",
        1,
        *made_of,
    )
    deca(
        *("synthesise", "--out", work / "wrinkled", "--count", WRINKLED_FACES, "--wrinkled", 1, "--seed", 2),
        *("--size", 448, "--photos-a-person", 4, *made_of),
    )
    tool("face_mesh_weights.py", "--out", work / "face_mesh.safetensors")
    for name in TRAININGS:
        deca("train", write_config(name, work))
    export(work, arguments.out or data_file("default_head.npz").with_name("default_networks.safetensors"))


def write_config(name: str, work: Path) -> Path:
    """A training's configuration with the paths of this working folder in place of WORK."""
    text = (TOOLS / f"{name}.json").read_text().replace("WORK", str(work))
    read_config(text, name)
    path = work / f"{name}.json"
    path.write_text(text)
    return path


def export(work: Path, out: Path) -> None:
    """The trained tensors as the file that ships."""
    config = read_config((work / f"{TRAININGS[-1]}.json").read_text(), TRAININGS[-1])
    data = default_head()
    networks = make_networks(config, data)
    networks.load_state_dict(
        load_file(work / json.loads((work / "detail.json").read_text())["out"] / "weights.safetensors")
    )
    write_small_networks(out, networks, data)  # pyright: ignore[reportArgumentType]
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def deca(*arguments: object) -> None:
    """Run the `deca` command of this environment."""
    subprocess.run([Path(sys.executable).with_name("deca"), *map(str, arguments)], check=True)


def tool(name: str, *arguments: object) -> None:
    """Run one of the tools in default_networks."""
    subprocess.run([sys.executable, TOOLS / name, *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
