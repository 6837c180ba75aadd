"""The frozen design of a listening test: sessions, sounds, and the analysis of the answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from bench.atomic_write import replace_file
from bench.errors import DataError, UsageError
from bench.hashing import fingerprint
from bench.listening_test.folder import DESIGN, SOUNDS, SPOILED
from bench.listening_test.sessions import ListenerWorkload, ListeningTrial
from bench.listening_test.settings import ListeningTest
from bench.regular_file import read_bytes
from bench.schema import parse_settings

_KIND, _FORMAT = "tunebench listening test", 1


class HeardItem(NamedTuple):
    """A prompt and seed of the test: the prompt's id, text and genre ("" for none), and the clips' seed."""

    prompt: str
    text: str
    genre: str
    seed: int


class SoundFile(NamedTuple):
    """The file of a sound: SHA-256 of its bytes, duration in seconds, and size in bytes."""

    sha256: str
    seconds: float
    size: int


@dataclass(frozen=True)
class ListeningDesign:
    """A listening test that can no longer change.

    Attributes:
        test: its settings.
        models: the compared models.
        items: prompts and seeds.
        sessions: a session per listener, with a trial per page.
        tones: positions of the quietest tone in each trial of the headphone check.
        files: files of the sounds by `sound_key`.
        workload: workload of a listener.
        texts: texts of the pages, by name, in the language of the test.
        run: title and suite of the run.
        secret: 64 random hexadecimal digits, from which names of sounds are derived.
        tunebench: version that made the design.
    """

    test: ListeningTest
    models: tuple[str, ...]
    items: tuple[HeardItem, ...]
    sessions: tuple[tuple[ListeningTrial, ...], ...]
    tones: tuple[int, ...]
    files: Mapping[str, SoundFile]
    workload: ListenerWorkload
    texts: Mapping[str, str]
    run: Mapping[str, str]
    secret: str
    tunebench: str

    @cached_property
    def id(self) -> str:
        """Hash of the whole design."""
        return fingerprint(self.content())

    @property
    def short_id(self) -> str:
        """A prefix of the hash, for names of cookies and files."""
        return self.id[:16]

    @property
    def analysis(self) -> dict[str, Any]:
        """The analysis of the answers, fixed before there are any."""
        test = self.test
        pairs = len(self.models) * (len(self.models) - 1) // 2
        return {
            "models": list(self.models),
            "scales": [scale.name for scale in test.scales],
            "estimate": "strengths and preference of each pair" if test.kind == "preference" else "difference of means",
            "test": "two-sided, over listeners and prompts as random, as 'tunebench survey analyze' computes it",
            "tests": pairs * len(test.scales),
            "adjustment": "Holm over all of them",
            "confidence": test.confidence,
            "margin": test.margin,
            "screening": test.screening.model_dump(mode="json"),
        }

    def content(self) -> dict[str, Any]:
        """Return the design as JSON values."""
        return {
            "test": self.test.model_dump(mode="json"),
            "models": list(self.models),
            "items": [list(item) for item in self.items],
            "sessions": [[_written(trial) for trial in session] for session in self.sessions],
            "tones": list(self.tones),
            "files": {key: list(file) for key, file in self.files.items()},
            "workload": asdict(self.workload),
            "analysis": self.analysis,
            "texts": dict(self.texts),
            "run": dict(self.run),
            "secret": self.secret,
            "tunebench": self.tunebench,
        }

    def sound(self, key: str) -> str:
        """Return the name of a sound's file, without extension; it reveals nothing without the secret."""
        return hmac.new(bytes.fromhex(self.secret), f"sound {key}".encode(), hashlib.sha256).hexdigest()[:32]

    def keys_on(self, trial: ListeningTrial) -> list[str]:
        """Return the keys of the sounds of a page, in the order shown."""
        if trial.role == "beeps":
            return [beeps_key(trial.beeps)]
        return [sound_key(trial.item, model, trial.spoils) for model in trial.models]


def sound_key(item: int, model: str, spoils: str = "") -> str:
    """Return the key of a clip, or of the degraded copy of the clip of the model ``spoils``.

    Args:
        item: place of the prompt and seed among the design's items, counted from 0.
        model: of the clip; `bench.listening_test.folder.SPOILED` for a degraded copy.
        spoils: the model whose clip was degraded.

    >>> sound_key(3, "base"), sound_key(3, "spoiled", "base")
    ('3 base', '3 spoiled base')
    """
    return f"{item} {SPOILED} {spoils}" if model == SPOILED else f"{item} {model}"


def beeps_key(count: int) -> str:
    """Return the key of the sound with this number of beeps."""
    return f"beeps {count}"


def tones_key(quietest: int) -> str:
    """Return the key of the three tones of which this one, counted from 0, is the quietest."""
    return f"tones {quietest}"


def write_design(design: ListeningDesign, folder: Path) -> None:
    """Write ``design.json`` into a folder."""
    whole = {"kind": _KIND, "format": _FORMAT, "hash": design.id, "design": design.content()}
    replace_file(folder / DESIGN, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def read_design(folder: Path) -> ListeningDesign:
    """Read the design of a listening test.

    Raises:
        UsageError: the folder has none, or one of a newer version.
        DataError: it was changed after it was made, or is damaged.
    """
    path = folder / DESIGN
    if not path.is_file():
        raise UsageError(f"{folder} is not a listening test (it has no {DESIGN}); make one with 'tunebench survey new'")
    try:
        whole = json.loads(read_bytes(path))
        if not isinstance(whole, dict) or whole.get("kind") != _KIND:
            raise ValueError("it is not a design of a listening test")
        if whole["format"] != _FORMAT:
            raise UsageError(
                f"{path} has layout {whole['format']!r:.20}, this version reads {_FORMAT}; use the tunebench version "
                "that wrote it"
            )
        content = whole["design"]
        if fingerprint(content) != whole["hash"]:
            raise DataError(f"{path} was changed after it was made: its hash differs; restore the original")
        design = ListeningDesign(
            test=parse_settings(ListeningTest, _tuples(content["test"]), str(path)),
            models=tuple(content["models"]),
            items=tuple(HeardItem(*item) for item in content["items"]),
            sessions=tuple(tuple(_read(trial) for trial in session) for session in content["sessions"]),
            tones=tuple(content["tones"]),
            files={key: SoundFile(*file) for key, file in content["files"].items()},
            workload=ListenerWorkload(**content["workload"]),
            texts=content["texts"],
            run=content["run"],
            secret=content["secret"],
            tunebench=content["tunebench"],
        )
        _check(design)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {str(error) or type(error).__name__}") from None
    return design


def check_sound_files(design: ListeningDesign, folder: Path) -> None:
    """Check that the sounds of a test are unchanged.

    Args:
        design: of the test.
        folder: of the test.

    Raises:
        DataError: one is missing or was changed.
    """
    for key, file in design.files.items():
        path = folder / SOUNDS / f"{design.sound(key)}.mp3"
        try:
            same = hashlib.sha256(read_bytes(path)).hexdigest() == file.sha256
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); copy the whole folder of the test") from None
        if not same:
            raise DataError(f"{path} was changed after the test was made; restore the original")


def _check(design: ListeningDesign) -> None:
    """Raise ValueError if a page refers to a missing model or sound."""
    bytes.fromhex(design.secret)
    known = {*design.models, SPOILED}
    for session in design.sessions:
        for trial in session:
            item = -1 <= trial.item < len(design.items) and (trial.item >= 0 or trial.role == "beeps")
            if not item or not set(trial.models) <= known or not 0 <= trial.asked < len(design.test.passes):
                raise ValueError(f"a page shows {trial.models} of item {trial.item}")
            if absent := [key for key in design.keys_on(trial) if key not in design.files]:
                raise ValueError(f"a page plays '{absent[0]}', which has no file")


def _written(trial: ListeningTrial) -> list[Any]:
    role, item, models, *rest = trial
    return [role, item, list(models), *rest]


def _read(trial: list[Any]) -> ListeningTrial:
    role, item, models, *rest = trial
    return ListeningTrial(role, item, tuple(models), *rest)


def _tuples(settings: Any) -> Any:
    return {name: value for name, value in settings.items() if value is not None}
