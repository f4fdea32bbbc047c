"""`deca animate`: one person's face moved by another photo, face capture, or a stored motion."""

from __future__ import annotations

from itertools import chain, repeat

from rich.console import Console
from rich.progress import track

from deca.animation.motion import Motion, eased, transferred
from deca.animation.person import Person
from deca.apps.animate_options import AnimateOptions
from deca.apps.drawing import VIDEO_ENDINGS, animated_frames, checked_output
from deca.apps.drivers import CAPTURE_SUFFIX, MOTION_SUFFIX, Driver, read_driver
from deca.apps.errors import UsageError, output_error
from deca.apps.people import open_person, write_animated_glb
from deca.io.maps import write_map
from deca.io.motion_files import MotionFileError, write_arkit, write_motion
from deca.io.videos import new_video

ENDINGS = (*VIDEO_ENDINGS, ".png", ".glb", CAPTURE_SUFFIX, MOTION_SUFFIX)
_FRAME_RATE = 30.0


def animate(options: AnimateOptions, console: Console) -> None:
    """Move a person as a driver says, and write what `options.out` asks for by its ending.

    Raises UsageError where nothing can be done, and OutputError where the result cannot be written.
    """
    ending = checked_output(options.out, ENDINGS, options.overwrite)
    if options.size < 16:
        raise UsageError(f"--size {options.size}: at least 16 pixels are needed")
    if options.neutral is not None and not options.transfer.relative:
        raise UsageError("--neutral is for --relative transfer; give both or neither")
    if options.seconds <= 0:
        raise UsageError(f"--seconds {options.seconds}: more than none are needed")
    person, model = open_person(options.source, options.of_model)
    data = person.deca.data
    driver = read_driver(options.driver, data, model, console)
    neutral = None
    if options.neutral is not None:
        neutral = read_driver(options.neutral, data, model, console).motion.parameters[0]
    elif options.transfer.relative and driver.still:
        raise UsageError("--relative with a single expression needs --neutral: the driver's face at rest")
    if "driver" in options.show and driver.pictures is None:
        raise UsageError(f"--show driver: {options.driver} has no pictures")
    motion = transferred(person.parameters, driver.motion, data, options.transfer, neutral)
    if driver.still and ending in (*VIDEO_ENDINGS, ".glb"):
        motion = eased(person.parameters, motion.parameters, options.seconds, _FRAME_RATE)
    try:
        _write(options, ending, person, motion, driver, console)
    except MotionFileError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise output_error(options.out.parent, error) from None
    console.print(f"{options.out}: {len(motion.times)} frames", highlight=False)


def _write(
    options: AnimateOptions, ending: str, person: Person, motion: Motion, driver: Driver, console: Console
) -> None:
    if ending == CAPTURE_SUFFIX:
        write_arkit(options.out, motion, person.deca.data)
    elif ending == MOTION_SUFFIX:
        write_motion(options.out, motion, person.deca.data)
    elif ending == ".glb":
        write_animated_glb(options.out, person, motion)
    else:
        pictures = driver.pictures() if driver.pictures is not None else iter(())
        # One picture of a photo stands beside every frame.
        beside = chain.from_iterable(map(repeat, pictures)) if driver.still else pictures
        frames = animated_frames(person, motion, options.show, options.size, beside)
        if ending == ".png":
            write_map(options.out, next(frames))
        else:
            shown = track(frames, "drawing", len(motion.times), console=console, transient=True)
            with new_video(options.out, motion.frame_rate) as append:
                for frame in shown:
                    append(frame)
