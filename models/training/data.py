"""Load a dataset: from a configuration to captioned examples whose audio exists and can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import DataError, MissingError, UsageError
from bench.progress import Progress, Silent
from models.training.audio_index import AudioIndex, IndexedAudio
from models.training.composed import FOLDER, list_composed
from models.training.config import DataConfig
from models.training.dataset import Dataset, Example, Skipped
from models.training.examples import Listing, skip
from models.training.formats import list_examples
from models.training.rng import generator

SHOWN = 3  # unusable files that a message names
SLACK = 1.0  # seconds by which a file may be longer than the stretch that its caption describes


def load_dataset(config: DataConfig, progress: Progress | None = None, folder: Path | None = None) -> Dataset:
    """Read a dataset, decode each of its files once, and leave out what cannot be trained on.

    Unusable are files that are missing (except MusicCaps', which are counted), are outside the dataset's folder,
    cannot be decoded, are silent, or have no caption. They are listed in ``skipped``.

    Args:
        config: where it is, and in which format.
        progress: shows the progress, and what is left out.
        folder: where hashes of decoded files are kept for the next time; None keeps none. Composed clips are kept in
            ``config.audio``, by default in ``results/composed`` of the working folder, for any number of trainings.

    Raises:
        UsageError: there is no such path, or settings contradict each other.
        DataError: the format cannot be detected, a table has a mistake, more than ``config.bad_share`` of the files are
            unusable, or none is left.
        MissingError: music is to be composed, and the synthesizer is not installed.
    """
    progress = progress or Silent()
    sounds = AudioIndex(folder / "sounds.json" if folder else None)
    try:
        kind, listing = _listing(config, sounds, progress)
        if listing.absent:
            total = len(listing.absent) + len(listing.examples) + len(listing.unusable)
            progress.note(f"{listing.name}: {len(listing.absent)} of {total} listed clips have no audio file")
        usable, unusable = _heard(listing, config.bad_share, sounds, progress)
    finally:
        sounds.keep()
    if unusable:
        progress.note(f"{listing.name}: left out {_some(unusable)}")
    examples = tuple(example for example, _ in usable)
    if config.captions == "shuffled":
        examples = with_shuffled_captions(examples, config.seed)
    about = {
        "format": kind,
        **listing.about,
        **({} if config.captions == "own" else {"captions": config.captions}),
        "examples": len(examples),
        "recordings": len({example.recording for example in examples}),
        "unusable": len(unusable),
        "seconds": round(sum(sound.seconds for _, sound in usable), 3),
    }
    progress.note(
        f"{listing.name}: {about['examples']} examples of {about['recordings']} recordings ({about['recording']})"
    )
    skipped = sorted([*unusable, *listing.absent], key=lambda item: item.id)
    hashes = {example.id: sound.hash for example, sound in usable}
    return Dataset(listing.name, examples, hashes, tuple(skipped), about)


def with_shuffled_captions(examples: Sequence[Example], seed: int) -> tuple[Example, ...]:
    """Return the same music with the captions in another order, drawn at random: every caption once, some perhaps with
    their own example."""
    order = generator(seed, "shuffled captions").permutation(len(examples))
    return tuple(
        replace(example, caption=examples[other].caption)
        for example, other in zip(examples, order.tolist(), strict=True)
    )


def _listing(config: DataConfig, sounds: AudioIndex, progress: Progress) -> tuple[str, Listing]:
    if config.path == "composer" and config.format in ("auto", "composer"):
        return "composer", list_composed(
            config, sounds, progress, config.audio.expanduser() if config.audio else FOLDER
        )
    if config.genres:
        raise UsageError("data: 'genres' works only with composed music (path: composer); leave it out")
    try:
        return list_examples(config)
    except OSError as error:
        raise DataError(f"{error.filename or config.path}: cannot be read ({error.strerror})") from None


def _heard(
    listing: Listing, share: float, sounds: AudioIndex, progress: Progress
) -> tuple[list[tuple[Example, IndexedAudio]], list[Skipped]]:
    """Return the examples whose file holds music, with its sound; and the unusable ones, including those already
    listed."""
    total = len(listing.examples) + len(listing.unusable)
    usable: list[tuple[Example, IndexedAudio]] = []
    unusable = list(listing.unusable)
    _refuse_many(listing.name, unusable, total, share)
    progress.begin("checking training audio", len(listing.examples), 0)
    for example in sorted(listing.examples, key=lambda example: example.id):
        try:
            sound = sounds.of(example.path)
            longest = listing.longest.get(example.id)
            if longest is not None and sound.seconds > longest + SLACK:
                raise DataError(
                    f"{example.path}: {sound.seconds:.1f} s long, but its caption describes {longest:g} s; cut it"
                )
            usable.append((example, sound))
        except (DataError, MissingError) as error:
            unusable.append(skip(example.id, str(error).removeprefix(f"{example.path}: ")))
            _refuse_many(listing.name, unusable, total, share)
        progress.advance(1)
    if not usable:
        raise DataError(f"{listing.name}: no file in it can be used: {_some(unusable) or 'it names none'}")
    return usable, unusable


def _refuse_many(name: str, unusable: list[Skipped], total: int, share: float) -> None:
    if len(unusable) > share * total:
        raise DataError(
            f"{name}: {len(unusable)} of {total} files cannot be used so far, more than {100 * share:g} % (bad_share): "
            f"{_some(unusable)}"
        )


def _some(unusable: list[Skipped]) -> str:
    said = "; ".join(f"{item.id}: {item.why}" for item in unusable[:SHOWN])
    return said + (f"; and {len(unusable) - SHOWN} more" if len(unusable) > SHOWN else "")
