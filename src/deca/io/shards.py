"""Training shards: faces in tar files that the webdataset library reads too, and where each one is."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import sys
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from deca.io.shard_members import EncodedFace, ShardError, StoredFace, decode_face, encode_face

__all__ = ["MANIFEST", "ShardEntry", "ShardError", "ShardFolder", "ShardWriter", "StoredFace"]

MANIFEST = "manifest.jsonl"
FACES_A_SHARD = 1000
_ABOUT = ("identity", "photo", "source", "licence", "quality", "T_photo_crop")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SHARD = re.compile(r"shard-([0-9]{6,})\.tar")
_PART = re.compile(r"\.shard-[0-9]{6,}\.tar\.[0-9]+\.part")


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A line of the manifest: a face, and the part of a tar file that holds its files.

    The part is `size` bytes from `offset` on, of checksum `crc32`. `head` names the head model of a face of
    known `truth`. Everything else is as in the face's `about`.
    """

    key: str
    shard: str
    offset: int
    size: int
    crc32: int
    identity: str
    photo: str
    source: str
    licence: str
    quality: Mapping[str, float]
    truth: bool
    head: str | None


class ShardFolder:
    """The faces of a folder of shards, read in any order.

    It may be used by several threads, and by the processes that are forked from one or are sent it. What a
    ShardWriter adds later is not seen. Raises FileNotFoundError where there is no manifest, and ShardError
    for one that is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / MANIFEST).is_file():
            raise FileNotFoundError(
                f"{self.path}: no training shards here ({MANIFEST} is missing); make them with `deca prepare`"
            )
        self.entries, _ = _read_manifest(self.path / MANIFEST)

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, index: int) -> StoredFace:
        """One face; raises ShardError, which names shard and sample, where it is gone or damaged."""
        entry = self.entries[index]
        where = f"{self.path / entry.shard}: sample {entry.key}"
        try:
            # Opened for each face: thousands of shards would be more open files than a process may have.
            file = os.open(self.path / entry.shard, os.O_RDONLY)
            try:
                data = os.pread(file, entry.size, entry.offset)
            finally:
                os.close(file)
        except OSError as error:
            raise ShardError(f"{where} cannot be read ({error.strerror}); get the file again") from None
        if zlib.crc32(data) != entry.crc32:
            raise ShardError(f"{where} is damaged or cut short; get the file again")
        try:
            ((key, members, _, _),) = _samples(io.BytesIO(data))
            return decode_face(key, members)
        except (tarfile.TarError, ValueError) as error:
            raise ShardError(f"{where}: {error}; get the file again") from None


class ShardWriter:
    """Adds faces to a folder of shards, made if need be; to be used in a `with` block, by one thread.

    A shard of `faces_a_shard` faces or a few more appears in the folder, and its faces in the manifest,
    when it is full or the block ends. A process that is killed loses the faces of its last shard and
    nothing else; what it left half-done the next writer puts right. `entries` are the faces that were there
    before. Raises ShardError for a damaged folder or where another process writes there, and OSError where
    it cannot be written.
    """

    def __init__(self, path: str | Path, faces_a_shard: int = FACES_A_SHARD) -> None:
        self.path, self._most = Path(path), faces_a_shard
        self._shard: _OpenShard | None = None

    def __enter__(self) -> ShardWriter:
        self.path.mkdir(parents=True, exist_ok=True)
        self._manifest = os.open(self.path / MANIFEST, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _lock(self._manifest, self.path)
            for file in self.path.iterdir():
                if _PART.fullmatch(file.name):
                    file.unlink()
            self.entries = _repaired(self.path, self._manifest)
        except BaseException:
            os.close(self._manifest)
            raise
        self._keys = {entry.key for entry in self.entries}
        numbers = [int(match[1]) for match in map(_SHARD.fullmatch, os.listdir(self.path)) if match]
        self._next = max(numbers, default=-1) + 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish_shard()
        finally:
            if os.fstat(self._manifest).st_size == 0:
                (self.path / MANIFEST).unlink(missing_ok=True)
            os.close(self._manifest)

    def add(self, *faces: StoredFace | EncodedFace) -> None:
        """Add faces; those given together come into one shard.

        Raises ShardError for a key that is there already or is none, and OSError, which costs the faces of
        the unfinished shard, as on a full disk.
        """
        for face in faces:
            if not _KEY.fullmatch(face.key):
                raise ShardError(f"{face.key!r} is no key; use 1 to 80 of A-Z, a-z, 0-9, - and _")
        keys = [face.key for face in faces]
        for number, key in enumerate(keys):
            if key in self._keys or key in keys[:number]:
                raise ShardError(f"{self.path}: there is a sample {key} already")
        self._keys.update(keys)
        if self._shard is not None and len(self._shard.entries) >= self._most:
            self._finish_shard()
        if self._shard is None:
            self._shard = _OpenShard(self.path, f"shard-{self._next:06}.tar")
            self._next += 1
        try:
            for face in faces:
                self._shard.add(face if isinstance(face, EncodedFace) else encode_face(face))
        except BaseException:
            self._shard.discard()
            self._shard = None
            raise

    def _finish_shard(self) -> None:
        if self._shard is None:
            return
        shard, self._shard = self._shard, None
        shard.finish()
        _append(self._manifest, _lines(shard.entries))


class _OpenShard:
    """A tar file that is being written, under another name than it will have."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path, self._name = folder / name, name
        self._part = folder / f".{name}.{os.getpid()}.part"
        self._file = open(self._part, "wb")  # noqa: SIM115
        self.entries: list[ShardEntry] = []

    def add(self, face: EncodedFace) -> None:
        blocks = []
        for name, data in face.members.items():
            header = tarfile.TarInfo(f"{face.key}.{name}")
            header.size = len(data)
            blocks += [header.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % tarfile.BLOCKSIZE)]
        sample = b"".join(blocks)
        entry = _entry(face.key, self._name, self._file.tell(), sample, face.about, face.members)
        self._file.write(sample)
        self.entries.append(entry)

    def finish(self) -> None:
        try:
            self._file.write(bytes(2 * tarfile.BLOCKSIZE))
            self._file.close()
            os.replace(self._part, self._path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def _entry(
    key: str, shard: str, offset: int, sample: bytes, about: Mapping[str, Any], members: Collection[str]
) -> ShardEntry:
    """The line of the manifest for a sample, its files as they stand in the tar from `offset` on."""
    truth = "truth.npz" in members
    needed = [*_ABOUT, "head"] if truth else _ABOUT
    if missing := [name for name in needed if name not in about]:
        raise ShardError(f"sample {key}: its description lacks {', '.join(missing)}")
    return ShardEntry(
        key=key,
        shard=shard,
        offset=offset,
        size=len(sample),
        crc32=zlib.crc32(sample),
        identity=sys.intern(about["identity"]),
        photo=about["photo"],
        source=sys.intern(about["source"]),
        licence=sys.intern(about["licence"]),
        quality=about["quality"],
        truth=truth,
        head=about["head"] if truth else None,
    )


def _samples(stream: io.BufferedIOBase) -> Iterator[tuple[str, dict[str, bytes], int, int]]:
    """Key, files, start and end of each sample of a tar: neighbours whose names agree up to the first dot."""
    key, members, start, end = "", {}, 0, 0
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for header in archive:
            found, _, name = header.name.partition(".")
            if found != key:
                if members:
                    yield key, members, start, end
                key, members, start = found, {}, header.offset
            file = archive.extractfile(header)
            if file is None:
                raise ShardError(f"{header.name} is no file")
            members[name] = file.read()
            end = header.offset_data + header.size + -header.size % tarfile.BLOCKSIZE
    if members:
        yield key, members, start, end


def _read_manifest(path: Path) -> tuple[list[ShardEntry], int]:
    """The entries of a manifest, and at which byte of it the last shard's begin.

    A last line that was cut off by a crash is none.
    """
    entries: list[ShardEntry] = []
    place = last_shard = 0
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                values = json.loads(line)
                for name in ("shard", "identity", "source", "licence"):
                    values[name] = sys.intern(values[name])
                entry = ShardEntry(**values)
            except (ValueError, TypeError, KeyError):
                raise ShardError(
                    f"{path}: line {number} is not of this program; get the file again"
                ) from None
            if not entries or entry.shard != entries[-1].shard:
                last_shard = place
            entries.append(entry)
            place += len(line)
    return entries, last_shard


def _repaired(folder: Path, manifest: int) -> list[ShardEntry]:
    """The entries of a manifest, after what a killed writer left undone in it has been done.

    Shards appear before their lines, which may be missing or incomplete for the last ones: these are
    compared.
    """
    entries, last_shard = _read_manifest(folder / MANIFEST)
    entries = [entry for entry in entries if entry.shard != entries[-1].shard]
    listed = {entry.shard for entry in entries}
    unsure = sorted(set(filter(_SHARD.fullmatch, os.listdir(folder))) - listed)
    found = [entry for name in unsure for entry in _entries_of(folder / name)]
    lines = _lines(found)
    if os.pread(manifest, len(lines) + 1, last_shard) != lines:
        os.ftruncate(manifest, last_shard)
        _append(manifest, lines)
    return entries + found


def _entries_of(path: Path) -> list[ShardEntry]:
    """The lines of the manifest for a whole shard."""
    entries = []
    try:
        with open(path, "rb") as stream, open(path, "rb") as again:
            for key, members, start, end in _samples(stream):
                again.seek(start)
                about = json.loads(members["json"])
                entries.append(_entry(key, path.name, start, again.read(end - start), about, members))
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{path}: damaged, and not in the manifest ({error}); remove this file") from None
    return entries


def _lines(entries: Iterable[ShardEntry]) -> bytes:
    return b"".join(json.dumps(asdict(entry)).encode() + b"\n" for entry in entries)


def _append(file: int, data: bytes) -> None:
    """Append to a file all of the data, or nothing."""
    before = os.fstat(file).st_size
    try:
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(file, before)
        raise


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ShardError(f"{folder}: another run is writing there; wait for it") from None
    except OSError:
        # Some network file systems have no locks.
        return
