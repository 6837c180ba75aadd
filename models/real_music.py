"""Human music as a row: one half of a collection, with the other half as the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar

from bench.contracts.audio import Audio, read_audio
from bench.contracts.known_sounds import known_sounds
from bench.contracts.model import GenerationRequest, Json, MusicModel
from bench.contracts.prompt import Prompt
from bench.errors import DataError, GenerationError, MissingError, UsageError
from bench.recordings import Recording, read_recordings

_SILENCE = 1e-3  # peak of −60 dB below full scale, under which audio is silent


@dataclass(frozen=True)
class HalfRecording:
    """A recording of the half that is played: its path, `content_hash` of all of it, seconds, and its genre."""

    path: Path
    content: str
    seconds: float
    genre: str


def halves(recordings: Iterable[HalfRecording]) -> tuple[list[HalfRecording], list[HalfRecording]]:
    """Divide recordings into two halves of equal size, up to one, within each genre and in all.

    Which half a recording is in depends on the sounds alone, not on names, order or the machine.

    Args:
        recordings: each sound once.
    """
    genres: dict[str, list[HalfRecording]] = defaultdict(list)
    for recording in sorted(recordings, key=lambda one: one.content):
        genres[recording.genre].append(recording)
    found: tuple[list[HalfRecording], list[HalfRecording]] = ([], [])
    for place, recording in enumerate(chain.from_iterable(genres[genre] for genre in sorted(genres))):
        found[place % 2].append(recording)
    return found


class RealMusic(MusicModel):
    """Plays one half of a collection of human music, so that the other half, as the reference, shows what a distance
    between music and music is: the floor of every distance, and human music on every other metric.

    A recording answers one clip of one prompt, of the prompt's genre if the collection has it; if it has none of the
    suite's genres, any. Recordings that are long enough answer further clips with what begins ``every`` s later. A
    prompt for which no recording is left has no clip. A folder of audio that a run names as its ``reference`` is
    embedded without the half that is played here, and other references that hold some of it are refused, or marked.

    Seeds are places in the half, so the seeds that a run names have no effect on this row: it has ``clips`` of each
    prompt. Choose as many as the run has seeds, since distances compare equal numbers.

    Args:
        path: a folder of audio, whose first subfolders are genres; or a manifest (CSV, JSONL) with the columns ``file``
            and ``genre``. Usually the folder that ``reference`` names.
        clips: of each prompt, ≥ 1.
        every: seconds from one clip of a recording to the next, > 0; no less than the clips' duration.

    Raises:
        UsageError: there is no such folder or manifest, or a number is out of range.
    """

    sample_rate = None
    typical_speed: ClassVar[float | None] = 500.0
    version = 1
    chooses_seeds = True
    provenance_params = frozenset({"path"})
    examples: ClassVar[Mapping[str, str]] = {"path": "music"}

    def __init__(self, path: str | Path, clips: int = 1, every: float = 30.0) -> None:
        self._source = Path(path).expanduser()
        if not self._source.exists():
            raise UsageError(f"{self._name}: path '{path}' does not exist; name a folder of audio or a manifest")
        if isinstance(clips, bool) or not isinstance(clips, int) or clips < 1:
            raise UsageError(f"{self._name}: clips is {clips!r}, must be a whole number of at least 1")
        if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every < 1e6:
            raise UsageError(f"{self._name}: every is {every!r}, must be a number of seconds above 0")
        self._clips, self._every = clips, float(every)

    _name: ClassVar[str] = "real"

    def available(self, prompts: Sequence[Prompt]) -> dict[str, list[int]]:
        """Return the seeds of each prompt: 1 + a place in the half, or that plus its size for what begins later.

        Raises:
            DataError: nothing of the collection can be used.
        """
        played = self.played
        genres = {recording.genre for recording in played} & {_genre(prompt.genre) for prompt in prompts} - {""}
        pools: dict[str, list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            pools[_genre(prompt.genre) if genres else ""].append(prompt)
        found: dict[str, list[int]] = {}
        for genre, own in pools.items():
            wanted = len(own) * self._clips
            seeds = [seed for seed in self._slots(wanted) if not genres or self._at(seed)[0].genre == genre]
            for place, prompt in enumerate(own):
                if some := seeds[place : wanted : len(own)]:
                    found[prompt.id] = some
        return found

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Play a part of one recording for each request."""
        return [self._clip(request) for request in requests]

    def request_fingerprint(self, request: GenerationRequest) -> Mapping[str, Json]:
        """Return the recording's content hash, and where the clip begins in it."""
        found = self._asked(request)
        return {"missing": True} if found is None else {"recording": found[0].content, "start": found[1]}

    def plays(self) -> frozenset[str]:
        return frozenset(recording.content for recording in self.played)

    @cached_property
    def played(self) -> list[HalfRecording]:
        """Return the half that is played, in the order of its sounds' hashes.

        Raises:
            DataError: fewer than two recordings can be used.
        """
        found: dict[str, HalfRecording] = {}
        problem = ""
        with known_sounds() as sounds:
            for recording in _recordings(self._source):
                try:
                    sound = sounds.of(recording.path)
                except (DataError, MissingError) as error:
                    problem = problem or f"; {error}"
                    continue
                if sound.peak >= _SILENCE:
                    one = HalfRecording(recording.path, sound.content, sound.seconds, _genre(recording.genre))
                    found.setdefault(sound.content, one)
        if len(found) < 2:
            raise DataError(
                f"{self._name}: {self._source} holds {len(found)} recordings that can be used, and two halves need 2 "
                f"or more{problem}"
            )
        return sorted(halves(found.values())[0], key=lambda one: one.content)

    def _slots(self, most: int) -> list[int]:
        """Return all seeds, the beginnings of all recordings before later parts; of one genre at most ``most``."""
        size = len(self.played)
        longest = max(recording.seconds for recording in self.played)
        rounds = range(max(1, min(most, int(longest // self._every))))
        seeds = (1 + turn * size + place for turn in rounds for place in range(size))
        return [seed for seed in seeds if self._holds(*self._at(seed))]

    def _at(self, seed: int) -> tuple[HalfRecording, float]:
        turn, place = divmod(seed - 1, len(self.played))
        return self.played[place], turn * self._every

    def _holds(self, recording: HalfRecording, start: float) -> bool:
        return start == 0 or recording.seconds >= start + self._every

    def _asked(self, request: GenerationRequest) -> tuple[HalfRecording, float] | None:
        """Return the recording that answers a request and where, in seconds; None for a prompt without any."""
        if request.seed < 1:
            return None
        found = self._at(request.seed)
        return found if self._holds(*found) else None

    def _clip(self, request: GenerationRequest) -> Audio | GenerationError:
        found = self._asked(request)
        if found is None:
            genre = f" of genre {request.prompt.genre}" if request.prompt.genre else ""
            return GenerationError(
                f"no recording{genre} is left for prompt '{request.prompt.id}' among the {len(self.played)} in the "
                f"half of '{self._source.name}' that is played; add some"
            )
        recording, start = found
        try:
            audio = read_audio(recording.path, start + request.duration)
        except (DataError, MissingError) as error:
            return GenerationError(str(error))
        begin = round(start * audio.rate)
        return Audio(audio.samples[:, begin : begin + round(request.duration * audio.rate)], audio.rate)


def _recordings(source: Path) -> list[Recording]:
    return read_recordings(source, "folder" if source.is_dir() else None)


def _genre(given: str | None) -> str:
    """Return a genre in the form that is compared: ``Jazz`` and ``jazz`` are the same."""
    return (given or "").strip().casefold()
