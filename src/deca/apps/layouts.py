"""How published data sets of faces are arranged on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from deca.apps.errors import UsageError
from deca.apps.photo_list import files_inside
from deca.apps.prepare_options import Layout
from deca.io.images import SUFFIXES
from deca.io.videos import VIDEO_SUFFIXES


@dataclass(frozen=True)
class LayoutItem:
    """A photo or video of a published data set."""

    name: str
    identity: str
    source: str
    more: Mapping[str, str] = field(default_factory=dict)


def list_layout(folder: Path, layout: Layout) -> list[LayoutItem]:
    """The photos or videos of a published data set below a folder, sorted by name.

    UsageError, which says what was looked for, where there are none.
    """
    lister, wanted = _LAYOUTS[layout]
    items = sorted(lister(folder), key=lambda item: item.name)
    if not items:
        raise UsageError(f"{folder}: nothing here is arranged as {layout} is ({wanted})")
    return items


def _vggface2(folder: Path) -> Iterator[LayoutItem]:
    for name in files_inside(folder, SUFFIXES):
        *_, person, _file = ("", *PurePosixPath(name).parts)
        if re.fullmatch(r"n[0-9]{6}", person):
            yield LayoutItem(name, person, "VGGFace2")


def _bupt(folder: Path) -> Iterator[LayoutItem]:
    for name in files_inside(folder, SUFFIXES):
        *_, group, person, _file = ("", "", *PurePosixPath(name).parts)
        if group:
            yield LayoutItem(name, person, "BUPT-Balancedface", {"group": group})


def _voxceleb2(folder: Path) -> Iterator[LayoutItem]:
    for name in files_inside(folder, (*VIDEO_SUFFIXES, *SUFFIXES)):
        match = re.match(r"(?:.*/)?(id[0-9]{5})/([^/]+)/.+", name)
        if match:
            yield LayoutItem(name, match[1], "VoxCeleb2", {"video": match[2]})


def _celeba(folder: Path) -> Iterator[LayoutItem]:
    people: dict[str, str] = {}
    for table in sorted(folder.rglob("identity_CelebA.txt")):
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
            words = line.split()
            if len(words) != 2:
                raise UsageError(f"{table}: line {number} is not a file name and a number")
            people[words[0]] = words[1]
    for name in files_inside(folder, SUFFIXES):
        path = PurePosixPath(name)
        if path.parent.name.startswith("img_align_celeba") and path.name in people:
            yield LayoutItem(name, people[path.name], "CelebA")


_LAYOUTS = {
    "vggface2": (_vggface2, "n000001/0001_01.jpg"),
    "bupt": (_bupt, "African/m.0bcd/0001.jpg: a folder a group, a folder a person"),
    "voxceleb2": (_voxceleb2, "id00012/21Uxsk56VDQ/00001.mp4, or folders of its frames"),
    "celeba": (_celeba, "img_align_celeba/000001.jpg, and identity_CelebA.txt"),
}
