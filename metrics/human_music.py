"""The metrics' values for human music of known genre, which clips of that genre are compared with.

A model that plays blues is not worse at harmony than one that plays nursery tunes, and how readily a tagger calls music
jazz can only be measured on jazz. With a folder that has a folder of recordings for each genre::

    python -P -m metrics.human_music FOLDER > human.json

makes a file for the parameters ``ranges`` of harmonic-accuracy and ``calibration`` of genre-fit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, TunebenchError, UsageError
from metrics.genre_calibration import Calibration, calibrate, calibration
from metrics.genre_tags import GENRES

MIN_RECORDINGS = 10
"""Least number of recordings of a genre; with fewer, the ends of a range are too uncertain."""

RANGE = (5.0, 95.0)
"""Percentiles of a genre's recordings between which a clip counts as like human music."""

Range = tuple[float, float]


@dataclass(frozen=True)
class HumanMusic:
    """Ranges and calibration measured on human music.

    Attributes:
        music: what it was, in words.
        harmony: the range of harmonic accuracy in percent, by genre.
        genres: the calibration of genre fit, or None where one of its six genres has too few recordings.
    """

    music: str
    harmony: Mapping[str, Range]
    genres: Calibration | None


def read_human_music(path: Path) -> HumanMusic:
    """Read the file that this module writes.

    Raises:
        UsageError: it cannot be read.
        DataError: it is something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is not a file of human music; make one with: python -P -m metrics.human_music"
        ) from None
    try:
        stored = json.loads(text)
        harmony = {str(genre): _range(*ends) for genre, ends in stored["harmony"].items()}
        known = stored["genres"]
        return HumanMusic(str(stored["music"]), harmony, None if known is None else _calibration(known))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a file of human music ({type(error).__name__}: {error}); make one with: "
            "python -P -m metrics.human_music"
        ) from error


def _range(low: float, high: float) -> Range:
    if not 0 < float(low) <= float(high) <= 100:
        raise ValueError(f"a range must satisfy 0 < low ≤ high ≤ 100, got {low} to {high}")
    return float(low), float(high)


def _calibration(known: Mapping[str, Any]) -> Calibration:
    centre, spread = (tuple(map(float, known[name])) for name in ("centre", "spread"))
    finite = np.isfinite([*centre, *spread]).all()
    if tuple(known["genres"]) != GENRES or len(centre) != len(GENRES) or len(spread) != len(GENRES) or not finite:
        raise ValueError(f"genres must be {', '.join(GENRES)}, with a centre and a spread of each")
    if min(spread) <= 0:
        raise ValueError("a spread must be more than 0")
    return Calibration(str(known["music"]), GENRES, centre, spread, int(known["clips"]))


def summarise_music(
    genres: Iterable[str], accuracy: npt.NDArray[np.float64], log_odds: npt.NDArray[np.float64], music: str
) -> HumanMusic:
    """Compute ranges and calibration of labeled recordings.

    Args:
        genres: of the recordings, in lower case.
        accuracy: harmonic accuracy in percent, shape (recordings,), NaN where it is undefined.
        log_odds: of the six `GENRES` before calibration, shape (recordings, 6), NaN where they are unknown.
        music: what it is, in words.

    Raises:
        DataError: no genre has as many recordings as a range needs.
    """
    named = np.array(list(genres))
    harmony: dict[str, Range] = {}
    for genre in np.unique(named).tolist():
        own = accuracy[(named == genre) & np.isfinite(accuracy)]
        if len(own) >= MIN_RECORDINGS:
            low, high = np.percentile(own, RANGE)
            harmony[genre] = (float(low), float(high))
    if not harmony:
        raise DataError(f"no genre has {MIN_RECORDINGS} recordings whose harmony can be read; add some to its folder")
    tagged = np.isfinite(log_odds).all(axis=1)
    enough = all(((named == genre) & tagged).sum() >= MIN_RECORDINGS for genre in GENRES)
    known = calibrate(log_odds[tagged], named[tagged].tolist(), GENRES, music) if enough else None
    return HumanMusic(music, harmony, known)


def measure(folder: Path) -> HumanMusic:
    """Score the recordings of a folder that has a folder for each genre.

    Raises:
        UsageError: no such folder.
        DataError: it holds no audio, or too little.
    """
    from bench import Prompt
    from bench.execution.score_audio import score_audio
    from bench.recordings import recordings_in

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = [recording for recording in recordings_in(folder, "folder") if recording.genre]
    genres = [str(recording.genre).casefold() for recording in found]
    prompts = [Prompt(f"recording-{place}", "human music", genre) for place, genre in enumerate(genres)]
    accuracy, log_odds = np.full(len(found), np.nan), np.full((len(found), len(GENRES)), np.nan)
    shipped = calibration()
    scored = score_audio([recording.path for recording in found], ["harmonic-accuracy", "genre-fit"], prompts)
    for place, (recording, scores) in enumerate(zip(found, scored, strict=True)):
        print(f"{recording.id}: {scores.error or 'read'}", file=sys.stderr)
        for ref, score in scores.scores.items():
            if score.value is None:
                continue
            if ref.startswith("harmonic-accuracy"):
                accuracy[place] = score.value
            else:
                standard = np.array([score.details["log_odds"][genre] for genre in GENRES])
                log_odds[place] = standard * shipped.spread + shipped.centre
    return summarise_music(genres, accuracy, log_odds, f"{len(found)} recordings in {folder.name}")


def main() -> int:
    """Measure the folder that the command line names, print the file, and return the exit status."""
    try:
        if len(sys.argv) != 2:
            raise UsageError("name one folder: python -P -m metrics.human_music FOLDER > human.json")
        print(json.dumps(asdict(measure(Path(sys.argv[1]))), indent=2, ensure_ascii=False))
    except TunebenchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
