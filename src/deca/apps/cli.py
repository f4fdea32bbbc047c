"""The `deca` command: reconstruct, assets, doctor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional
from tyro.extras import SubcommandApp

from deca.apps.animate_options import AnimateOptions, RenderOptions
from deca.apps.bake_options import BakeOptions
from deca.apps.errors import OutputError, UsageError
from deca.apps.evaluate_options import (
    EvaluateOptions,
    LandmarkOptions,
    NowOptions,
    PredictOptions,
    RealyOptions,
    ScanOptions,
)
from deca.apps.options import ReconstructOptions
from deca.apps.prepare_options import PrepareOptions
from deca.apps.server.options import ServeOptions, ViewOptions
from deca.apps.synthesise_options import SynthesiseOptions
from deca.apps.track_options import TrackOptions
from deca.training.config import TrainConfig

_PUBLISHED = TrainConfig()
# Which extra brings a package that may lack.
_EXTRAS = {
    "av": "video",
    "fastapi": "serve",
    "matplotlib": "evaluate",
    "python_multipart": "serve",
    "trimesh": "evaluate",
    "uvicorn": "serve",
}

app = SubcommandApp()
assets = SubcommandApp()
evaluate = SubcommandApp()
app.command(assets, name="assets", help="Take in FLAME, DECA's weights and other heads that you own.")


app.command(evaluate, name="evaluate", help="Measure predictions by the benchmarks of the field.")


@app.command
def reconstruct(options: Annotated[ReconstructOptions, tyro.conf.arg(name="")]) -> int:
    """Turn photos into animatable, detailed 3D heads, one folder a face."""
    # Imported late: `deca --help` should not wait for PyTorch.
    from deca.apps.batch import reconstruct_photos
    from deca.apps.same_person import reconstruct_person

    if options.same_person:
        return _status(lambda: reconstruct_person(options, Console(stderr=True)), "nothing was written")
    return _status(lambda: reconstruct_photos(options, Console(stderr=True)))


@app.command(name="animate")
def animate_person(options: Annotated[AnimateOptions, tyro.conf.arg(name="")]) -> int:
    """Move a person's face by another photo, a video, face capture or a stored motion (docs/animation.md)."""
    from deca.apps.animate import animate

    return _status(lambda: animate(options, Console(stderr=True)), "nothing was written")


@app.command(name="track")
def track_video(options: Annotated[TrackOptions, tyro.conf.arg(name="")]) -> int:
    """Follow the people of a video: one identity each; expression, gaze, pose and light of every frame."""
    from deca.apps.track import track

    return _status(lambda: track(options, Console(stderr=True)), "nothing was written")


@app.command(name="render")
def render_person(options: Annotated[RenderOptions, tyro.conf.arg(name="")]) -> int:
    """Draw a person in another pose, expression and light, as a picture or a turntable."""
    from deca.apps.render import render

    return _status(lambda: render(options, Console(stderr=True)), "nothing was written")


@app.command
def bake(options: Annotated[BakeOptions, tyro.conf.arg(name="")]) -> int:
    """Write a reconstructed face's wrinkles as maps for Blender, Unity and Unreal (docs/engines.md)."""
    from deca.apps.bake import bake as run

    return _status(lambda: run(options, Console()), "nothing was written")


@app.command
def synthesise(options: Annotated[SynthesiseOptions, tyro.conf.arg(name="")]) -> int:
    """Make synthetic faces whose truth is known, as training shards."""
    from deca.apps.synthesise import synthesise as run

    return _status(lambda: run(options, Console(stderr=True)))


@app.command(name="prepare")
def prepare_photos(options: Annotated[PrepareOptions, tyro.conf.arg(name="")]) -> int:
    """Make training shards of a folder of photos: faces, landmarks, skin, and whose they are."""
    from deca.apps.prepare import prepare

    return _status(lambda: prepare(options, Console(stderr=True)))


@assets.command(name="add")
def add_assets(
    paths: Annotated[
        tuple[Path, ...],
        Positional,
        tyro.conf.arg(metavar="PATH ...", help="Files, or folders (searched in depth)."),
    ],
) -> int:
    """Recognise, check and convert files, and keep them in your folder of assets."""
    if not paths:
        print("deca: no files given; name the files, or a folder of them", file=sys.stderr)
        return 2
    with _asset_errors():
        from deca.apps.assets import add_files

        return 1 if add_files(paths, Console()) else 0


@assets.command(name="list")
def list_assets() -> int:
    """What is stored: what it is, of which file it was made, its licence and its SHA-256."""
    with _asset_errors():
        from deca.apps.asset_list import show_assets

        show_assets(Console())
    return 0


@assets.command(name="verify")
def verify_assets() -> int:
    """Hash every stored file again; one that is gone or was changed is an error."""
    with _asset_errors():
        from deca.apps.asset_list import verify

        return 1 if verify(Console()) else 0


@assets.command(name="remove")
def remove_asset(
    name: Annotated[str, Positional, tyro.conf.arg(metavar="NAME", help="As `deca assets list` shows it.")],
) -> int:
    """Remove what is stored under a name."""
    with _asset_errors():
        from deca.apps.assets import remove

        return 1 if remove(name, Console()) else 0


@assets.command(name="path")
def asset_path(
    name: Annotated[
        str | None, Positional, tyro.conf.arg(metavar="NAME", help="As `deca assets list` shows it.")
    ] = None,
) -> int:
    """The folder of the assets, or the files of one."""
    with _asset_errors():
        from deca.apps.asset_list import show_path

        show_path(name)
    return 0


@app.command
def train(
    config: Annotated[
        Path, Positional, tyro.conf.arg(metavar="CONFIG.json", help="Settings by name, any of those below.")
    ],
    settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = _PUBLISHED,
) -> int:
    """Train networks on shards of faces (docs/training.md); goes on where the same training was stopped.

    Options take the place of the file's settings.
    """
    from deca.apps.train import configured, exit_status, run_training, training_console

    # The options were read once for help and errors; what they do not say, the file does.
    arguments = sys.argv[2:]
    arguments.remove(str(config))
    try:
        return exit_status(run_training(configured(config, arguments), training_console()))
    except (UsageError, OutputError, ArithmeticError) as error:
        print(f"deca: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


@evaluate.command(name="now")
def evaluate_now_challenge(options: Annotated[NowOptions, tyro.conf.arg(name="")]) -> int:
    """The NoW challenge: distances from scans to predicted neutral heads (docs/evaluation.md)."""
    from deca.apps.evaluate import run_now

    return _status(lambda: run_now(options, Console()), "nothing was written")


@evaluate.command(name="feng")
def evaluate_feng_benchmark(options: Annotated[ScanOptions, tyro.conf.arg(name="")]) -> int:
    """The benchmark of Feng et al. (FG2018): the same, laid by landmarks alone."""
    from deca.apps.evaluate import run_feng

    return _status(lambda: run_feng(options, Console()), "nothing was written")


@evaluate.command(name="realy")
def evaluate_realy_benchmark(options: Annotated[RealyOptions, tyro.conf.arg(name="")]) -> int:
    """The REALY benchmark: errors of nose, mouth, forehead and cheek, each aligned by itself."""
    from deca.apps.evaluate import run_realy

    return _status(lambda: run_realy(options, Console()), "nothing was written")


@evaluate.command(name="landmarks")
def evaluate_landmark_sets(options: Annotated[LandmarkOptions, tyro.conf.arg(name="")]) -> int:
    """68 landmarks in photos: 300-W and AFLW2000-3D, by box and by outer eye corners."""
    from deca.apps.evaluate_landmarks import evaluate_landmarks

    return _status(lambda: evaluate_landmarks(options, Console()), "nothing was written")


@evaluate.command(name="detail")
def evaluate_detail_gain(options: Annotated[EvaluateOptions, tyro.conf.arg(name="")]) -> int:
    """What detail adds: against known displacements, high-resolution scans, and photos."""
    from deca.apps.evaluate_detail import evaluate_detail

    return _status(lambda: evaluate_detail(options, Console()), "nothing was written")


@app.command(name="predict-benchmark")
def predict_a_benchmark(options: Annotated[PredictOptions, tyro.conf.arg(name="")]) -> int:
    """Predict neutral heads of a benchmark's images, in its own format (docs/evaluation.md)."""
    from deca.apps.predict_benchmark import predict_benchmark

    return _status(lambda: predict_benchmark(options, Console()))


@app.command(name="serve")
def serve_page(options: Annotated[ServeOptions, tyro.conf.arg(name="")]) -> int:
    """Serve the page and its API: photos in, heads out (docs/page.md)."""

    def run() -> None:
        from deca.apps.server.run import serve

        serve(options, Console(stderr=True))

    return _status(run, "finished results are kept")


@app.command(name="view")
def view_heads(options: Annotated[ViewOptions, tyro.conf.arg(name="")]) -> int:
    """Show reconstructed heads in the browser: turn them, move them, change the light (docs/page.md)."""

    def run() -> None:
        from deca.apps.server.run import view

        view(options, Console(stderr=True))

    return _status(run, "nothing was changed")


def _status(run: Callable[[], int | None], interrupted: str = "the same command goes on from here") -> int:
    """The exit status of what returns how much failed; what stops it as a whole is told in one line."""
    try:
        return 1 if run() else 0
    except (UsageError, OutputError) as error:
        print(f"deca: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if extra is None:
            raise
        print(f"deca: {error.name} is not installed: pip install 'deca[{extra}]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"deca: interrupted; {interrupted}", file=sys.stderr)
        return 130


@app.command
def doctor() -> int:
    """Say what is installed, which device, heads and networks are here, and what is missing."""
    from deca.apps.doctor import examine

    table = Table("", "found", "to do", title="deca doctor", title_justify="left")
    findings = examine()
    for finding in findings:
        style = "" if not finding.remedy else "red" if finding.needed else "yellow"
        # Escaped: deca[serve] is no markup.
        table.add_row(*map(escape, (finding.subject, finding.found, finding.remedy)), style=style)
    Console().print(table)
    return 1 if any(finding.remedy and finding.needed for finding in findings) else 0


@contextmanager
def _asset_errors() -> Iterator[None]:
    """Say in one line what is wrong with an asset, and exit with 1."""
    from deca.conversion.asset import AssetError

    try:
        yield
    except AssetError as error:
        print(f"deca: {error}", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    """Run the command line; exits with 0 on success, 1 if a photo failed, 2 for wrong usage."""
    if sys.argv[1:] == ["--version"]:
        print(f"deca {version('deca')}")
        return
    description = f"deca {version('deca')}: one photo of a face in, an animatable detailed 3D head out."
    sys.exit(app.cli(prog="deca", description=description))
