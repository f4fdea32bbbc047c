"""docs/quality.md: the table of figures in Markdown, with how each is measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from figures.detail import PEOPLE
from figures.landmarks import TONES
from figures.measured import Measured
from figures.people import held_back_photos, london
from figures.pose import COUNT, SETS
from figures.sitters import TEXTURES
from figures.table import MISSING, Row, markdown, summary

_INTRODUCTION = """# How good the default weights are

Made by `make bench-quality`, on people who are held back from all training and tuning: one in five, by the
checksum of the name (`deca.training.split`). They are {london} people of the Face Research Lab London Set,
each neutral and smiling, and {congress} of the official portraits of the congress. *one pass* is the
networks alone, *refined* the networks and then `--refine`, *optimiser* `deca reconstruct --model fit`; of
the *mean head* only pose and camera are fitted.
"""
_HOW = """## How it is measured

- **Landmarks.** The head's 68 landmarks laid over the photo. london: the 14 whose place in the manual
  outlines is exactly the same. congress: all 68 against those that the landmark network finds, to which the
  optimiser itself is fitted. Means over photos, in percent of the distance between the outer eye corners.
- **Pose.** {poses} pictures a set of random default heads with expressions: *semi-synthetic* in the texture
  of a photo of a person held back, *synthetic* in a random albedo; mean absolute errors in degrees. Lamps,
  shadows, perspective, noise and JPEG come from a renderer of the benchmark's own
  (`benchmarks/figures/portraits.py`), not from the generator that training uses. Yaw, pitch and roll are
  those of R = R_y R_x R_z, which has no singular yaw. Each method gets the landmarks that the landmark
  network sees about where the face is (with a detector's error in place and size), whether or not the
  detector would find it.
- **Shape.** {heads} heads of ICT-FaceKit, another topology, with random weights N(0, 1), to 30° of yaw,
  every second with an expression, seen in perspective from 0.8 to 3 m, each in the texture of a held-back
  person's photo, carried over by registration. The protocol is that of `deca evaluate now`
  ([evaluation.md](evaluation.md)), not metrical; all distances of all heads count together. The scan is
  6,000 points that lie evenly on the outside of ICT-FaceKit's narrow face, without nostrils and the insides
  of lips, which no scanner sees; the prediction is the default head's outer skin. Shapes are of another
  origin than the default head's, expressions are not: its own are carried over from ICT-FaceKit, so
  that an expression is told from a shape more easily than in a head of wholly other origin.
- **Identity.** The distance of two shapes is the mean over the face's vertices, one shape laid on the
  other, rigidly or with scale. Each neutral photo is compared with each smiling one: one person's pair is
  to be nearer than two people's.
- **Detail.** {wrinkled} pictures, two a person, of people with synthetic wrinkles that training does not
  see. Correlation of predicted and true displacement over the seen texels that lie more than 0.1 mm off the
  mean of their surroundings; mean over pictures. A wrinkle that is found counts for nothing two
  texels off its place, so the third line tells the method the true head and pose. The optimiser's
  displacement is the relief that it reads from the picture's shading. A code of another photo or person is
  decoded under the photo's own expression and jaw; the change is the mean absolute one over the face.
- **Animation.** Of each pair of london, the neutral photo's code is decoded with the smile's expression and
  jaw (moving) or with its own (static). Both are put on the head as it is in the smiling photo, with the
  albedo and light that explain that photo best, and compared with it where they differ by more than 0.1 mm
  and bare skin is seen: the mean absolute difference of colours. In the second line the skin is not the
  albedo model's but that of the neutral photo, divided by its shading. The optimiser has no code: its moving
  wrinkles are the relief of the smiling photo itself, which is about what can be reached.
- **Skin tone** is the individual typology angle of cheeks and forehead as they are in the photo, so the
  light and the camera are in it. The lists of the photos hold neither sex nor age: there are no figures by
  them.
"""


def page(results: Mapping[str, Measured]) -> str:
    """The whole page."""
    figures = {name: measured.figures for name, measured in results.items()}
    counts = {"london": len(london("neutral")), "congress": len(held_back_photos("congress"))}
    parts = [
        _INTRODUCTION.format(**counts),
        markdown(["figure", *figures, "to be"], summary(figures)),
        "## The whole rotation, degrees",
        markdown(["pictures", *figures], [row[:-1] for row in summary(figures, _rotations())]),
        "## Landmark error by skin tone, % of the outer-eye distance, london and congress",
        _tones(results),
    ]
    people = {name: measured.people for name, measured in results.items() if measured.people}
    if people:
        parts += ["## Animation by person: error lower than with static wrinkles by, %", _people(people)]
    parts.append(_HOW.format(poses=COUNT, heads=TEXTURES, wrinkled=2 * PEOPLE))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _rotations() -> list[Row]:
    return [Row(name, (f"pose.{name}.rotation",), 1, "") for name in SETS]


def _tones(results: Mapping[str, Measured]) -> str:
    rows = []
    for tone in TONES:
        groups = [measured.groups.get(tone, []) for measured in results.values()]
        if any(groups):
            count = max(len(group) for group in groups)
            rows.append(
                [f"{tone} ({count})", *(f"{np.mean(group):.2f}" if group else MISSING for group in groups)]
            )
    return markdown(["tone (photos)", *results], rows)


def _people(people: Mapping[str, Mapping[str, float]]) -> str:
    names = sorted({identity for gains in people.values() for identity in gains})
    rows = [
        [name, *(f"{gains[name]:.1f}" if name in gains else MISSING for gains in people.values())]
        for name in names
    ]
    return markdown(["person", *people], rows)
