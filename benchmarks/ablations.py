"""What the two consistency losses are for: the same trainings without them, as figures and as clay.

    python benchmarks/ablations.py --out gallery            pictures and figures
    python benchmarks/ablations.py --out docs --write       those of docs/ablations.md, and the page itself

`tools/train_default.py --ablations` trains the networks that this compares. It needs ../shared/photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from figures import detail, identity
from figures.alignment import similarity
from figures.methods import OnePass
from figures.neutral import default_data, face_vertices
from figures.people import PHOTOS, PROJECT
from figures.table import markdown
from PIL import Image, ImageDraw, ImageFont

from deca.apps.encoding_reconstructor import EncodingReconstructor
from deca.apps.network_reconstructor import enlarged
from deca.head.detail import DetailModel
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.default_networks import default_networks, read_small_networks
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.openness import openness
from deca.render.pictures import clay, look, over
from deca.render.surface import SurfaceModel
from deca.training.ablations import ABLATIONS, DETAIL_CONSISTENCY

TRAINED = PROJECT / "build" / "default" / "ablations"
PANEL, CAPTION = 300, 26
_PAPER, _INK = (240, 240, 237), (40, 40, 40)
_MAP_SIZE = 1024
# Millimetres of difference at which the picture of it is red.
_MOST = 4.0
_SYNTHETIC, _LONDON = (2, 11), (0, 6, 13)
_CAMERA = (8.0, 0.0, 0.015)
_INTRODUCTION = """# What the consistency losses are for

Shape consistency and detail consistency exchange, in training, what should belong to the person between two
of their photos (DECA, sections 4.1 and 4.2). Here the same trainings were run once more without them. The
figures are those of [quality.md](quality.md); `make gallery` makes the pictures again.
"""
_DETAIL = """
## Detail consistency

{table}

![Clay heads with three detail codes each, with and without detail consistency]({picture})

*People with synthetic wrinkles, then people of the Face Research Lab London Set, under the expression of
their first photo. The code of someone's other photo should change nothing, that of someone else much.*
"""
_SHAPE = """
## Shape consistency

{table}

![Shapes of neutral and smiling photos, with and without shape consistency]({picture})

*The shapes that a neutral and a smiling photo of one person give, and how far apart they are.*
"""


def main() -> None:
    """Draw the pictures and print, or write, the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--write", action="store_true", help="write ablations.md beside the pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {ablation: TRAINED / f"{ablation.name}.safetensors" for ablation in ABLATIONS}
    found = {ablation: path for ablation, path in found.items() if path.is_file()}
    if not found or not PHOTOS.is_dir():
        lacking = TRAINED if PHOTOS.is_dir() else PHOTOS
        raise SystemExit(
            f"{lacking} is missing; `python tools/train_default.py PHOTOS --ablations` trains them"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    shipped = OnePass(EncodingReconstructor(networks=default_networks()))
    artist, parts = Artist(), []
    for ablation, path in found.items():
        without = OnePass(EncodingReconstructor(networks=read_small_networks(path)[0]))
        draw, told, text = (
            (artist.details, detail_rows, _DETAIL)
            if ablation == DETAIL_CONSISTENCY
            else (artist.shapes, shape_rows, _SHAPE)
        )
        draw(shipped, without).save(options.out / f"{ablation.name}.jpg", quality=88)
        table = markdown(["one pass, people held back", "with", "without"], told(shipped, without))
        parts.append(text.format(table=table, picture=f"{ablation.name}.jpg"))
    text = _INTRODUCTION + "".join(parts)
    print(text)
    if options.write:
        (options.out / "ablations.md").write_text(text, encoding="utf-8")


class Artist:
    """Draws heads of clay."""

    def __init__(self) -> None:
        self.data = default_data()
        self.head_model = HeadModel(self.data)
        self.layout = UVLayout(self.data, _MAP_SIZE)
        self.detail_model = DetailModel(self.data, self.layout)
        self.surface_model = SurfaceModel(self.data)
        self.face = face_vertices()
        self.grey = np.full((8, 8, 3), 255, np.uint8)

    def details(self, shipped: OnePass, without: OnePass) -> Image.Image:
        """Rows of people under one expression: with their own detail code, that of their other photo, and
        that of someone else."""
        codes = ("own code", "other photo's", "other person's")
        names = ["truth", *(f"{code}, {loss}" for loss in ("with", "without") for code in codes)]
        sitters = [(method, _sittings(method)) for method in (shipped, without)]
        rows = []
        for number, (sitting, truth) in enumerate(zip(sitters[0][1], _truths(), strict=True)):
            row = [None if truth is None else self._panel(sitting[0], truth)]
            for method, sittings in sitters:
                stranger = sittings[(number + 1) % len(sittings)]
                for code in (*sittings[number], stranger[0]):
                    shown = sitting[0].replace(detail=code.detail)
                    row.append(self._panel(sitting[0], method.displacement(shown)))
            rows.append(row)
        return _arranged(rows, names)

    def shapes(self, shipped: OnePass, without: OnePass) -> Image.Image:
        """Rows of people: the shapes that a neutral and a smiling photo give, and how far apart they are."""
        rows, names = [], []
        for loss in ("with", "without"):
            names += [f"neutral, {loss}", f"smiling, {loss}", f"apart, 0 to {_MOST:.0f} mm"]
        pairs = [detail.london_pairs(method) for method in (shipped, without)]
        for person in _LONDON:
            row = []
            for neutral, smiling in (pair[person] for pair in pairs):
                row += [self._shape(neutral), self._shape(smiling), self._difference(neutral, smiling)]
            rows.append(row)
        return _arranged(rows, names)

    def _shape(self, parameters: Parameters) -> np.ndarray:
        return self._panel(self._rest(parameters), torch.zeros(1, 1, 8, 8))

    def _rest(self, parameters: Parameters) -> Parameters:
        """The shape alone, seen from the front."""
        return self.head_model.neutral().replace(shape=parameters.shape, camera=torch.tensor([_CAMERA]))

    def _difference(self, first: Parameters, second: Parameters) -> np.ndarray:
        """How far the second shape, laid on the first by the face, is from it: white nowhere, red at most."""
        rest = self._rest(first)
        heads = [self.head_model(self._rest(each)).vertices[0].double().numpy() for each in (first, second)]
        apart = np.zeros((1, len(heads[0]), 1), np.float32)
        one, two = (head[self.face] for head in heads)
        laid = similarity(two, one, with_scale=False)(two)
        apart[0, self.face, 0] = np.linalg.norm(laid - one, axis=1) * 1000 / _MOST
        vertices = self.head_model(rest).vertices
        surface = self.surface_model(vertices, project(vertices, rest.camera), 2 * PANEL, 2 * PANEL)
        seen = surface.fragments.interpolate(torch.from_numpy(apart.clip(0, 1)))
        form = 0.35 + 0.65 * surface.normals[:, 2:].clamp(0, 1)
        white, red = torch.tensor([0.95, 0.95, 0.95]), torch.tensor([0.8, 0.1, 0.05])
        picture = surface.fragments.image(torch.lerp(white, red, seen) * form)[0]
        alpha = surface.fragments.image(torch.ones_like(seen))[0]
        picture = 255 * picture + (1 - alpha) * torch.tensor(_PAPER)[:, None, None]
        halves = torch.nn.functional.avg_pool2d(picture[None], 2)[0]
        return halves.permute(1, 2, 0).round().byte().numpy()

    def _panel(self, parameters: Parameters, displacement: torch.Tensor) -> np.ndarray:
        """A posed head as clay with a displacement."""
        vertices = self.head_model(parameters).vertices
        larger = enlarged(displacement, _MAP_SIZE)
        normals = self.detail_model(vertices, larger)[0].numpy()
        sky = openness(vertices, self.head_model.triangles)
        view = look(self.data, vertices, project(vertices, parameters.camera), sky, PANEL)
        _, detailed = clay(view, self.grey, normals)
        return over(detailed, np.full((PANEL, PANEL, 3), _PAPER, np.uint8))


def _sittings(method: OnePass) -> list[tuple[Parameters, Parameters]]:
    """Two photos each of some people with synthetic wrinkles, then of some of London, as a method encodes
    them."""
    synthetic = detail.synthetic_pairs(method, detail.prepare())
    real = detail.london_pairs(method)
    return [synthetic[person] for person in _SYNTHETIC] + [real[person] for person in _LONDON]


def _truths() -> list[torch.Tensor | None]:
    """The true wrinkles of the first photos."""
    pictures = detail.prepare()
    known = [torch.from_numpy(pictures[2 * person].displacement)[None, None] for person in _SYNTHETIC]
    return known + [None] * len(_LONDON)


def _arranged(rows: Sequence[Sequence[np.ndarray | None]], names: Sequence[str]) -> Image.Image:
    """Panels in rows under the names of their columns."""
    picture = Image.new("RGB", (PANEL * len(names), CAPTION + PANEL * len(rows)), _PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    for column, name in enumerate(names):
        draw.text((PANEL * (column + 0.5), CAPTION / 2), name, _INK, font, anchor="mm")
        for row, panels in enumerate(rows):
            panel = panels[column]
            if panel is not None:
                picture.paste(Image.fromarray(panel), (PANEL * column, CAPTION + PANEL * row))
    return picture


def shape_rows(shipped: OnePass, without: OnePass) -> list[list[str]]:
    """Rows of figures: how well shapes tell people apart."""
    areas = [identity.measure(method) for method in (shipped, without)]
    return [
        ["area under the ROC curve, rigid", *(f"{area['rigid']:.3f}" for area in areas)],
        ["the same, with scale", *(f"{area['scaled']:.3f}" for area in areas)],
    ]


def detail_rows(shipped: OnePass, without: OnePass) -> list[list[str]]:
    """Rows of figures: what other codes change, and how right the displacement is."""
    swaps, correlations, pictures = [], [], detail.prepare()
    for method in (shipped, without):
        pairs = detail.synthetic_pairs(method, pictures), detail.london_pairs(method)
        swaps.append([detail.swaps(method, each) for each in pairs])
        correlations.append(np.mean([row.whole for row in detail.correlations(method, pictures)]))
    return [
        ["change between people over within, synthetic", *(f"{swap[0]:.1f}" for swap in swaps)],
        ["the same, london", *(f"{swap[1]:.1f}" for swap in swaps)],
        ["correlation in wrinkled regions", *(f"{value:.2f}" for value in correlations)],
    ]


if __name__ == "__main__":
    main()
