"""Bundles as zip files: written reproducibly, and unpacked without trusting them."""

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
# Text compresses to a twentieth, a database to a tenth; a higher ratio is an attack.
_MOST_GROWTH, _MOST_DATABASE_GROWTH = 100, 40
_FREE = 1 << 20  # bytes that a small file may always unpack to
# Python needs 20 times the size of JSON text for its content, and 100 times that of YAML.
_MOST = {INDEX: 1 << 25, LEADERBOARD: 1 << 25, CONFIG: 1 << 19, SCORES: 1 << 27}  # bytes
_MOST_DIRECTORY = 1 << 25  # bytes: of 300,000 clips
_MOST_PARTS = 1 << 21  # of a JSON text: names, values, lists and objects


class _Bundle(io.BufferedReader):
    """A file that limits the size of reads, since zipfile reads a whole directory at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY:
            raise DataError(f"its directory has {size} bytes, too many for a bundle")
        return super().read(size)


class Packed(NamedTuple):
    """A file of a bundle: SHA-256 of its content, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Unpacked:
    """Content of a bundle: its index, and all other files."""

    index: Mapping[str, Any]
    files: Mapping[str, Packed]


def write_files(archive: zipfile.ZipFile, files: Iterable[tuple[str, Path | bytes]]) -> Iterator[tuple[str, Packed]]:
    """Add files in order, with names and contents only, and yield each after it is added.

    Args:
        archive: open for writing.
        files: names in the bundle, each with the file or its content; audio is stored as it is, the rest compressed.
    """
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

    Args:
        bundle: the file.
        folder: an existing folder.

    Raises:
        UsageError: there is no such file, or it is a folder.
        DataError: not a bundle, truncated, damaged, or malicious: names that a bundle does not have, duplicate names,
            links, encryption, implausibly large contents.
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
            raise ValueError("it has too many values for a bundle")
        return as_json(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not valid JSON ({str(error).splitlines()[0]})") from None


def as_json(text: str) -> Any:
    """Parse JSON that every parser reads in the same way.

    Raises:
        ValueError: it is not JSON, holds numbers that are not finite, or a name twice in one object.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"holds {constant}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("has a duplicate name in an object")
        return found

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def _check(entries: list[zipfile.ZipInfo], size: int) -> None:
    seen: set[str] = set()
    for entry in entries:
        # orig_filename: the raw name, before NUL or backslash handling.
        name = entry.orig_filename
        if not is_known(name) or entry.filename != name:
            raise DataError(f"has {name[:200]!r}, which no bundle has")
        if name in seen:
            raise DataError(f"holds {name} twice")
        seen.add(name)
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise DataError(f"{name} is a link or a device, not a file")
        if entry.flag_bits & 0x1:
            raise DataError(f"{name} is encrypted")
        stored = entry.compress_type == zipfile.ZIP_STORED
        if not stored and (entry.compress_type != zipfile.ZIP_DEFLATED or is_audio(name)):
            raise DataError(f"{name} is compressed in an unsupported way")
        growth = _MOST_GROWTH if name in _MOST else _MOST_DATABASE_GROWTH
        most = entry.compress_size if stored else entry.compress_size * growth + _FREE
        if entry.file_size > min(most, _MOST.get(name, most)):
            raise DataError(f"{name} would unpack to {entry.file_size} bytes, an implausible size")
    packed = sum(entry.compress_size for entry in entries)
    if packed > size:
        raise DataError(f"its files overlap: together they take {packed} bytes of a file of {size}")


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
        raise DataError(f"{entry.filename} has {size} bytes, not the {entry.file_size} that it declares")
    return Packed(digest.hexdigest(), size)


@contextmanager
def _explained(bundle: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{bundle}: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"{bundle}: no such file") from None
    # zipfile may raise various errors for crafted or truncated files.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        said = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{bundle}: truncated, damaged or not a zip file ({said}); get it again") from None
    except OSError as error:
        raise DataError(f"{bundle}: cannot be unpacked ({error.strerror or error})") from None
