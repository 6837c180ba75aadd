"""Verify bundles for a leaderboard, once each, and cache the outcome."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.bundle.pack import versions
from bench.bundle.verification import TOLERANCE, Deviation, Place, Verification
from bench.bundle.verify import verify
from bench.errors import DataError, UsageError, one_line
from bench.file_hash import hash_bytes_of
from bench.hashing import fingerprint
from bench.progress import Progress, Silent
from bench.storage.layout import DATABASE, FORMAT
from bench.user_cache import UserCache

_KIND = "verified-bundles"
_MOST_BYTES = 4_000_000_000  # of the user's cache, some 4,000 bundles
OTHER = "it changed while it was read; run the same command again"


@dataclass(frozen=True)
class VerifyOptions:
    """Options of verification.

    Attributes:
        tolerance: relative deviation up to which two numbers agree.
        trust_weights: also compute metrics whose parameters name files or hub repositories of weights.
        workers: number of worker processes; every core by default.
    """

    tolerance: float = TOLERANCE
    trust_weights: bool = False
    workers: int | None = None


@dataclass(frozen=True)
class Accepted:
    """A bundle whose numbers were reproduced from its audio.

    Attributes:
        file: its path.
        sha256: SHA-256 of the file.
        found: the outcome of its verification.
        run: a run folder without audio: its rows, with embeddings.
        recalled: whether it was verified by an earlier call.
    """

    file: Path
    sha256: str
    found: Verification
    run: Path
    recalled: bool


@dataclass(frozen=True)
class Refused:
    """A refused bundle.

    Attributes:
        file: its path.
        sha256: SHA-256 of the file; empty if it is unreadable.
        reasons: a line for each problem besides deviations.
        deviations: the values that differ, those of clips first.
    """

    file: Path
    sha256: str
    reasons: tuple[str, ...] = ()
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True)
class Decided:
    """The bundles by outcome; ``repeated`` are files with the same content as another one."""

    accepted: tuple[Accepted, ...]
    refused: tuple[Refused, ...]
    repeated: Mapping[Path, Path]


def find_bundles(paths: Iterable[Path]) -> list[Path]:
    """Return the files of paths, with folders replaced by their ``.zip`` files; each once.

    Raises:
        UsageError: a path does not exist, or a folder has no such file.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file")
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".zip" and file.is_file())
            if not files:
                raise UsageError(
                    f"{path} is a folder without .zip files; pack a run with 'tunebench export bundle {path} FILE.zip'"
                )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def decide(
    files: Sequence[Path], scratch: Path, options: VerifyOptions | None = None, progress: Progress | None = None
) -> Decided:
    """Verify bundles, except those already verified by this version.

    A bad bundle does not affect others. The order of files only decides which of equal ones counts.

    Args:
        files: the bundles.
        scratch: an empty folder for the runs of accepted ones.
        options: options of verification.
        progress: receives the progress.

    Returns:
        The bundles by outcome, in an order that does not depend on that of ``files``.
    """
    options, progress = options or VerifyOptions(), progress or Silent()
    cache = UserCache(_KIND, _MOST_BYTES)
    accepted: dict[str, Accepted] = {}
    refused: dict[str, Refused] = {}
    repeated: dict[Path, Path] = {}
    progress.begin("verifying bundles", len(files), 0)
    for file in files:
        try:
            sha256 = hash_bytes_of(file)
        except OSError as error:
            refused[str(file)] = Refused(file, "", (f"cannot be read ({error.strerror or error})",))
            continue
        finally:
            progress.advance(1)
        before = accepted.get(sha256) or refused.get(sha256)
        if before:
            repeated[file] = before.file
            continue
        outcome = _decide(file, sha256, scratch / sha256[:32], options, cache)
        if isinstance(outcome, Accepted):
            accepted[sha256] = outcome
        else:
            refused[sha256] = outcome
    cache.trim()
    in_order = sorted(accepted.values(), key=lambda one: (one.found.name, one.sha256))
    return Decided(
        tuple(in_order), tuple(sorted(refused.values(), key=lambda one: (one.file.name, one.sha256))), repeated
    )


def _decide(file: Path, sha256: str, run: Path, options: VerifyOptions, cache: UserCache) -> Accepted | Refused:
    key = fingerprint(
        {
            "bundle": sha256,
            "tunebench": [version("tunebench"), FORMAT, versions()],
            "options": [options.tolerance, options.trust_weights],
        }
    )
    run.mkdir()
    found, recalled = _recall(key, run, cache), True
    if found is None:
        recalled = False
        shutil.rmtree(run)
        run.mkdir()
        try:
            found = verify(file, options.tolerance, options.workers, options.trust_weights, keep=run)
            if hash_bytes_of(file) != sha256:
                raise DataError(f"{file}: {OTHER}")
        except Exception as error:  # it may come from anybody, and must not affect the others
            return Refused(file, sha256, (one_line(error).removeprefix(f"{file}: "),))
        if not found.unchecked:  # missing packages may be installed by the next time
            _remember(key, found, run, cache)
    if found.holds:
        return Accepted(file, sha256, found, run, recalled)
    first = sorted(found.deviations, key=lambda one: (one.place.grouping != "clip", one.quantity != "value"))
    return Refused(file, sha256, found.damage, tuple(first))


def _remember(key: str, found: Verification, run: Path, cache: UserCache) -> None:
    """Store an outcome, and the files of its run, each under its own key."""
    files = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    for name in files:
        cache.put(f"{key} {name}", (run / name).read_bytes())
    cache.put(key, json.dumps({"found": asdict(found), "files": files}, allow_nan=False).encode())


def _recall(key: str, run: Path, cache: UserCache) -> Verification | None:
    """Return a stored outcome and restore its run to the folder; None if any part is missing."""
    kept = cache.get(key)
    if kept is None:
        return None
    record = json.loads(kept)
    for name in record["files"]:
        content = cache.get(f"{key} {name}")
        if content is None:
            return None
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content)
    found = _outcome(record["found"])
    return None if found.holds and not (run / DATABASE).exists() else found


def _outcome(record: dict[str, Any]) -> Verification:
    deviations = tuple(Deviation(**{**one, "place": Place(*one["place"])}) for one in record["deviations"])
    versions_ = {name: (then, now) for name, (then, now) in record["versions"].items()}
    return Verification(
        **{**record, "damage": tuple(record["damage"]), "deviations": deviations, "versions": versions_}
    )
