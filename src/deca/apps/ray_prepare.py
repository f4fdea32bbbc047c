"""`deca prepare` on a Ray cluster: workers make the faces, this process writes them into shards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import cv2

from deca.apps.face_preparation import Drop, FacePreparation, Prepared
from deca.apps.photo_table import PhotoSource
from deca.apps.prepare_options import PrepareOptions
from deca.apps.ray_engine import RayItem, RayResult, Work, ray_stream
from deca.apps.stream import stream
from deca.io.shard_members import EncodedFace


def prepare_on_ray(sources: Iterable[PhotoSource], options: PrepareOptions) -> Iterator[Prepared]:
    """What becomes of the photos, in no promised order; raises as `ray_stream` does.

    The photos are at paths that all machines of the cluster see; only this one needs the folder of shards.
    """
    segmenter = options.segmenter and options.segmenter.absolute()
    start = _Start(replace(options, folder=options.folder.absolute(), segmenter=segmenter))
    items = [RayItem(source.name, json.dumps(asdict(source))) for source in sources]
    for result in ray_stream(items, start, options.workers):
        if result.entry is None:
            path = options.folder / result.key
            error = f"{path}: the process that worked on it died, again and again; it may need more memory"
            yield Prepared(result.key, error=error)
        else:
            yield unpacked(result)


def packed(prepared: Prepared) -> RayResult:
    """A result as JSON values, and the files of its faces one after the other."""
    faces = [
        {
            "key": face.key,
            "about": face.about,
            "sizes": {name: len(data) for name, data in face.members.items()},
        }
        for face in prepared.faces
    ]
    entry = {"faces": faces, "drops": [asdict(drop) for drop in prepared.drops], "error": prepared.error}
    data = b"".join(data for face in prepared.faces for data in face.members.values())
    return RayResult(prepared.name, entry, data)


def unpacked(result: RayResult) -> Prepared:
    """The inverse of `packed`."""
    assert result.entry is not None
    faces, place = [], 0
    for face in result.entry["faces"]:
        members = {}
        for name, size in face["sizes"].items():
            members[name] = result.data[place : place + size]
            place += size
        faces.append(EncodedFace(face["key"], face["about"], members))
    drops = [Drop(**drop) for drop in result.entry["drops"]]
    return Prepared(result.key, faces, drops, result.entry["error"])


@dataclass(frozen=True)
class _Start:
    """Opens a worker's networks, once."""

    options: PrepareOptions

    def __call__(self) -> Work:
        cv2.setNumThreads(1)
        preparation = FacePreparation(self.options)

        def done(items: Sequence[RayItem]) -> Iterator[RayResult]:
            sources = [PhotoSource(**json.loads(item.told)) for item in items]
            for prepared in stream(sources, preparation.read, preparation.finish, batch_size=1, workers=1):
                yield packed(prepared)

        return done
