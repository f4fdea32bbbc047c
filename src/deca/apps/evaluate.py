"""`deca evaluate`: measure, show the table, and write what was asked for."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from deca.apps.evaluate_feng import evaluate_feng
from deca.apps.evaluate_now import evaluate_now
from deca.apps.evaluate_options import EvaluateOptions, NowOptions, RealyOptions, ScanOptions
from deca.apps.evaluate_realy import evaluate_realy
from deca.apps.evaluation_outcomes import Evaluation
from deca.apps.evaluation_report import Pictures, show, write_json, write_report


def run_now(options: NowOptions, console: Console) -> int:
    """The NoW challenge; returns how many images have no result."""
    _check_drawing(options)
    evaluation = evaluate_now(options, console)
    if options.out is None:
        return _told(evaluation, options, console, {})
    # Drawing needs PyTorch, which measuring does not.
    from deca.apps.evaluate_pictures import now_pictures

    return _told(evaluation, options, console, now_pictures(evaluation, options))


def run_feng(options: ScanOptions, console: Console) -> int:
    """The benchmark of Feng et al.; returns how many images have no result."""
    _check_drawing(options)
    evaluation = evaluate_feng(options, console)
    if options.out is None:
        return _told(evaluation, options, console, {})
    from deca.apps.evaluate_pictures import feng_pictures

    return _told(evaluation, options, console, feng_pictures(evaluation, options))


def run_realy(options: RealyOptions, console: Console) -> int:
    """The REALY benchmark; returns how many regions have no result."""
    _check_drawing(options)
    evaluation = evaluate_realy(options, console)
    if options.out is None:
        return _told(evaluation, options, console, {})
    from deca.apps.evaluate_pictures import realy_pictures

    return _told(evaluation, options, console, realy_pictures(evaluation, options))


def _check_drawing(options: EvaluateOptions) -> None:
    """What is missing for a report is told before hours of measuring."""
    if options.out is not None:
        import matplotlib  # noqa: F401


def _told(evaluation: Evaluation, options: EvaluateOptions, console: Console, pictures: Pictures) -> int:
    show(evaluation, console)
    if options.json is not None:
        write_json(evaluation, options.json)
        console.print(f"{options.json}", highlight=False)
    if options.out is not None:
        write_report(evaluation, options.out, pictures)
        console.print(f"{Path(options.out) / 'index.html'}", highlight=False)
    return len(evaluation.outcomes) - len(evaluation.measured)
