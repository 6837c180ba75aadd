"""Names of the files of a bundle. No other name is ever written or read."""

from __future__ import annotations

import re

from bench.config.value_types import LABEL

FORMAT = 2
ENDING = ".tunebench.zip"

INDEX = "bundle.json"
CONFIG = "config.yaml"
DATABASE = "run.db"
LEADERBOARD = "leaderboard.json"
SCORES = "scores.csv"
IMPORTED = "imported"
"""The parameter of a column of imported scores: the hash of their file."""

_AUDIO = re.compile(rf"audio/{LABEL.pattern}/[0-9a-f]{{16}}\.flac")
_REFERENCE = re.compile(r"references/[0-9a-f]{16}\.safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_audio(name: str) -> bool:
    """Return whether a name is of a form that `audio_name` returns."""
    return bool(_AUDIO.fullmatch(name))


def is_known(name: str) -> bool:
    """Return whether a bundle may have a file of that name: relative, in a limited alphabet and two folders."""
    return name in (INDEX, CONFIG, DATABASE, LEADERBOARD, SCORES) or is_audio(name) or bool(_REFERENCE.fullmatch(name))


def is_hash(text: object) -> bool:
    """Return whether a text is a SHA-256 in hexadecimal digits."""
    return isinstance(text, str) and bool(_SHA256.fullmatch(text))


def audio_name(model: str, clip: str) -> str:
    """Return the path of a clip's audio in a run or bundle, from the model's label and the clip's id."""
    return f"audio/{model}/{clip[:16]}.flac"


def reference_name(fingerprint: str) -> str:
    """Return the path of a reference set in a bundle, from its fingerprint."""
    return f"references/{fingerprint[:16]}.safetensors"
