"""Verify a bundle: files are unchanged, and numbers can be recomputed from the audio.

No code of a bundle is run: metrics are those installed here, and other files that it names (plugin files,
weights) are not opened unless the user trusts it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.bundle.consistency import wrong_configuration, wrong_description, wrong_identities
from bench.bundle.keep_run import keep_run
from bench.bundle.metrics import resolve, usable_references
from bench.bundle.pack import describe, leaderboard_records, versions
from bench.bundle.rescore import protocol_now, score_again, show
from bench.bundle.sanitize import BundledMetric, rebuild
from bench.bundle.submitter import read_submitter
from bench.bundle.tables import leaderboard_table, packed_leaderboard, packed_scores, scores_now, stored_scores
from bench.bundle.verification import TOLERANCE, Table, Verification, compare
from bench.bundle.zip_file import Unpacked, unpack
from bench.config.run_config import RunConfig, load_config
from bench.contracts.audio import content_hash, read_audio
from bench.errors import DataError, UsageError
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.storage.layout import CONFIG, DATABASE, FORMAT, IMPORTED, LEADERBOARD, SCORES, is_audio
from bench.storage.store import Store

_CHANGED = "{}: was changed after packing"
_TABLES_CHANGED = frozenset(map(_CHANGED.format, (DATABASE, LEADERBOARD, SCORES)))
"""Of a table that was changed, the numbers show in what."""


def verify(
    bundle: StrPath,
    tolerance: float = TOLERANCE,
    workers: int | None = None,
    trust_weights: bool = False,
    progress: ProgressOption = None,
    keep: StrPath | None = None,
) -> Verification:
    """Check a bundle's files, decode its clips, and recompute its tables.

    Args:
        bundle: the file.
        tolerance: relative deviation up to which numbers agree, in [0, 1); other library versions and processors move
            them.
        workers: number of worker processes; every core by default.
        trust_weights: also compute metrics whose parameters name files or hub repositories of weights.
        progress: receives the progress.
        keep: a new or empty folder for the run of a verified bundle: the rows as packed, with the embeddings that were
            computed here, without audio.

    Raises:
        UsageError: there is no such file, or it is a folder.
        DataError: it cannot be unpacked, is malicious, or its index is damaged.
    """
    bundle = Path(bundle)
    with shown(progress) as progress, tempfile.TemporaryDirectory(prefix="tunebench-verify-") as scratch:
        files, run = Path(scratch) / "bundle", Path(scratch) / "run"
        files.mkdir()
        run.mkdir()
        unpacked = unpack(bundle, files)
        try:
            found = _verify(unpacked, files, run, tolerance, workers, trust_weights, progress)
            if keep is not None and found.holds:
                keep_run(files, run, Path(keep))
            return found
        except DataError as error:
            raise DataError(f"{bundle}: {str(error).replace(f'{scratch}/', '')}") from None


def _verify(
    unpacked: Unpacked,
    files: Path,
    run: Path,
    tolerance: float,
    workers: int | None,
    trust_weights: bool,
    progress: Progress,
) -> Verification:
    index = unpacked.index
    name, recorded, submitter = _read_index(index)
    damage = _altered(unpacked)
    blank = Verification(name, "", len(unpacked.files), damage=tuple(damage), submitter=submitter)
    if not all(line.startswith("audio/") or line in _TABLES_CHANGED for line in damage):
        return blank  # do not compute with damaged content
    try:
        shown, then = _packed_tables(files, run)
    except DataError as error:
        if not damage:
            raise
        return replace(blank, damage=(*damage, str(error)))
    config = _config(files)
    for folder in ("audio", "references"):
        if (files / folder).exists():
            (files / folder).rename(run / folder)
    with Store.read(run) as store:
        configured = [m.plugin for m in shown if IMPORTED not in m.params]
        damage += [*wrong_identities(store), *wrong_configuration(config, store, configured)]
        clips, problems = _listen(store, unpacked, progress)
        damage += problems
        planned, unchecked = resolve(store, shown, config.common, trust_weights)
    wrong = usable_references(run, planned)
    damage += wrong.values()
    planned = {metric: plan for metric, plan in planned.items() if metric.ref not in wrong}
    unchecked |= score_again(run, list(planned), config.common, workers, progress)
    show(run, [metric for metric in planned if metric.ref not in unchecked])
    with Store.read(run) as store:
        protocol = protocol_now(store, shown)
    with Store.read(files) as store:  # unreadable clips are missing in the other
        damage += wrong_description(index, describe(name, store, protocol))
    now = leaderboard_table(leaderboard_records(run, run, protocol, progress))
    now |= scores_now(run, [metric.ref for metric in planned if not metric.of_sets]) | stored_scores(run)
    compared = compare(then, now, tolerance, {*unchecked, *wrong})
    here = versions()
    return replace(
        blank,
        protocol=protocol.line,
        clips=clips,
        damage=tuple(damage),
        numbers=compared.numbers,
        largest=compared.largest,
        tolerance=tolerance,
        deviations=compared.deviations,
        unchecked=unchecked,
        versions={
            what: (recorded.get(what), here.get(what))
            for what in dict.fromkeys([*recorded, *here])
            if recorded.get(what) != here.get(what)
        },
    )


def _packed_tables(files: Path, run: Path) -> tuple[tuple[BundledMetric, ...], Table]:
    """Return the metrics and values of the bundle's tables; its clips become a new run without scores."""
    shown = rebuild(files, run)
    with Store.read(run) as store:
        ((planned_clips,),) = store.rows("SELECT COUNT(*) FROM clips")
    then = packed_leaderboard(files) | packed_scores(files, [m.ref for m in shown if not m.of_sets], planned_clips)
    return shown, then | stored_scores(files)


def _read_index(index: Mapping[str, Any]) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the run's name, the versions it was packed with, and the submitter."""
    if index.get("format") != FORMAT:
        raise DataError(
            f"has format {index.get('format')!r:.20}, this version reads format {FORMAT}; pack the run again "
            "with 'tunebench export bundle', or verify with the version that packed it"
        )
    try:
        recorded = dict(index["versions"])
        texts = [index["name"], *recorded, *recorded.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a value in it is not text")
        return index["name"], recorded, read_submitter(index)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"bundle.json does not describe a bundle ({error})") from None


def _altered(unpacked: Unpacked) -> list[str]:
    """Return a line for each file that differs from the packed one."""
    described = unpacked.index.get("files")
    if not isinstance(described, dict):
        raise DataError("bundle.json lists no files")
    lines = []
    for name in dict.fromkeys([CONFIG, DATABASE, LEADERBOARD, SCORES, *sorted({*described, *unpacked.files})]):
        if name not in unpacked.files:
            lines.append(f"{name}: is missing")
        elif name not in described:
            lines.append(f"{name}: was not packed with the others")
        elif described[name] != unpacked.files[name]._asdict():
            lines.append(_CHANGED.format(name))
    return lines


def _config(files: Path) -> RunConfig:
    try:
        return load_config(files / CONFIG)
    except UsageError as error:
        raise DataError(str(error)) from None


def _listen(store: Store, unpacked: Unpacked, progress: Progress) -> tuple[int, list[str]]:
    """Decode every clip; return their number, and a line for each that differs from the scored sound.

    A file that cannot be decoded, or is too long, is removed, so that it is not decoded again.
    """
    import soundfile

    clips = store.rows("SELECT path, content, rate, channels, frames FROM clips WHERE state = 'made'")
    problems = [
        f"{name}: is not a clip of this run"
        for name in sorted({*filter(is_audio, unpacked.files)} - {c[0] for c in clips})
    ]
    progress.begin("decoding clips", len(clips), 0)
    for name, content, rate, channels, frames in clips:
        path = store.folder / name
        try:
            if not path.exists():
                raise DataError("is missing")
            about = soundfile.info(path)
            if (about.samplerate, about.channels, about.frames) != (rate, channels, frames):
                raise DataError("has another length, rate or number of channels than the clip that was scored")
            if content_hash(read_audio(path)) != content:
                problems.append(f"{name}: is not the sound that was scored")
        except (DataError, soundfile.SoundFileError, OSError) as error:
            problems.append(
                f"{name}: {str(error).removeprefix(f'{path}: ')}" if path.exists() else f"{name}: is missing"
            )
            path.unlink(missing_ok=True)
        progress.advance(1)
    return len(clips), problems
