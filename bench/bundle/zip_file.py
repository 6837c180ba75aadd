"""Bundles as zip files: written the same each time, and unpacked without trust in who wrote them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import DataError, UsageError
from bench.regular_file import open_regular
from bench.storage.layout import CONFIG, INDEX, LEADERBOARD, SCORES, is_audio, is_known

_BLOCK = 1 << 20
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
# A text shrinks to a twentieth, a database to a tenth; what grows to so many times its size is made to.
_MOST_GROWTH, _MOST_DATABASE_GROWTH = 100, 40
_FREE = 1 << 20  # bytes that a small file may grow to whatever it is made of
# Python takes twenty times the size of a JSON text for what stands in it, and a hundred times that of YAML.
_MOST = {INDEX: 1 << 25, LEADERBOARD: 1 << 25, CONFIG: 1 << 19, SCORES: 1 << 27}  # bytes
_MOST_DIRECTORY = 1 << 25  # bytes: of 300,000 clips
_MOST_PARTS = 1 << 21  # of a JSON text: names, values, lists and objects


class _Bundle(io.BufferedReader):
    """A file that is not read in pieces larger than the directory of an honest bundle, which zipfile reads at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY:
            raise DataError(f"its directory has {size} bytes, more than that of a bundle")
        return super().read(size)


class Packed(NamedTuple):
    """A file of a bundle: SHA-256 of its content, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Unpacked:
    """What a bundle held: its index, and each file but that."""

    index: Mapping[str, Any]
    files: Mapping[str, Packed]


def write_files(archive: zipfile.ZipFile, files: Iterable[tuple[str, Path | bytes]]) -> Iterator[tuple[str, Packed]]:
    """Add files in the order given, and yield each when it is in; nothing but names and contents goes in."""
    for name, content in files:
        entry = zipfile.ZipInfo(name, _LONG_AGO)
        entry.create_system = 3  # Unix, wherever this runs
        entry.external_attr = (stat.S_IFREG | 0o644) << 16
        entry.compress_type = zipfile.ZIP_STORED if is_audio(name) else zipfile.ZIP_DEFLATED
        entry.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
        digest, size = hashlib.sha256(), 0
        with (
            io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source,
            archive.open(entry, "w") as target,
        ):
            while block := source.read(_BLOCK):
                target.write(block)
                digest.update(block)
                size += len(block)
        yield name, Packed(digest.hexdigest(), size)


def unpack(bundle: Path, folder: Path) -> Unpacked:
    """Write the files of a bundle into an empty folder, none of them outside it.

    Raises:
        UsageError: there is no such file, or it is a folder.
        DataError: no bundle, a truncated or damaged one, or one that is made to do harm: names that a bundle does not
            have, a name twice, links, encryption, contents larger than they can honestly be.
    """
    if bundle.is_dir():
        raise UsageError(f"{bundle} is a folder; pack a run with 'tunebench export bundle {bundle} FILE.zip'")
    with _explained(bundle), _Bundle(open_regular(bundle).detach()) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check(entries, os.fstat(file.fileno()).st_size)
        if sum(entry.file_size for entry in entries) > shutil.disk_usage(folder).free:
            raise DataError(f"unpacked it would fill the disk that {folder} is on; set TMPDIR to a larger one")
        files = {entry.filename: _extract(archive, entry, folder) for entry in entries}
        if INDEX not in files:
            raise DataError(f"not a bundle, it has no {INDEX}; make one with 'tunebench export bundle RUN'")
        del files[INDEX]
        index = read_json(folder / INDEX)
        if not isinstance(index, dict):
            raise DataError(f"its {INDEX} is not a JSON object")
    return Unpacked(index, files)


def read_json(path: Path) -> Any:
    """Return a JSON file of a bundle.

    Raises:
        DataError: as `as_json` raises ValueError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if sum(text.count(mark) for mark in "[{:,") > _MOST_PARTS:
            raise ValueError("it has more parts than that of any bundle")
        return as_json(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not valid JSON ({str(error).splitlines()[0]})") from None


def as_json(text: str) -> Any:
    """Return JSON that every reader reads alike.

    Raises:
        ValueError: it is not JSON, holds numbers that are not finite, or a name twice in one object.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"holds {constant}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("holds a name twice in one object")
        return found

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def _check(entries: list[zipfile.ZipInfo], size: int) -> None:
    seen: set[str] = set()
    for entry in entries:
        # orig_filename: what stands there, before a NUL cuts it or a backslash is turned.
        name = entry.orig_filename
        if not is_known(name) or entry.filename != name:
            raise DataError(f"holds {name[:200]!r}, which no bundle holds")
        if name in seen:
            raise DataError(f"holds {name} twice")
        seen.add(name)
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise DataError(f"{name} is a link or a device, not a file")
        if entry.flag_bits & 0x1:
            raise DataError(f"{name} is encrypted")
        stored = entry.compress_type == zipfile.ZIP_STORED
        if not stored and (entry.compress_type != zipfile.ZIP_DEFLATED or is_audio(name)):
            raise DataError(f"{name} is compressed in a way that bundles are not")
        growth = _MOST_GROWTH if name in _MOST else _MOST_DATABASE_GROWTH
        most = entry.compress_size if stored else entry.compress_size * growth + _FREE
        if entry.file_size > min(most, _MOST.get(name, most)):
            raise DataError(f"{name} would unpack to {entry.file_size} bytes, more than it can honestly hold")
    if sum(entry.compress_size for entry in entries) > size:
        raise DataError("its files overlap")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> Packed:
    path = folder / entry.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(entry) as source, path.open("xb") as target:
        # Python reads no more than was declared, and compares the checksum at the end.
        while block := source.read(_BLOCK):
            target.write(block)
            digest.update(block)
            size += len(block)
    if size != entry.file_size:
        raise DataError(f"{entry.filename} holds {size} bytes, not the {entry.file_size} that it declares")
    return Packed(digest.hexdigest(), size)


@contextmanager
def _explained(bundle: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{bundle}: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"{bundle}: no such file") from None
    # What zipfile raises over a file that is made up or cut off depends on where.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        said = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{bundle}: truncated, damaged or no zip file ({said}); get it again") from None
    except OSError as error:
        raise DataError(f"{bundle}: cannot be unpacked ({error.strerror or error})") from None
