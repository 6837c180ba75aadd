"""Music composed on demand, with captions: a dataset of any size for trying things out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.contracts.audio import write_flac
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt import Prompt
from bench.errors import DataError, UsageError, suggestion
from bench.hashing import fingerprint
from bench.progress import Progress
from models.composer.chance import named_generator
from models.composer.styles import style_named
from models.composer.writing.prompt_parser import STYLES
from models.composer.writing.theory import MAJOR_KEYS, MINOR_KEYS
from models.training.audio_index import AudioIndex
from models.training.config import DataConfig
from models.training.dataset import Example
from models.training.examples import Listing

FOLDER = Path("results/composed")

# Above the seeds that people give runs, and those of the benchmark's own composed references (2**40 and a few more).
FIRST_SEED, LAST_SEED = 2**41, 2**42

_MOODS = ("calm", "joyful", "melancholic", "energetic", "dreamy", "dark", "uplifting", "tender", "lively", "solemn")
_BANDS = {
    "choral": ("a mixed choir", "women's voices and a pipe organ", "a choir and string orchestra", "men's voices"),
    "classical": ("a string orchestra", "solo piano", "flute and harp", "violin and piano", "oboe and strings"),
    "dance": (
        "synth leads and synth bass",
        "warm pads and a drum machine",
        "plucked synths",
        "piano stabs and strings",
    ),
    "jazz": ("a piano trio", "tenor saxophone and piano", "muted trumpet and upright bass", "guitar and vibraphone"),
    "pop": ("acoustic guitar and drums", "piano and strings", "electric piano and bass guitar", "synth pads and drums"),
    "rock": ("distorted guitars and drums", "overdriven guitar and organ", "power chords and bass", "a lead guitar"),
}


class Commission(NamedTuple):
    """One clip to be composed."""

    prompt: Prompt
    seed: int


def commissions(config: DataConfig) -> Iterator[Commission]:
    """Yield the clips that a configuration asks for, its genres taking turns.

    A clip depends on seed, genre and its number within the genre alone, so a larger dataset holds the smaller one.
    Captions name genre and mood, then more at each of four levels: the players, the tempo, the key. They are not those
    of the benchmark's suites.

    Raises:
        UsageError: the composer has no style for a genre, or a genre is given twice.
    """
    genres = config.genres or STYLES
    for genre in genres:
        if genre not in STYLES:
            raise UsageError(
                f"data: no genre '{genre}' is composed{suggestion(genre, STYLES)}; known: {', '.join(STYLES)}"
            )
        if genres.count(genre) > 1:
            raise UsageError(f"data: the genre '{genre}' is given twice")
    for place in range(config.clips):
        number, turn = divmod(place, len(genres))
        yield _commission(config.seed, genres[turn], number)


def _commission(seed: int, genre: str, number: int) -> Commission:
    chance = named_generator(f"composed:{seed}:{genre}:{number}")
    style = style_named(genre)
    mood, band = (str(chance.choice(words)) for words in (_MOODS, _BANDS[genre]))
    bpm = float(chance.integers(round(style.tempo[0]), round(style.tempo[1]) + 1))
    minor = chance.random() < style.minor
    key = f"{chance.choice(MINOR_KEYS if minor else MAJOR_KEYS)} {'minor' if minor else 'major'}"
    level = int(chance.integers(1, 5))
    text = f"{mood.capitalize()} {genre} music"
    text += f" for {band}" if level > 1 else ""
    text += f" at {bpm:g} bpm" if level > 2 else ""
    text += f" in {key}" if level > 3 else ""
    prompt = Prompt(f"{genre}-{number:04d}", text, genre, level, bpm if level > 2 else None, key if level > 3 else None)
    return Commission(prompt, int(chance.integers(FIRST_SEED, LAST_SEED)))


def list_composed(config: DataConfig, sounds: AudioIndex, progress: Progress, folder: Path = FOLDER) -> Listing:
    """Compose the clips that the folder lacks, and list them.

    Each clip is a FLAC file whose name holds a hash of everything that decides its sound, written whole or not at all;
    so the folder serves any number of configurations, and composing resumes where it was interrupted.

    Args:
        config: genres, clips, seconds and seed.
        sounds: checks whether an existing clip is intact; a damaged one is composed again.
        progress: shows the progress.
        folder: where the clips are kept.

    Raises:
        UsageError: an unknown genre, or the clips cannot be written to the disk.
        MissingError: the synthesizer is not installed; the message names the command that installs it.
    """
    params = {} if config.repertoire is None else {"repertoire": config.repertoire}
    model: MusicModel = create(find("model", "composer"), params, MusicModel)
    played = f"composer@{model.version}"
    planned = [(asked, folder / _file(asked, played, config)) for asked in commissions(config)]
    missing = [(asked, path) for asked, path in planned if not _intact(path, sounds)]
    if missing:
        model.require()
        progress.begin("composing clips", len(planned), len(planned) - len(missing))
    for asked, path in missing:
        (audio,) = model.generate([GenerationRequest(asked.prompt, asked.seed, config.seconds)])
        if isinstance(audio, Exception):
            raise audio
        try:
            write_flac(path, audio)
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}; the clips composed before are kept: free disk space or fix "
                "permissions, then run the same command again"
            ) from error
        progress.advance(1)
    examples = tuple(
        Example(asked.prompt.id, asked.prompt.id, path, asked.prompt.text, asked.prompt.genre)
        for asked, path in planned
    )
    about = {
        "listed": len(examples),
        "synthetic": True,
        "model": played,
        "genres": list(config.genres or STYLES),
        "clip_seconds": config.seconds,
        "seed": config.seed,
        **params,
        "recording": "each clip",
    }
    return Listing("composer", examples, about=about)


def _file(asked: Commission, played: str, config: DataConfig) -> str:
    prompt = asked.prompt
    decides = [played, prompt.text, prompt.genre, prompt.bpm, prompt.key, asked.seed, config.seconds]
    decides += [] if config.repertoire is None else [config.repertoire]
    return f"{prompt.id}-{fingerprint(decides)[:16]}.flac"


def _intact(path: Path, sounds: AudioIndex) -> bool:
    if not path.is_file():
        return False
    try:
        sounds.of(path)
    except DataError:
        return False
    return True
