"""What several photos of one person gain over one alone: errors of known people by the number of photos.

    python benchmarks/same_person.py            measure and print the tables
    python benchmarks/same_person.py --write    write docs/same-person.md too

People and photos are made from numbers. Photos, and the errors of each person, are kept in build/: a run that
was stopped goes on. A person takes two and a half minutes.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import torch
from figures.people import PROJECT, code_version, kept_arrays
from figures.person_errors import PersonErrors, PersonMeasure
from figures.sittings import LARGEST_BLUR, LARGEST_YAW, Studio, Taken
from figures.table import markdown
from rich.console import Console
from rich.progress import track

from deca.apps.reconstruct import FaceTask, Reconstructor
from deca.apps.same_person import reconstruct_same_person

COUNTS = (1, 2, 4, 6)
PEOPLE = 8
# People of training have smaller seeds, those that this was tried on greater ones.
FIRST_SEED = 20_000_000
# Of the photos of a person as many are looked at singly, in pairs and in fours.
_SHARED = 4
_MEAN_HEAD = "mean head"
_ROWS = {
    "shape": ("Shape, mm", 2),
    "albedo": ("Albedo", 2),
    "texture": ("Texture", 2),
    "marks": ("Texture without its tone", 2),
    "detail": ("Normals of the neutral relief, degrees", 2),
}
_PAGE = """# What several photos of one person gain

Made by `python benchmarks/same_person.py --write`: {people} people made from numbers, {photos} photos of
each, and what `deca reconstruct --same-person` makes of some or all of them. Means over people.

## With the points that the landmark network finds

{found}

## With the true points, each a pixel off

{told}

The network's points lie {off:.1f} % of the face's height off the true ones (root mean square). What it sees
wrongly in every photo of a face alike, no number of photos takes away: with its points the shape gains less
by more photos than with true ones.

## How it is measured

- **People** are default heads with random shape, albedo with blotches, freckles and moles, and wrinkles of
  an age. None of them took part in training, nor was anything chosen by them.
- **Photos** differ in expression, gaze, pose (yaw to {yaw:.0f}°), light, distance, size, noise and
  sharpness (blurred by up to {blur} pixels). The renderer is that of [quality.md](quality.md), not the
  generator that training uses. One photo shows {seen} of the face.
- **Numbers of photos.** {shared} photos of each person are reconstructed singly, in pairs and together, and
  then all {photos}; errors of singles and pairs are means.
- **Shape.** Mean distance of the neutral face's vertices, laid on each other with scale. **Albedo** (of the
  albedo model) and **texture**: mean absolute difference of sRGB over the face, in steps of 255; *without
  its tone* is the texture less its mean over some five millimetres: brows, lips, freckles. **Normals**:
  mean angle between the neutral head's normals under the found and the true relief.
- The **mean head** has mean shape and albedo and no relief. Where its normals are
  nearer, most of what shading is taken for is no wrinkle.
"""


Errors = Mapping[str, PersonErrors]
"""The errors of one person: of the mean head, and by the number of photos."""


def main() -> None:
    """Measure who is not measured yet, print the tables, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"how many ({PEOPLE})")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first one's number")
    parser.add_argument("--write", action="store_true", help="write docs/same-person.md too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=120)
    bench = Bench()
    seeds = range(options.first, options.first + options.people)
    measured = [bench.person(seed) for seed in track(seeds, "people", disable=not console.is_terminal)]
    text = page(*zip(*measured, strict=True))
    console.print(text, highlight=False, markup=False)
    if options.write:
        (PROJECT / "docs" / "same-person.md").write_text(text, encoding="utf-8")


class Bench:
    """What every person is measured with."""

    def __init__(self) -> None:
        self.studio, self.measure = Studio(), PersonMeasure()
        self.reconstructor = Reconstructor(texture_size=512)

    def person(self, seed: int) -> tuple[Errors, Errors, float, float]:
        """The errors with the network's points and with true ones; of one photo, the share of the face that
        it shows and how far the network's points are off, as a share of the face's height."""
        photos = [self.studio.photo(seed, number) for number in range(COUNTS[-1])]
        path = PROJECT / "build" / f"same_person_errors-{_version()}" / f"{seed}.npz"
        kept = kept_arrays(path, lambda: self._measured(seed, photos))
        found, told = (
            {
                name: PersonErrors(*kept[f"{points} {name}"].tolist())
                for name in (_MEAN_HEAD, *map(str, COUNTS))
            }
            for points in ("found", "told")
        )
        seen = float(np.mean([self.measure.face_share(photo.seen) for photo in photos]))
        return found, told, seen, float(np.mean([points_off(photo) for photo in photos]))

    def _measured(self, seed: int, photos: Sequence[Taken]) -> dict[str, np.ndarray]:
        truth = self.studio.person(seed)
        errors = {}
        for points in ("found", "told"):
            tasks = [getattr(photo, points) for photo in photos]
            errors[f"{points} {_MEAN_HEAD}"] = self.measure.mean_head(truth)
            for count in COUNTS:
                results = [
                    reconstruct_same_person(self.reconstructor, group)[0] for group in groups(tasks, count)
                ]
                errors[f"{points} {count}"] = PersonErrors.mean(
                    [self.measure.of(truth, result) for result in results]
                )
        return {name: np.array(astuple(one)) for name, one in errors.items()}


def points_off(photo: Taken) -> float:
    """Root mean square distance of the network's points from the true ones, by the face's height."""
    found, true = (task.found.dense468[:, :2] for task in (photo.found, photo.told))
    return float(np.sqrt(np.square(found - true).sum(1).mean()) / np.ptp(true[:, 1]))


def groups(tasks: Sequence[FaceTask], count: int) -> list[Sequence[FaceTask]]:
    """The first photos, so many at a time."""
    return [tasks[first : first + count] for first in range(0, max(_SHARED, count), count)]


def table(people: Sequence[Errors]) -> str:
    """Errors in Markdown: a row an error, a column a number of photos."""
    names = (_MEAN_HEAD, *map(str, COUNTS))
    means = [asdict(PersonErrors.mean([person[name] for person in people])) for name in names]
    rows = [
        [label, *(f"{mean[name]:.{places}f}" for mean in means)] for name, (label, places) in _ROWS.items()
    ]
    heading = [_MEAN_HEAD, "1 photo", *(f"{count} photos" for count in COUNTS[1:])]
    return markdown(["error", *heading], rows)


def page(found: Sequence[Errors], told: Sequence[Errors], seen: Sequence[float], off: Sequence[float]) -> str:
    """The whole page."""
    return _PAGE.format(
        people=len(found),
        photos=COUNTS[-1],
        shared=_SHARED,
        found=table(found),
        told=table(told),
        seen=f"{100 * np.mean(seen):.0f} %",
        off=100 * np.mean(off),
        yaw=LARGEST_YAW,
        blur=LARGEST_BLUR,
    )


def _version() -> str:
    """What kept errors go by: the package's code and that of people, photos and errors."""
    code = code_version(*(f"{room}/*.py" for room in ("photo", "head", "fitting")), "apps/same_person.py")
    figures = Path(__file__).parent / "figures"
    own = [figures / f"{name}.py" for name in ("alignment", "person_errors", "portraits", "sittings")]
    return f"{code}-{hashlib.sha256(b''.join(path.read_bytes() for path in own)).hexdigest()[:8]}"


if __name__ == "__main__":
    main()
