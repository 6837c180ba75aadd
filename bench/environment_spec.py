"""Specification of a Python environment for a user's program, by content: ``{python: …, requirements: …}``."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from bench.errors import MissingError, TunebenchError, UsageError, suggestion
from bench.file_hash import hash_file
from bench.file_names import looked_for
from bench.hashing import fingerprint
from bench.plain_text import plain_line
from bench.text_file import read_text

KEY_DIGITS = 16

SETTINGS = ("python", "requirements")
"""What an environment is made of."""
_VERSION = re.compile(r"3\.\d+(\.\d+)?")
_FILE_OPTION = re.compile(r"(?:(-[rce])\s*|(--requirement|--constraint|--editable)[\s=]+)(\S.*)")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tar.bz2")


@dataclass(frozen=True)
class EnvironmentSpec:
    """The Python and packages of an environment.

    Attributes:
        python: a version, such as ``3.11``, or the absolute path of an interpreter.
        arguments: the requirements as pip and uv take them.
        content: the same by content: files of requirements replaced by their lines, local packages replaced
            by their hashes.
        folder: base of relative paths in ``arguments``.
    """

    python: str
    arguments: tuple[str, ...]
    content: tuple[str, ...]
    folder: Path

    @property
    def key(self) -> str:
        """The name of its folder, which includes the platform, as machines may share a home folder."""
        machine = [sys.platform, platform.machine()]
        return fingerprint({"python": self.python, "content": self.content, "machine": machine})[:KEY_DIGITS]

    def __str__(self) -> str:
        return plain_line(f"Python {self.python}: {' '.join(self.arguments)}", 120)


def parse_environment(kind: str, given: Any, folder: Path) -> EnvironmentSpec:
    """Return what ``environment: {python: …, requirements: …}`` of a configuration stands for.

    Args:
        kind: the user of the environment, for messages: ``command model``.
        given: ``requirements`` is a list of pip requirements, or a file of them; ``python`` is a version or the path of
            an interpreter, by default the version that runs this.
        folder: base of relative paths.

    Raises:
        UsageError: it has another form, or a requirement could change unnoticed.
        MissingError: a file that it names does not exist.
    """
    if not isinstance(given, Mapping):
        raise UsageError(f"{kind}: environment is {given!r:.60}, must be {{python: …, requirements: …}}")
    if unknown := [name for name in given if name not in SETTINGS]:
        raise UsageError(
            f"{kind}: environment has '{unknown[0]}'{suggestion(str(unknown[0]), SETTINGS)}; the keys are python and "
            "requirements"
        )
    python = _python(kind, given.get("python"), folder)
    requirements = given.get("requirements")
    if isinstance(requirements, str) and requirements:
        file = folder / Path(requirements).expanduser()
        arguments: tuple[str, ...] = ("-r", str(file.absolute()))
        lines = [f"-r {file.absolute()}"]
    elif isinstance(requirements, list | tuple) and all(isinstance(one, str) for one in requirements):
        lines = [line for one in requirements for line in _lines(one)]
        arguments = tuple(part for one in lines for part in (shlex.split(one) if one.startswith("-") else [one]))
    else:
        lines = []
    if not lines:
        raise UsageError(
            f"{kind}: environment.requirements is {requirements!r:.60}, must be a list such as [torch==2.6.0, ./mine], "
            "or a file of requirements"
        )
    try:
        content = tuple(_content(lines, folder, folder, ()))
    except TunebenchError as error:
        raise type(error)(f"{kind}: environment.requirements: {error}") from error
    return EnvironmentSpec(python, arguments, content, folder.absolute())


def _python(kind: str, given: Any, folder: Path) -> str:
    if given is None:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    if isinstance(given, str) and _VERSION.fullmatch(given):
        return given
    if isinstance(given, str) and os.sep in given:
        return str((folder / Path(given).expanduser()).absolute())
    quoted = f"; write it in quotes: python: '{given}'" if isinstance(given, int | float) else ""
    raise UsageError(
        f"{kind}: environment.python is {given!r:.60}, must be a version such as '3.11' or the path of an interpreter"
        f"{quoted}"
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a file of requirements, without comments, with continued lines joined."""
    joined = re.sub(r"\s*\\\r?\n\s*", " ", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _content(lines: Sequence[str], beside: Path, folder: Path, within: tuple[Path, ...]) -> Iterator[str]:
    """Yield requirements by content.

    Args:
        lines: as `_lines` gives them.
        beside: folder of the files of ``-r`` and ``-c``: as in pip, that of the file that names them.
        folder: folder of local packages: the one that pip runs in.
        within: the files that include this one.
    """
    for line in lines:
        if not (found := _FILE_OPTION.fullmatch(line)):
            local = _local_package(line, folder)
            yield line if local is None else f"sha256:{_hash_of(local)}"
            continue
        option, name = found[1] or found[2], found[3].strip("'\"")
        if option in ("-e", "--editable"):
            raise UsageError(f"'{line}' could change unnoticed; leave out {option}")
        file = (beside / name).resolve()
        if not file.is_file():
            raise MissingError(f"there is no file {beside / name}{looked_for(beside / name)}")
        if file in within:
            raise UsageError(f"{file} includes itself")
        constraint = "constraint " if option in ("-c", "--constraint") else ""
        for inner in _content(_lines(read_text(file)), file.parent, folder, (*within, file)):
            yield f"{constraint}{inner}"


def _local_package(line: str, folder: Path) -> Path | None:
    """Return the file or folder that a requirement installs; None for a package of an index.

    Raises:
        MissingError: it is a path that does not exist.
    """
    if line.startswith("-"):
        return None
    target = re.split(r"\s+;|\s+--", line.partition(" @ ")[2] or line)[0].strip()
    if target.startswith("file:"):
        target = unquote(urlparse(target).path)
    elif "://" in target:
        return None
    target = re.sub(r"\[[^\]]*\]$", "", target)
    path = folder / target
    if target.startswith((".", os.sep)) or (path.exists() and (os.sep in target or target.endswith(_ARCHIVES))):
        if not path.exists():
            raise MissingError(f"there is no file or folder {path}{looked_for(path)}")
        return path
    return None


def _hash_of(package: Path) -> str:
    """Return the hash of a file, or of all files of a folder except those that builds create."""
    if package.is_file():
        return hash_file(package)
    hashes = {}
    for place, folders, files in os.walk(package):
        here = Path(place)
        built = {"build", "dist"} if here == package else set()
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__pycache__")) and not name.endswith(".egg-info") and name not in built
        ]
        for name in files:
            with suppress(OSError):
                hashes[(here / name).relative_to(package).as_posix()] = hash_file(here / name)
    return fingerprint(hashes)
