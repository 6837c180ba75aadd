"""Clips that were made elsewhere, read from a folder."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from bench.audio import Audio, read_audio
from bench.errors import DataError, GenerationError, UsageError
from bench.model import GenerationRequest, Json, MusicModel
from bench.prompt import Prompt
from models.manifest import read_manifest
from models.symbolic import MIDI_ENDINGS, MUSICXML_ENDINGS, read_notes

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
ENDINGS = (*AUDIO_ENDINGS, *MIDI_ENDINGS, *MUSICXML_ENDINGS)

_SEEDED = re.compile(r"(.+?)(?:_|[_-]seed)([0-9]+)")


class FolderModel(MusicModel):
    """Plays files instead of generating them, so that any model's output can be scored.

    Files are matched to prompts by name: ``jazz-3_1.wav`` or ``jazz-3-seed1.wav`` for prompt ``jazz-3`` and seed 1,
    ``jazz-3.wav`` for seed 0; where an id itself ends in ``_`` and a number, write ``-seed``. Or a manifest names
    them: see `models.manifest.read_manifest`. Two files for one clip are an error, never a choice.

    Audio: wav, flac, ogg, opus, mp3, aiff; what is longer than requested is cropped, what is shorter stays as it
    is. MIDI and MusicXML (``.mid``, ``.midi``, ``.musicxml``, ``.mxl``, ``.xml``) are scored on their notes, as
    `models.symbolic.read_notes` reads them, and rendered on the composer's soundfont for metrics that listen. A clip
    without a usable file fails, and the others are unaffected.

    Args:
        path: the folder; its subfolders are reached through a manifest only.
        manifest: a CSV or JSONL file in the folder, or in the working folder.

    Raises:
        UsageError: there is no such folder or manifest.
    """

    sample_rate = None
    version = 2
    provenance_params = frozenset({"path", "manifest"})
    examples: ClassVar[Mapping[str, str]] = {"path": "my_clips"}

    def __init__(self, path: str | Path, manifest: str | Path | None = None) -> None:
        self.folder = Path(path)
        if not self.folder.is_dir():
            problem = "is not a folder" if self.folder.exists() else "does not exist"
            raise UsageError(f"folder model: path '{path}' {problem}")
        self.manifest = None
        if manifest is not None:
            places = [self.folder / manifest, Path(manifest)]
            self.manifest = next((place for place in places if place.is_file()), None)
            if self.manifest is None:
                raise UsageError(f"folder model: there is no manifest '{manifest}' in '{path}' or here")

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Read one file for each request.

        Raises:
            DataError: the manifest has a mistake, or two files answer one request.
            MissingError: a score is to be rendered, and the synthesizer is not installed.
        """
        return [self._clip(request) for request in requests]

    def seeds(self, prompts: Sequence[Prompt]) -> list[int]:
        """The seeds for which there is a clip of one of the prompts, ascending.

        Raises:
            DataError: the manifest has a mistake.
        """
        known = {key for prompt in prompts for key in (prompt.id, prompt.text.strip())}
        return sorted({seed for name, seed in self._index if name in known})

    def unused(self, prompts: Sequence[Prompt]) -> list[str]:
        """Names of the files that belong to none of the prompts.

        Raises:
            DataError: the manifest has a mistake.
        """
        known = {key for prompt in prompts for key in (prompt.id, prompt.text.strip())}
        used = {file for (name, _), files in self._index.items() if name in known for file in files}
        return sorted({file for files in self._index.values() for file in files} - used)

    def request_fingerprint(self, request: GenerationRequest) -> Mapping[str, Json]:
        """The hash of the clip's file: another content under the same name is another clip."""
        try:
            with self._file(request).open("rb") as file:
                return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        except (GenerationError, OSError):
            return {"missing": True}

    def _clip(self, request: GenerationRequest) -> Audio | GenerationError:
        try:
            file = self._file(request)
        except GenerationError as error:
            return error
        try:
            return _played(file, request.duration)
        except DataError as error:
            return GenerationError(str(error))
        except OSError as error:
            return GenerationError(f"{file}: cannot be read ({error.strerror})")

    def _file(self, request: GenerationRequest) -> Path:
        prompt, seed = request.prompt, request.seed
        texts = {prompt.id: None, prompt.text.strip(): None}
        names = [name for text in texts for name in self._index.get((text, seed), ())]
        root = self.manifest.parent if self.manifest else self.folder
        if not names:
            raise GenerationError(self._nothing_for(prompt.id, seed))
        if len(names) > 1:
            raise DataError(
                f"two files for prompt '{prompt.id}', seed {seed}: '{root / names[0]}' and '{root / names[1]}'; "
                f"keep one, or let a manifest choose"
            )
        file = root / names[0]
        try:
            # A link is data too: it must not lead from a downloaded folder to the reader's own files.
            inside = file.resolve().is_relative_to(root.resolve())
            usable = inside and file.is_file()
        except (OSError, RuntimeError):  # a name too long, a link to itself
            inside, usable = True, False
        if not usable:
            problem = "there is no such file" if inside else f"the link leads out of '{root}', copy the file there"
            raise GenerationError(f"{file}: {problem} (for prompt '{prompt.id}', seed {seed})")
        return file

    @cached_property
    def _names(self) -> list[str]:
        try:
            return sorted(file.name for file in self.folder.iterdir() if file.is_file())
        except OSError as error:
            raise DataError(f"{self.folder}: the folder cannot be listed ({error.strerror})") from None

    @cached_property
    def _index(self) -> Mapping[tuple[str, int], list[str]]:
        """(id or text of a prompt, seed) → the files that answer it, relative to the manifest or the folder."""
        index: dict[tuple[str, int], list[str]] = defaultdict(list)
        if self.manifest:
            for entry in read_manifest(self.manifest):
                index[entry.prompt, entry.seed].append(entry.file)
            return dict(index)
        for name in self._names:
            stem, dot, ending = name.rpartition(".")
            if (dot + ending).lower() in ENDINGS:
                index[stem, 0].append(name)
                if seeded := _SEEDED.fullmatch(stem):
                    index[seeded[1], int(seeded[2])].append(name)
        return dict(index)

    def _nothing_for(self, id: str, seed: int) -> str:
        if self.manifest:
            have = sorted({f"'{text}', seed {number}" for text, number in self._index})
            return (
                f"no line for prompt '{id}', seed {seed} in {self.manifest}: "
                f"expected its id or exact text; its lines ({len(have)}): {_some(have, id)}"
            )
        expected = [f"{id}_{seed}.wav", f"{id}-seed{seed}.wav"]
        if seed == 0:
            expected.insert(0, f"{id}.wav")
        there = f"its files ({len(self._names)}): {_some(self._names, id)}" if self._names else "it is empty"
        return (
            f"no file for prompt '{id}', seed {seed} in {self.folder}: expected {' or '.join(expected)}, "
            f"or another ending of {' '.join(ENDINGS)}; {there}"
        )


def _played(file: Path, duration: float) -> Audio:
    if file.suffix.lower() not in (*MIDI_ENDINGS, *MUSICXML_ENDINGS):
        return read_audio(file).cropped(duration)
    from models.composer.render import render

    notes = read_notes(file, duration)
    sound = render(notes).cropped(duration)
    return Audio(sound.samples, sound.rate, notes)


def _some(names: Sequence[str], id: str) -> str:
    """The first few, those that look like ``id`` before the others."""
    likely = sorted(names, key=lambda name: id.lower() not in name.lower())
    return ", ".join(likely[:4]) + (", …" if len(names) > 4 else "")
