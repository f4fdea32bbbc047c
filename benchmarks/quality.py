"""How good the default weights are on people held back from training (`make bench-quality`).

    python benchmarks/quality.py --prepare     render the test pictures, once; they are kept in build/quality
    python benchmarks/quality.py               measure and print the table
    python benchmarks/quality.py --write       write it to docs/quality.md and docs/quality.json too
    python benchmarks/quality.py --write --figures speed     the same; only the speed is measured anew

It needs ../shared/photos and ../shared/heads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from figures import detail, pose, shape, sitters
from figures.measured import FIGURES, Measured, keep, kept, measure
from figures.methods import Fit, MeanHead, Method, baselines, open_methods
from figures.page import page
from figures.people import PHOTOS, PROJECT, code_version
from figures.table import summary
from rich.console import Console
from rich.table import Table

from deca.io.default_networks import DEFAULT_NETWORKS
from deca.io.files import data_file


def main() -> None:
    """Measure what is asked for, print the table, and write it."""
    options = _options()
    torch.set_num_threads(1)
    if not (PHOTOS / "manifest.csv").is_file():
        raise SystemExit(f"{PHOTOS}: no photos there; the figures need those of people held back")
    console = Console(width=160)
    started = time.perf_counter()
    if options.prepare:
        _prepare()
        return
    try:
        methods = open_methods(options.networks, options.refine)
    except FileNotFoundError as error:
        console.print(f"without networks: {error}")
        methods = baselines()
    results = _measured(methods, options.networks, options.methods, options.figures, console)
    _print(results, console)
    console.print(f"{time.perf_counter() - started:.0f} s")
    if options.write:
        docs = PROJECT / "docs"
        (docs / "quality.md").write_text(page(results), encoding="utf-8")
        figures = {name: asdict(measured) for name, measured in results.items()}
        (docs / "quality.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prepare", action="store_true", help="render the test pictures and do no more")
    parser.add_argument("--write", action="store_true", help="write docs/quality.md and docs/quality.json")
    parser.add_argument("--networks", type=Path, help="a file of weights (those that ship)")
    parser.add_argument("--refine", type=int, default=10, metavar="STEPS", help="steps of the optimiser (10)")
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=FIGURES)
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help="measure these anew (the networks' and those not kept)"
    )
    return parser.parse_args()


def _prepare() -> None:
    sitters.prepare_textures()
    shape.prepare()
    pose.prepare()
    detail.prepare()


def _measured(
    methods: Sequence[Method],
    networks: Path | None,
    names: Sequence[str] | None,
    figures: Sequence[str],
    console: Console,
) -> dict[str, Measured]:
    """The figures of every method, measured or, where nothing they depend on has changed, kept."""
    results = {}
    for method in methods:
        constant = isinstance(method, Fit | MeanHead)
        version = _code() if constant else _weights(networks)
        known = kept(method.name)
        current = known[1] if known is not None and known[0] == version else None
        wanted = method.name in names if names else not constant or current is None
        if wanted:
            found = measure(method, figures, console.print)
            if current is not None:
                # The same weights: what is not measured anew is as it was.
                found = _updated(current, found)
            results[method.name] = found
            if current is not None or set(figures) == set(FIGURES):
                keep(method.name, version, found)
        elif current is not None:
            results[method.name] = current
    return _with_gains(results)


def _updated(old: Measured, new: Measured) -> Measured:
    """The old figures, but for those that the new ones have too."""
    groups, people = new.groups or old.groups, new.people or old.people
    return Measured(old.figures | new.figures, groups, people)


def _with_gains(results: dict[str, Measured]) -> dict[str, Measured]:
    """With the share by which each method's median shape error is below the mean head's."""
    mean = results.get(MeanHead.name)
    if mean is not None and "shape.median" in mean.figures:
        for measured in results.values():
            if "shape.median" in measured.figures and measured is not mean:
                ratio = measured.figures["shape.median"] / mean.figures["shape.median"]
                measured.figures["shape.gain"] = 100 * (1 - ratio)
    return results


def _print(results: dict[str, Measured], console: Console) -> None:
    figures = {name: measured.figures for name, measured in results.items()}
    table = Table("figure", *figures, "to be", title="People held back from training")
    for cells in summary(figures):
        table.add_row(*cells)
    console.print(table)


def _weights(networks: Path | None) -> str:
    """What the kept figures of the networks go by."""
    return hashlib.sha256((networks or data_file(DEFAULT_NETWORKS)).read_bytes()).hexdigest()[:16]


def _code() -> str:
    """What those of the optimiser and the mean head go by: the package's code and that of the figures."""
    code = code_version(*(f"{room}/*.py" for room in ("photo", "head", "fitting", "conversion")))
    own = b"".join(path.read_bytes() for path in sorted((Path(__file__).parent / "figures").glob("*.py")))
    return f"{code}-{hashlib.sha256(own).hexdigest()[:8]}"


if __name__ == "__main__":
    main()
