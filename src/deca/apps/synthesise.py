"""Synthetic faces of known truth as training shards: `deca synthesise`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from deca.apps.errors import UsageError
from deca.apps.photo_list import list_photos
from deca.apps.synthesise_options import SynthesiseOptions
from deca.head.data import HeadData, HeadError
from deca.io.heads import find_head
from deca.io.images import read_photo
from deca.io.networks import face_landmarker
from deca.io.parameter_files import ParameterFileError, read_parameters
from deca.io.shards import ShardError, ShardWriter
from deca.training.synthetic.generator import SyntheticConfig, SyntheticFaces, TexturedHead
from deca.training.synthetic.population import ExpressionSamples, Population, PopulationConfig

# Larger textures and backgrounds than this are not seen at the size of a crop, and fill the memory.
_TEXTURE_SIZE = 512
_BACKGROUND_SIZE = 640


def synthesise(options: SynthesiseOptions, console: Console) -> None:
    """Write faces until the folder holds `options.count`.

    A face follows from the seed and its number alone, so a run that was stopped goes on as if it had not
    been. Raises UsageError for folders that hold nothing usable.
    """
    if options.count < 1 or options.photos_a_person < 1 or options.size < 32:
        raise UsageError("--count and --photos-a-person must be at least 1, --size at least 32")
    torch.set_num_threads(1)
    # OpenCV's own threads would wait for each other.
    cv2.setNumThreads(1)
    try:
        data = find_head(options.head)
    except (HeadError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    heads = [] if options.faces is None else textured_heads(options.faces, data)
    backgrounds = [] if options.backgrounds is None else _pictures(options.backgrounds)
    config = SyntheticConfig(
        size=options.size,
        wrinkled=options.wrinkled,
        photographed=options.photographed,
        clear=options.clear,
    )
    turns = PopulationConfig(largest_yaw=math.radians(options.most_yaw))
    population = Population(data, expression_samples(heads), turns)
    # Without 468 places on the head nothing can be told of the points.
    landmarker = face_landmarker() if len(data.dense_landmark_triangles) else None
    faces = SyntheticFaces(data, population, heads, backgrounds, config, landmarker)
    try:
        with ShardWriter(options.out) as writer:
            todo = range(len(writer.entries), options.count)
            for number in track(todo, "synthesising", console=console, disable=not console.is_terminal):
                person, picture = divmod(number, options.photos_a_person)
                subject = faces.subject(
                    np.random.default_rng([options.seed, 0, person]), f"synthetic-{options.seed}-{person}"
                )
                random = np.random.default_rng([options.seed, 1, person, picture])
                writer.add(faces.face(subject, random, f"synthetic-{options.seed}-{number:08}"))
    except ShardError as error:
        raise UsageError(str(error)) from None


def textured_heads(folder: Path, data: HeadData) -> list[TexturedHead]:
    """The reconstructed faces of a folder, in the order of their names.

    A file `about.json` in a face's folder may say its identity, licence and source; without it they are
    unknown.
    """
    heads = []
    for path in sorted(folder.glob("*/parameters.json")):
        face = path.parent
        try:
            parameters = read_parameters(path, data).parameters
            texture = read_photo(face / "texture.png")
        except (ParameterFileError, FileNotFoundError) as error:
            raise UsageError(f"{face}: {error}") from None
        if max(texture.shape[:2]) > _TEXTURE_SIZE:
            texture = cv2.resize(texture, (_TEXTURE_SIZE, _TEXTURE_SIZE), interpolation=cv2.INTER_AREA)
        about = json.loads((face / "about.json").read_text()) if (face / "about.json").is_file() else {}
        heads.append(
            TexturedHead(
                name=face.name,
                identity=about.get("identity", face.name),
                licence=about.get("licence", "unknown"),
                source=about.get("source", "unknown"),
                texture=texture,
                parameters=parameters,
            )
        )
    if not heads:
        raise UsageError(f"{folder}: no reconstructed faces here; make them with `deca reconstruct`")
    return heads


def expression_samples(heads: list[TexturedHead]) -> ExpressionSamples | None:
    """What the faces of photos do; None where there are none."""
    if not heads:
        return None
    return ExpressionSamples(
        torch.cat([head.parameters.expression for head in heads]).numpy(),
        torch.cat([head.parameters.jaw for head in heads]).numpy(),
    )


def _pictures(folder: Path) -> list[np.ndarray]:
    pictures = []
    for path in list_photos([str(folder)]):
        picture = read_photo(path)
        larger = max(picture.shape[:2]) / _BACKGROUND_SIZE
        if larger > 1:
            size = (round(picture.shape[1] / larger), round(picture.shape[0] / larger))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        pictures.append(picture)
    return pictures
