"""Existing clips, read from a folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, ClassVar

from bench.contracts.audio import Audio, read_audio
from bench.contracts.model import GenerationRequest, Json, MusicModel
from bench.contracts.prompt import Prompt
from bench.errors import DataError, GenerationError, MissingError, UsageError
from bench.file_hash import HashedFile, hash_file, note_hash, open_hashed
from bench.file_kind import AUDIO_ENDINGS
from bench.file_names import as_on_disk, looked_for, same_spelling
from models.known_names import KnownNames
from models.manifest import MAX_SEED, entries_of, some
from models.symbolic import MIDI_ENDINGS, MUSICXML_ENDINGS, read_notes

ENDINGS = (*AUDIO_ENDINGS, *MIDI_ENDINGS, *MUSICXML_ENDINGS)

_SEEDED = re.compile(r"(.+?)(?:_|[_-]seed)([0-9]+)")


class FolderModel(MusicModel):
    """Plays files instead of generating them, so that any model's output can be scored.

    Files are matched to prompts by name: ``jazz-3_1.wav`` or ``jazz-3-seed1.wav`` for prompt ``jazz-3`` and seed 1,
    ``jazz-3.wav`` for seed 0; where an id itself ends in ``_`` and a number, write ``-seed``. Or a manifest names
    them: see `models.manifest.read_manifest`. Two files for one clip are an error, never a choice.

    Audio: wav, flac, ogg, opus, mp3, aiff, and with the extra ``formats`` m4a, aac, mp4, webm and wma; audio longer
    than requested is cropped, shorter audio stays as it is. MIDI and MusicXML (``.mid``, ``.midi``, ``.musicxml``,
    ``.mxl``, ``.xml``) are scored on their notes, as `models.symbolic.read_notes` reads them, and rendered on the
    composer's soundfont for metrics of audio. A clip without a usable file fails, and the others are unaffected.
    Accents in names may be spelled as NFC or as NFD.

    Where a run names no seeds, the files are its plan: each is requested, and a prompt without any is one missing clip.

    Args:
        path: the folder; its subfolders are only read through a manifest.
        manifest: a CSV or JSONL file in the folder, or in the working folder.
        model: in a manifest of several models, whose clips to play: a value of its column ``model``.

    Raises:
        UsageError: there is no such folder or manifest, or a model is named without a manifest.
    """

    sample_rate = None
    version = 3
    provenance_params = frozenset({"path", "manifest", "model"})
    examples: ClassVar[Mapping[str, str]] = {"path": "my_clips"}

    def __init__(self, path: str | Path, manifest: str | Path | None = None, model: str | None = None) -> None:
        self.folder = Path(path).expanduser()
        if not self.folder.is_dir():
            problem = "is not a folder" if self.folder.exists() else "does not exist"
            raise UsageError(f"folder model: path '{path}' {problem}{looked_for(self.folder)}")
        self.manifest = None
        if manifest is not None:
            places = [self.folder / manifest, Path(manifest)]
            self.manifest = next((place for place in places if place.is_file()), None)
            if self.manifest is None:
                raise UsageError(f"folder model: there is no manifest '{manifest}' in '{path}' or here")
        elif model is not None:
            raise UsageError(
                f"folder model: model '{model}' works only with a manifest with a column 'model'; name the manifest"
            )
        self.model = model
        self._played: dict[Path, HashedFile] = {}

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Read one file for each request.

        Raises:
            UsageError: the manifest is of several models, and none is named, or another.
            DataError: the manifest has a mistake, or two files answer one request.
            MissingError: a score is to be rendered, and the synthesizer is not installed.
        """
        return [self._clip(request) for request in requests]

    def available(self, prompts: Sequence[Prompt]) -> dict[str, list[int]]:
        """Return the seeds for which there are files, ascending, by the id of each prompt that has any.

        A name such as ``jazz_1.wav`` belongs to the prompt ``jazz_1`` where there is one, and not to ``jazz`` too.

        Raises:
            UsageError, DataError: as `generate`.
        """
        ids = {same_spelling(prompt.id) for prompt in prompts}
        found: dict[str, set[int]] = {}
        for prompt in prompts:
            for seed, files in chain.from_iterable(self._files.get(name, {}).items() for name in _names_of(prompt)):
                if not all(self._is_of_another(file, same_spelling(prompt.id), ids) for file in files):
                    found.setdefault(prompt.id, set()).add(seed)
        return {id: sorted(seeds) for id, seeds in found.items()}

    def unused(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return the names of the files that belong to none of the prompts.

        Raises:
            UsageError, DataError: as `generate`.
        """
        known = {name for prompt in prompts for name in _names_of(prompt)}
        files = {name: set(chain.from_iterable(seeds.values())) for name, seeds in self._files.items()}
        used = set().union(*(own for name, own in files.items() if name in known))
        return sorted(set().union(*files.values()) - used)

    def request_fingerprint(self, request: GenerationRequest) -> Mapping[str, Json]:
        """Return the hash of the clip's file: another content under the same name is another clip.

        Once it was played it is the hash of what was played.
        """
        file = self._found(request)
        if file is not None and (played := self._played.pop(file, None)):
            note_hash(file, played)
            return {"sha256": played.sha256}
        if file is None or self._problem(file):
            return {"missing": True}
        try:
            return {"sha256": hash_file(file)}
        except OSError:
            return {"missing": True}

    def _clip(self, request: GenerationRequest) -> Audio | GenerationError:
        prompt, seed = request.prompt, request.seed
        file = self._found(request)
        if file is None:
            return GenerationError(self._nothing_for(prompt.id, seed))
        if problem := self._problem(file):
            return GenerationError(f"{file}: {problem} (for prompt '{prompt.id}', seed {seed})")
        try:
            with open_hashed(file) as (opened, found):
                self._played[file] = found
                return _play(file, opened, request.duration)
        except DataError as error:
            return GenerationError(str(error))
        except OSError as error:
            return GenerationError(f"{file}: cannot be read ({error.strerror})")

    def _found(self, request: GenerationRequest) -> Path | None:
        """Return the file that answers a request, if one is named so.

        Raises:
            UsageError, DataError: as `generate`.
        """
        prompt, seed = request.prompt, request.seed
        names = [file for name in _names_of(prompt) for file in self._files.get(name, {}).get(seed, ())]
        if len(names) > 1:
            raise DataError(
                f"two files for prompt '{prompt.id}', seed {seed}: '{self._root / names[0]}' and "
                f"'{self._root / names[1]}'; keep one, or let a manifest choose"
            )
        return as_on_disk(self._root / names[0]) if names else None

    def _problem(self, file: Path) -> str | None:
        """Return why a named file cannot be used."""
        try:
            # A link is data too: it must not lead from a downloaded folder to the user's own files.
            inside = file.resolve().is_relative_to(self._resolved_root)
            usable = inside and file.is_file()
        except (OSError, RuntimeError):  # a name too long, a link to itself
            return "there is no such file"
        if usable:
            return None
        return "there is no such file" if inside else f"the link leads out of '{self._root}', copy the file there"

    def _is_of_another(self, file: str, id: str, ids: Collection[str]) -> bool:
        """Return whether a name without its ending is the id of another prompt."""
        stem = same_spelling(file).rpartition(".")[0]
        return self.manifest is None and stem != id and stem in ids

    @property
    def _root(self) -> Path:
        return self.manifest.parent if self.manifest else self.folder

    @cached_property
    def _resolved_root(self) -> Path:
        return self._root.resolve()

    @cached_property
    def _names(self) -> list[str]:
        try:
            return sorted(file.name for file in self.folder.iterdir() if file.is_file())
        except OSError as error:
            raise DataError(f"{self.folder}: the folder cannot be listed ({error.strerror})") from None

    @cached_property
    def _without_files(self) -> str:
        """What messages say about a folder without any file."""
        folders = sorted(entry.name for entry in self.folder.iterdir() if entry.is_dir())
        if not folders:
            return "it is empty"
        return f"it holds folders only ({some(folders)}), whose files are reached through a manifest"

    @cached_property
    def _files(self) -> Mapping[str, Mapping[int, list[str]]]:
        """Id or text of a prompt → seed → the files that answer it, relative to the manifest or the folder."""
        index: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        if self.manifest:
            for entry in entries_of(self.manifest, self.model):
                index[same_spelling(entry.prompt)][entry.seed].append(entry.file)
            return index
        for name in self._names:
            stem, dot, ending = same_spelling(name).rpartition(".")
            if (dot + ending).lower() in ENDINGS:
                index[stem][0].append(name)
                if (seeded := _SEEDED.fullmatch(stem)) and int(seeded[2]) <= MAX_SEED:
                    index[seeded[1]][int(seeded[2])].append(name)
        return index

    @cached_property
    def _known(self) -> KnownNames:
        """The names that messages list as existing."""
        if self.manifest is None:
            return KnownNames(self._names)
        return KnownNames(f"'{text}', seed {seed}" for text, seeds in self._files.items() for seed in seeds)

    def _nothing_for(self, id: str, seed: int) -> str:
        if self.manifest:
            whose = f" of model '{self.model}'" if self.model else ""
            return (
                f"no line for prompt '{id}', seed {seed}{whose} in {self.manifest}: "
                f"expected its id or exact text; its lines ({len(self._known)}): {self._known.nearest(id)}"
            )
        expected = [f"{id}_{seed}.wav", f"{id}-seed{seed}.wav"]
        if seed == 0:
            expected.insert(0, f"{id}.wav")
        there = f"its files ({len(self._known)}): {self._known.nearest(id)}" if self._names else self._without_files
        return (
            f"no file for prompt '{id}', seed {seed} in {self.folder}: expected {' or '.join(expected)}, "
            f"or another ending of {' '.join(ENDINGS)}; {there}"
        )


def _names_of(prompt: Prompt) -> tuple[str, ...]:
    """Return what a file or a line may call a prompt."""
    return tuple(dict.fromkeys(map(same_spelling, (prompt.id, prompt.text.strip()))))


def _play(file: Path, opened: BinaryIO, duration: float) -> Audio:
    if file.suffix.lower() not in (*MIDI_ENDINGS, *MUSICXML_ENDINGS):
        try:
            return read_audio(file, duration, opened)
        except MissingError as error:  # of this file: others need no second decoder
            raise DataError(str(error)) from None
    from models.composer.render import render

    notes = read_notes(file, duration, opened)
    sound = render(notes).cropped(duration)
    return Audio(sound.samples, sound.rate, notes)
