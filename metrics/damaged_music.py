"""Embeddings of clean and of damaged music on many prompts, stored prompt by prompt so that interrupted work resumes.

The composer plays three takes of every prompt: A and B, which two equal models might have made, and one that stands
for the prompt's own reference recording. B is also damaged in every way at every dose. A and a damaged B are thus other
pieces, as those of two models are, and only the damage distinguishes them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from bench.contracts.embedder import EmbedderRef, Vectors, embedder_identity, load_embedder
from bench.contracts.plugins import find, load
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import EmbeddingSet, gather
from bench.errors import GenerationError
from bench.execution.score_audio import score_audio
from bench.hashing import fingerprint
from bench.progress import Progress
from metrics.degradation_kinds import Degradation
from metrics.dose_listening import CLEAN, DegradedClip, another_genre
from metrics.kept_arrays import keep_arrays

EMBEDDER = "musicnn-msd"
_LISTENER = "kad"  # any set metric whose embedder this is
TAKES = {"A": 0, "B": 1, "reference": 2}
"""Seeds of the takes."""
_TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{tonic} {mode}" for tonic, mode in product(_TONICS, ("major", "minor")))
TEMPOS = (66, 140, 88, 112, 76, 126, 100, 156)
WORDED = (1, 2, 3)
"""Levels of ``genres@1`` whose texts name neither tempo nor key."""

Condition = tuple[str, str]
"""A kind of damage and its dose as it is written; `CLEAN` and the name of the take for a clean one."""


@dataclass(frozen=True)
class DamagedMusic:
    """Vectors of every condition, and what they are of.

    Attributes:
        prompts: in the order of the vectors.
        embedder: fingerprint of the embedder's identity.
        vectors: of each condition, by prompt, shape (windows, dimension).
    """

    prompts: Sequence[Prompt]
    embedder: str
    vectors: Mapping[Condition, Sequence[Vectors]]

    def of_genres(self) -> list[list[int]]:
        """Return the places of the prompts of each genre."""
        found: dict[str | None, list[int]] = {}
        for place, prompt in enumerate(self.prompts):
            found.setdefault(prompt.genre, []).append(place)
        return list(found.values())

    def gathered(self, condition: Condition) -> EmbeddingSet:
        """Return all clips of a condition; a prompt's group is its place."""
        clips = [(place, place, vectors) for place, vectors in enumerate(self.vectors[condition])]
        return gather(clips, self.embedder, dict(enumerate(self.prompts)))


def asked(texts: Sequence[Prompt], a_genre: int = 15) -> list[Prompt]:
    """Return prompts that name genre, instruments, tempo and key, the genres in turn; no genre has a key twice.

    Args:
        texts: of ``genres@1``; those of the levels `WORDED` take turns.
        a_genre: prompts of each genre, 1 to 24.
    """
    genres = list(dict.fromkeys(prompt.genre for prompt in texts))
    found = []
    for number, (place, genre) in product(range(a_genre), enumerate(genres)):
        own = [prompt for prompt in texts if prompt.genre == genre and prompt.level in WORDED]
        text, bpm = own[number % len(own)], TEMPOS[number % len(TEMPOS)]
        key = KEYS[(number + 4 * place) % len(KEYS)]
        words = f"{text.text}, at {bpm} bpm in {key}"
        found.append(replace(text, id=f"{genre}-{number + 1:02}", text=words, bpm=bpm, key=key))
    return found


def listen(
    prompts: Sequence[Prompt], kinds: Sequence[Degradation], folder: Path, progress: Progress, duration: float = 10.0
) -> DamagedMusic:
    """Make and embed all clips of all prompts, except those whose vectors ``folder`` already holds.

    Args:
        prompts: of several genres.
        kinds: of damage.
        folder: where the vectors are stored, one file per prompt; it is created.
        progress: shows every prompt.
        duration: of each clip in seconds.

    Raises:
        MissingError: the composer cannot play here.
        GenerationError: a clip could not be made or embedded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ref = EmbedderRef(EMBEDDER)
    embedding = embedder_identity(ref, load_embedder(ref))
    how = [load(find("model", "composer")).version, embedding, duration, TAKES]
    vectors: dict[Condition, list[Vectors]] = {}
    progress.begin("clean and damaged music", len(prompts), 0)
    for place, prompt in enumerate(prompts):
        clips = _clips(place, prompt, another_genre(prompts, prompt), kinds, duration)
        identity = [*how, prompt.text, clips[0].other.text, [[kind.name, *kind.doses] for kind in kinds]]
        path = folder / f"{prompt.id}-{fingerprint(identity)[:12]}.npz"
        known = keep_arrays(path, partial(_embedded, clips))
        for number, clip in enumerate(clips):
            vectors.setdefault(_condition(clip), []).append(known[str(number)])
        progress.advance(1)
    return DamagedMusic(prompts, fingerprint(embedding), vectors)


def _clips(
    place: int, prompt: Prompt, other: Prompt, kinds: Sequence[Degradation], duration: float
) -> list[DegradedClip]:
    def clip(seed: int, kind: Degradation | None, dose: int) -> DegradedClip:
        return DegradedClip(place, prompt, other, seed, duration, kind, dose, Path())

    takes = [clip(TAKES[take], None, 0) for take in ("A", "reference", "B")]  # what is damaged is played last
    return takes + [clip(TAKES["B"], kind, dose) for kind in kinds for dose in range(len(kind.doses))]


def _condition(clip: DegradedClip) -> Condition:
    take = next(name for name, seed in TAKES.items() if seed == clip.seed)
    return clip.key if clip.spoiler else (CLEAN, take)


def _embedded(clips: Sequence[DegradedClip]) -> dict[str, Vectors]:
    """Return the vectors of the clips by their number."""
    with tempfile.TemporaryDirectory() as temporary:
        there = [replace(clip, folder=Path(temporary)) for clip in clips]
        scored = list(score_audio(there, [_LISTENER], [clip.prompt for clip in clips]))
    found: list[Vectors] = []
    for clip, scores in zip(clips, scored, strict=True):
        if scores.error or scores.errors:
            raise GenerationError(f"{clip}: {scores.error or next(iter(scores.errors.values()))}")
        found += scores.vectors.values()
    return {str(number): vectors for number, vectors in enumerate(found)}
