"""What several photos of one person gain over one alone: errors of known people, by the number of photos.

    python benchmarks/same_person.py            print the table
    python benchmarks/same_person.py --write    write docs/same-person.md too

People and photos are made from numbers; the photos are kept in build/. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple

import torch
from figures.people import PROJECT
from figures.person_errors import PersonErrors, PersonMeasure
from figures.sittings import Studio, Taken
from measure import describe_machine
from rich.console import Console
from rich.table import Table

from deca.apps.reconstruct import Reconstructor
from deca.apps.same_person import reconstruct_same_person

PHOTOS = 8
COUNTS = (1, 2, 4, 8)
PEOPLE = 10
# People of the training streams have smaller seeds.
FIRST_SEED = 20_000_000
MEAN_HEAD = "mean head"


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    console = Console(width=120)
    studio, reconstructor, measure = Studio(), Reconstructor(texture_size=512), PersonMeasure()
    errors: dict[str, list[PersonErrors]] = {}
    for seed in range(options.first, options.first + options.people):
        started = time.perf_counter()
        truth = studio.person(seed)
        photos = [studio.photo(seed, number) for number in range(PHOTOS)]
        errors.setdefault(MEAN_HEAD, []).append(measure.mean_head(truth))
        for count in COUNTS:
            found = [
                measure.of(truth, reconstruct_same_person(reconstructor, [one.task for one in group])[0])
                for group in groups(photos, count)
            ]
            errors.setdefault(str(count), []).append(PersonErrors.mean(found))
        console.print(seed, f"{time.perf_counter() - started:.0f} s")
        for name, rows in errors.items():
            console.print(name, *(f"{v:.2f}" for v in astuple(rows[-1])))
    console.print("MEAN")
    for name, rows in errors.items():
        console.print(name, *(f"{v:.2f}" for v in astuple(PersonErrors.mean(rows))))


def groups(photos: Sequence[Taken], count: int) -> Iterator[Sequence[Taken]]:
    """All photos, so many at a time."""
    return (photos[first : first + count] for first in range(0, len(photos), count))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED")
    parser.add_argument("--write", action="store_true", help="write docs/same-person.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
