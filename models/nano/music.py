"""The music that nano models are trained on: composed here, in one half of what the composer plays."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.atomic_write import replace_file
from bench.contracts.audio import Audio, write_flac
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.progress import Progress
from models.composer import Composer
from models.composer.chance import named_generator
from models.nano.captions import caption, draw_piece

RATE = 16_000  # Hz
SECONDS = 10.24  # of a clip: 1024 frames of a mel spectrogram

# No seed of a run, a suite, a reference or a composed dataset lies here.
_FIRST_SEED, _LAST_SEED = 2**43, 2**44


class Work(NamedTuple):
    """A clip to be composed.

    Attributes:
        name: of its file, without the ending.
        prompt: its caption, with the fields that the composer follows.
        seed: of what the prompt leaves open.
    """

    name: str
    prompt: Prompt
    seed: int

    @property
    def file(self) -> str:
        """Name of its file in the dataset's folder."""
        return f"{self.name}.flac"


def works(genres: Sequence[str], count: int, name: str = "nano") -> Iterator[Work]:
    """Yield the clips of a dataset, genre after genre in turn; a larger dataset begins with the smaller one.

    Args:
        genres: the composer's genres.
        count: clips.
        name: of the dataset; another one has other clips.
    """
    for place in range(count):
        number, turn = divmod(place, len(genres))
        genre = genres[turn]
        chance = named_generator(f"{name}:{genre}:{number}")
        piece = draw_piece(genre, chance)
        text = caption(piece, chance)
        prompt = Prompt(f"{genre}-{number:05d}", text, genre, None, piece.bpm, piece.key)
        yield Work(prompt.id, prompt, int(chance.integers(_FIRST_SEED, _LAST_SEED)))


def compose_music(planned: Sequence[Work], folder: Path, progress: Progress, jobs: int = 1) -> None:
    """Compose the clips that a folder lacks: mono FLAC files at 16 kHz, and ``metadata.jsonl`` with their captions.

    Args:
        planned: the clips.
        folder: made where it is missing; a file is written whole or not at all.
        progress: told of each clip.
        jobs: processes.

    Raises:
        MissingError: the synthesizer is not installed.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / work.file for work in planned]
    missing = [(work, path) for work, path in zip(planned, files, strict=True) if not path.is_file()]
    if missing:
        progress.begin("composing music", len(planned), len(planned) - len(missing))
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for _ in pool.imap_unordered(_compose_one, missing, chunksize=4):
                progress.advance(1)
    lines = [
        json.dumps(
            {
                "file_name": work.file,
                "text": work.prompt.text,
                "genre": work.prompt.genre,
                "recording": work.name,  # numbers in names would else make a series of them
            }
        )
        for work in planned
    ]
    replace_file(folder / "metadata.jsonl", "\n".join(lines) + "\n")


def _compose_one(task: tuple[Work, Path]) -> None:
    work, path = task
    (clip,) = Composer("training").generate([GenerationRequest(work.prompt, work.seed, SECONDS)])
    write_flac(path, Audio(clip.mono(RATE)[None], RATE))
