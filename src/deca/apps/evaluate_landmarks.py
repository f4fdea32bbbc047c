"""`deca evaluate landmarks`: landmarks of the 300-W and AFLW2000-3D layouts, to errors."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from deca.apps.errors import UsageError, output_error
from deca.apps.evaluate_options import LandmarkOptions
from deca.evaluation.landmark_error import (
    BOX_THRESHOLD,
    OUTER_EYE_THRESHOLD,
    YAW_BINS,
    LandmarkSummary,
    box_error,
    outer_eye_error,
    summarise,
    summarise_by_yaw,
)
from deca.io.files import whole_file
from deca.io.landmark_sets import (
    LandmarkFileError,
    Pair,
    pair,
    part_of_300w,
    read_300w,
    read_aflw2000_3d,
)

_NORMALISED = {"box": (box_error, BOX_THRESHOLD), "outer_eye": (outer_eye_error, OUTER_EYE_THRESHOLD)}


def evaluate_landmarks(options: LandmarkOptions, console: Console) -> int:
    """Measure, show, and write what was asked for; returns how many images have no prediction.

    UsageError where truths or predictions cannot be found or read.
    """
    try:
        truths = read_300w(options.data) if options.layout == "300w" else read_aflw2000_3d(options.data)
        pairs = pair(truths, options.predictions)
    except (LandmarkFileError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    figures = landmark_figures(pairs, options)
    _show(figures, console)
    try:
        if options.json is not None:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(options.json) as temporary:
                temporary.write_text(json.dumps(figures, indent=1) + "\n")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            with whole_file(options.out / "figures.json") as temporary:
                temporary.write_text(json.dumps(figures, indent=1) + "\n")
            _write_csv(figures["images"], options.out / "images.csv")
    except OSError as error:
        raise output_error(options.out or Path(str(options.json)).parent, error) from None
    return len(figures["missing"]) + len(figures["failed"])


def landmark_figures(pairs: list[Pair], options: LandmarkOptions) -> dict[str, Any]:
    """Errors by box and by outer eye corners in percent: of all, of the parts of 300-W, by yaw."""
    found: dict[str, Any] = {
        "benchmark": "landmarks",
        "layout": options.layout,
        "name": options.name,
        "missing": [each.truth.name for each in pairs if each.prediction is None and each.error is None],
        "failed": [{"image": each.truth.name, "error": each.error} for each in pairs if each.error],
        "images": [
            {
                "image": each.truth.name,
                **{
                    f"{name}_percent": 100 * error(each.prediction, each.truth.landmarks)
                    for name, (error, _) in _NORMALISED.items()
                },
                **({} if each.truth.yaw is None else {"yaw": each.truth.yaw}),
            }
            for each in pairs
            if each.prediction is not None
        ],
    }
    for name, (error, threshold) in _NORMALISED.items():
        errors = np.array(
            [
                np.inf if each.prediction is None else error(each.prediction, each.truth.landmarks)
                for each in pairs
            ]
        )
        told: dict[str, Any] = {"all": _told(summarise(errors, threshold))}
        if options.layout == "300w":
            parts = np.array([part_of_300w(each.truth) for each in pairs])
            for part in ("common", "challenging"):
                if (parts == part).any():
                    told[part] = _told(summarise(errors[parts == part], threshold))
        else:
            yaws = np.array([each.truth.yaw for each in pairs], np.float64)
            by_yaw = summarise_by_yaw(errors, yaws, threshold)
            for (least, most), each in zip(YAW_BINS, by_yaw.bins, strict=True):
                told[f"yaw {least} to {most}"] = _told(each)
            told["balanced_percent"] = 100 * by_yaw.balanced
            told["beyond"] = by_yaw.beyond
        found[name] = {"threshold_percent": 100 * threshold, **told}
    return found


def _told(summary: LandmarkSummary) -> dict[str, float]:
    told = asdict(summary)
    return {
        "mean_percent": 100 * told["mean"],
        "area_under_curve": told["area"],
        "failures_percent": 100 * told["failures"],
        "images": told["count"],
        "missing": told["missing"],
    }


def _show(figures: dict[str, Any], console: Console) -> None:
    table = Table(title=f"Landmarks, {figures['layout']}", title_justify="left")
    for column in ("", "normalised by", "mean, %", "area under curve", "failures, %", "images"):
        table.add_column(column, justify="right" if "," in column or column[:1] in "ai" else "left")
    for name in _NORMALISED:
        for part, each in figures[name].items():
            if isinstance(each, dict):
                table.add_row(
                    part,
                    name.replace("_", " "),
                    f"{each['mean_percent']:.2f}",
                    f"{each['area_under_curve']:.3f}",
                    f"{each['failures_percent']:.1f}",
                    str(each["images"]),
                )
        if "balanced_percent" in figures[name]:
            table.add_row(
                "mean of the bins", name.replace("_", " "), f"{figures[name]['balanced_percent']:.2f}"
            )
    console.print(table)
    if figures["missing"]:
        shown = ", ".join(figures["missing"][:5])
        console.print(f"{len(figures['missing'])} without a prediction: {shown}", style="yellow")
    for each in figures["failed"]:
        console.print(f"{each['image']}: {each['error']}", style="red", highlight=False)


def _write_csv(images: list[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(images[0]) if images else ["image"])
        writer.writeheader()
        writer.writerows(images)
