"""Verifying a bundle: is every file as it was packed, and do the numbers come out of the audio again?

Nothing of a bundle is run: its metrics are those that are installed here, and what it names beyond them (plugin files,
weights) is not touched unless its reader trusts it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.audio import content_hash, read_audio
from bench.bundle.metrics import resolve, usable_references
from bench.bundle.names import CONFIG, DATABASE, FORMAT, LEADERBOARD, SCORES, is_audio, reference_name
from bench.bundle.pack import versions
from bench.bundle.tables import leaderboard_now, packed_leaderboard, packed_scores, scores_now
from bench.bundle.untrusted_run import BundledMetric, rebuild
from bench.bundle.verification import TOLERANCE, Numbers, Place, Verification, compare
from bench.bundle.zip_file import Unpacked, unpack
from bench.config import CommonGround, ExecutorConfig, MetricConfig, RunConfig, load_config
from bench.errors import DataError, MissingError, UsageError
from bench.metric_plan import PlannedMetric
from bench.progress import Progress, Silent
from bench.protocol import ShownMetric, make_protocol
from bench.runner import rescore
from bench.store import Store


def verify(
    bundle: Path,
    tolerance: float = TOLERANCE,
    workers: int | None = None,
    trust_weights: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Check a bundle's files, decode its clips, and compute its tables again.

    Args:
        bundle: the file.
        tolerance: relative deviation up to which numbers agree; other library versions and processors move them.
        workers: processes that score; every core by default.
        trust_weights: also compute metrics whose parameters name files or hub repositories of weights.
        progress: shows how far it is.

    Raises:
        DataError: it cannot be unpacked, is made to do harm, or what describes it is damaged.
    """
    progress = progress or Silent()
    with tempfile.TemporaryDirectory(prefix="tunebench-verify-") as scratch:
        files, run = Path(scratch) / "bundle", Path(scratch) / "run"
        files.mkdir()
        run.mkdir()
        unpacked = unpack(bundle, files)
        try:
            return _verify(unpacked, files, run, tolerance, workers, trust_weights, progress)
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
    name, protocol, recorded = _read_index(index)
    damage = _altered(unpacked)
    if not all(line.startswith("audio/") for line in damage):
        # Nothing is computed with what is known to be wrong; a clip's own numbers show what became of it.
        return Verification(name, protocol["line"], len(unpacked.files), damage=tuple(damage))
    shown = rebuild(files, run)
    if (files / "audio").exists():
        (files / "audio").rename(run / "audio")
    with Store.read(run) as store:
        if (now := _protocol_id(store, shown)) != protocol["id"]:
            damage.append(f"{DATABASE}: follows the protocol {now}, not {protocol['id']}")
        clips, problems = _listen(store, unpacked, progress)
        damage += problems
        ground = _ground(files / CONFIG)
        planned, unchecked = resolve(store, shown, ground, trust_weights)
    wrong = usable_references(files, planned)
    damage += wrong.values()
    planned = {metric: plan for metric, plan in planned.items() if metric.ref not in wrong}
    then, now_ = packed_leaderboard(files), _compute(files, run, planned, ground, workers, progress, unchecked)
    of_clips = [metric.ref for metric in planned if not metric.of_sets]
    then |= packed_scores(files, of_clips)
    now_ |= scores_now(run, of_clips)
    compared = compare(then, now_, tolerance, {*unchecked, *wrong})
    here = versions()
    return Verification(
        name,
        protocol["line"],
        len(unpacked.files),
        clips,
        tuple(damage),
        compared.numbers,
        compared.largest,
        tolerance,
        compared.deviations,
        unchecked,
        {
            what: (recorded.get(what), here.get(what))
            for what in dict.fromkeys([*recorded, *here])
            if recorded.get(what) != here.get(what)
        },
    )


def _read_index(index: Mapping[str, Any]) -> tuple[str, dict[str, str], dict[str, str]]:
    """The run's name, its protocol, and the versions it was packed with."""
    if index.get("format") != FORMAT:
        raise DataError(f"written in format {index.get('format')!r:.20}, this tunebench reads format {FORMAT}")
    try:
        protocol = {key: index["protocol"][key] for key in ("id", "line")}
        recorded = dict(index["versions"])
        texts = [index["name"], *protocol.values(), *recorded, *recorded.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("something in it is not text")
        return index["name"], protocol, recorded
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"bundle.json does not describe a bundle ({error})") from None


def _altered(unpacked: Unpacked) -> list[str]:
    """A line for each file that is not the one that was packed."""
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
            lines.append(f"{name}: is not as it was packed")
    return lines


def _ground(config: Path) -> CommonGround:
    try:
        return load_config(config).common
    except UsageError as error:
        raise DataError(str(error)) from None


def _protocol_id(store: Store, shown: tuple[BundledMetric, ...]) -> str:
    metrics = [ShownMetric(m.ref, m.params_hash, m.embedder, m.view, m.reference, m.reference_name) for m in shown]
    about = store.about()
    return make_protocol(about["suite"], about["duration"], store.prompts().values(), metrics).id


def _listen(store: Store, unpacked: Unpacked, progress: Progress) -> tuple[int, list[str]]:
    """Decode every clip; how many there are, and a line for each that is not the sound that was scored.

    A file that cannot be decoded, or is longer than it should be, is removed, so that nobody decodes it again.
    """
    import soundfile

    clips = store.rows("SELECT path, content, rate, channels, frames FROM clips WHERE state = 'made'")
    problems = [
        f"{name}: is no clip of this run"
        for name in sorted({*filter(is_audio, unpacked.files)} - {c[0] for c in clips})
    ]
    progress.begin("listening", len(clips), 0)
    for name, content, rate, channels, frames in clips:
        path = store.folder / name
        try:
            if not path.exists():
                raise DataError("is missing")
            about = soundfile.info(path)
            if (about.samplerate, about.channels, about.frames) != (rate, channels, frames):
                raise DataError("has another length, rate or number of channels than the clip that was scored")
            if content_hash(read_audio(path)) != content:
                problems.append(f"{name}: does not sound like the clip that was scored")
        except (DataError, soundfile.SoundFileError, OSError) as error:
            problems.append(
                f"{name}: {str(error).removeprefix(f'{path}: ')}" if path.exists() else f"{name}: is missing"
            )
            path.unlink(missing_ok=True)
        progress.advance(1)
    return len(clips), problems


def _compute(
    files: Path,
    run: Path,
    planned: Mapping[BundledMetric, PlannedMetric],
    ground: CommonGround,
    workers: int | None,
    progress: Progress,
    unchecked: dict[str, str],
) -> dict[Place, Numbers]:
    """Score the clips of a run that has no scores, and return its leaderboard."""
    found: dict[Place, Numbers] = {}
    against = list(dict.fromkeys(metric.reference for metric in planned if metric.reference)) or [""]
    for reference in against:
        # What is compared with nothing is computed the first time.
        chosen = [m for m in planned if m.reference == reference or (not m.reference and reference == against[0])]
        settings = RunConfig(
            metrics=tuple(MetricConfig(name=m.plugin, params=m.params) for m in chosen),
            reference=str(files / reference_name(reference)),
            common=ground,
            executor=ExecutorConfig(workers=workers),
            # It was computed; whether it flatters is said by its own warnings.
            shared_recordings="mark",
        )
        try:
            rescore(run, settings, progress)
        except MissingError as error:
            for metric in chosen:
                names = (metric.name, *(embedder.ref.name for embedder in planned[metric].embedders))
                if any(f"'{name}'" in str(error) for name in names):
                    unchecked[metric.ref] = str(error)
        found |= leaderboard_now(run, [metric.ref for metric in chosen])
    return found
