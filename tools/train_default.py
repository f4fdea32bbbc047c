"""Make the default weights again: photographs to shards, fits, synthetic faces, training, and the file that
ships.

    python tools/train_default.py PHOTOS --work build/default
    python tools/train_default.py PHOTOS --work build/default --ablations

With --ablations the same trainings then run once more without the consistency losses, for
benchmarks/ablations.py.

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
from torch import Tensor

from deca.io.default_networks import DEFAULT_NETWORKS, write_small_networks
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.model.small_networks import SmallNetworks
from deca.training.ablations import ABLATIONS, Ablation
from deca.training.config import read_config
from deca.training.stages import make_networks

TOOLS = Path(__file__).parent / "default_networks"
SYNTHETIC_FACES, WRINKLED_FACES = 6_000, 1_000
# Folders of wrinkled faces, which may be made at the same time.
WRINKLED_SEEDS = range(21, 27)
# Pixels of the squares that detail is learnt from.
DETAIL_SIZE = 576


def main() -> None:
    """Run every step that is not done."""
    parser = argparse.ArgumentParser(description="Make the default weights again.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/default"))
    parser.add_argument("--out", type=Path, help="the file of weights; by default that of the package")
    parser.add_argument("--ablations", action="store_true", help="train without the consistency losses too")
    arguments = parser.parse_args()
    photos, work = arguments.photos, arguments.work
    work.mkdir(parents=True, exist_ok=True)
    about = ["--identity", "csv", "--csv", photos / "manifest.csv", "--source", "open photographs"]
    deca("prepare", photos, "--out", work / "real", "--workers", 1, *about)
    deca("prepare", photos, "--out", work / "real-detail", "--workers", 1, "--size", DETAIL_SIZE, *about)
    tool("fit_photos.py", photos, "--out", work / "fits")
    if not (work / "backgrounds").is_dir():
        tool("cut_backgrounds.py", photos, "--out", work / "backgrounds")
    made_of = ["--faces", work / "fits", "--backgrounds", work / "backgrounds"]
    synthetic = ["synthesise", "--out", work / "synthetic", "--count", SYNTHETIC_FACES, *made_of]
    deca(*synthetic, "--wrinkled", 0, "--seed", 1)
    for seed in WRINKLED_SEEDS:
        # No textures of photographs: the wrinkles in them would be told to be none.
        wrinkled = ["synthesise", "--out", work / f"wrinkled-{seed}", "--count", WRINKLED_FACES, *made_of]
        wrinkled += ["--seed", seed, "--wrinkled", 1, "--photographed", 0, "--most-yaw", 40, "--clear"]
        deca(*wrinkled, "--size", DETAIL_SIZE, "--photos-a-person", 2)
    tool("face_mesh_weights.py", "--out", work / "face_mesh.safetensors")
    deca("train", write_config("coarse", work))
    reliefs, start = work / "reliefs.safetensors", work / "detail_start.safetensors"
    if not start.is_file():
        tool("wrinkle_reliefs.py", work / "coarse" / "weights.safetensors", work / "fits", "--out", reliefs)
        wrinkled = [work / f"wrinkled-{seed}" for seed in WRINKLED_SEEDS]
        tool("view_noise.py", reliefs, *wrinkled, "--out", start)
    deca("train", write_config("detail", work))
    trained = load_file(work / "detail" / "weights.safetensors")
    export(trained, work, arguments.out or data_file("default_head.npz").with_name(DEFAULT_NETWORKS))
    if arguments.ablations:
        train_ablations(work, trained)


def train_ablations(work: Path, trained: dict[str, Tensor]) -> None:
    """The detail networks once more without detail consistency, the coarse encoder without shape
    consistency."""
    for ablation in ABLATIONS:
        deca("train", write_config(ablation.stage, work, ablation))
        other = load_file(work / ablation.name / "weights.safetensors")
        part = {key: values for key, values in other.items() if key.startswith(f"{ablation.stage}_")}
        export(trained | part, work, work / "ablations" / f"{ablation.name}.safetensors")


def write_config(stage: str, work: Path, ablation: Ablation | None = None) -> Path:
    """A training's configuration with the paths of this working folder in place of WORK, and the loss of an
    ablation left out."""
    settings = json.loads((TOOLS / f"{stage}.json").read_text().replace("WORK", str(work)))
    name = stage if ablation is None else ablation.name
    settings["out"] = str(work / name)
    if ablation is not None:
        settings["losses"][ablation.loss] = 0
    path = work / f"{name}.json"
    path.write_text(json.dumps(settings, indent=2) + "\n")
    return path


def export(trained: dict[str, Tensor], work: Path, out: Path) -> None:
    """Trained networks as a file such as ships."""
    data = default_head()
    networks = make_networks(read_config((work / "detail.json").read_text(), "detail"), data)
    assert isinstance(networks, SmallNetworks)
    networks.load_state_dict(trained)
    out.parent.mkdir(exist_ok=True)
    write_small_networks(out, networks, data)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def deca(*arguments: object) -> None:
    """Run the `deca` command of this environment."""
    subprocess.run([Path(sys.executable).with_name("deca"), *map(str, arguments)], check=True)


def tool(name: str, *arguments: object) -> None:
    """Run one of the tools in default_networks."""
    subprocess.run([sys.executable, TOOLS / name, *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
