"""Genre fit: whether a music tagger finds the genre that the prompt asks for.

It is a tagger's opinion, not a listener's: musicnn (Pons and Serra, 2019) reports 50 tags of last.fm and 50 of
MagnaTagATune, of which twelve name one of the six genres. The tagger gives some tags often and some hardly ever, to
noise as well, so the log-odds are compared with calibration music of known genre. The shipped calibration is synthetic
(see `metrics.genre_calibration`); human music replaces it where it is given (`metrics.human_music`). Margins compare
models over the same prompts and are no probability of a genre. The tagger cannot say whether there is music at all: it
gives tags to noise, too, and hardly any to some music (see `metrics.notes.presence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError
from metrics.genre_calibration import Calibration, calibration
from metrics.genre_tags import GENRES, MSD, MTT, genre_log_odds
from metrics.human_music import MIN_RECORDINGS, read_human_music
from metrics.notes.presence import why_no_music
from metrics.notes.trial import try_transcriber


def calibrated(log_odds: npt.NDArray[np.float64], by: Calibration | None = None) -> npt.NDArray[np.float64]:
    """Compute the log-odds of the genres in standard deviations from the mean of the calibration music, shape (…,
    6).

    Args:
        log_odds: of `metrics.genre_tags.genre_log_odds`, shape (…, 6).
        by: mean and standard deviation of each genre; by default the shipped ones.
    """
    known = by or calibration()
    standard: npt.NDArray[np.float64] = (log_odds - np.array(known.centre)) / np.array(known.spread)
    return standard


def genre_margin(standard: npt.NDArray[np.float64], genre: str) -> float:
    """Compute how far ``genre`` lies above the best other genre, in standard deviations; positive where it is found.

    Args:
        standard: calibrated log-odds of the six `GENRES`, shape (6,).
        genre: one of them.

    Raises:
        DataError: another genre.

    >>> genre_margin(np.array([0.0, 0.5, 2.0, 1.5, -1.0, 0.0]), "dance")
    0.5
    """
    if genre not in GENRES:
        raise DataError(f"genre {genre!r} is not one of {', '.join(GENRES)}")
    place = GENRES.index(genre)
    return float(standard[place] - np.delete(standard, place).max())


def confusion_table(asked: Sequence[str], found: Sequence[str | None]) -> npt.NDArray[np.int64]:
    """Count how often each genre was found for each requested one: rows as requested, columns as found, shape (6, 7).

    Both in the order of `GENRES`; the last column counts clips without a value (None).

    Raises:
        DataError: another genre, or lists of different lengths.

    >>> confusion_table(["jazz", "jazz", "pop"], ["jazz", None, "rock"])[3]
    array([0, 0, 0, 1, 0, 0, 1])
    """
    if len(asked) != len(found):
        raise DataError(f"{len(asked)} genres asked for and {len(found)} found")
    columns = (*GENRES, None)
    unknown = [genre for genre in asked if genre not in GENRES] + [genre for genre in found if genre not in columns]
    if unknown:
        raise DataError(f"genre {unknown[0]!r} is not one of {', '.join(GENRES)}")
    table = np.zeros((len(GENRES), len(columns)), dtype=np.int64)
    for row, column in zip(asked, found, strict=True):
        table[GENRES.index(row), columns.index(column)] += 1
    return table


class GenreFit(ClipMetric):
    """How far a music tagger puts the prompt's genre above the best other one, in standard deviations (SD).

    The standard deviations are those of the calibration music. Undefined where the prompt has no genre or none of the
    six, and where the clip holds no music: silence, noise, a single tone. Details: ``top1`` (the genre found), ``fits``
    (whether it is the prompt's), ``log_odds`` (calibrated, for each genre).

    Args:
        calibration: a file that ``python -m metrics.human_music`` makes of labeled human music; by default, the
            synthetic calibration that is shipped.
    """

    version = 2
    unit = "SD"
    direction: ClassVar[Direction] = "higher"
    embedders = (MSD, MTT)
    cannot_tell = "quality or mood: it is the opinion of a music tagger, calibrated on synthetic music and weak on pop"

    def __init__(self, calibration: str | None = None) -> None:
        self._calibration = None if calibration is None else _human_calibration(Path(calibration))

    @classmethod
    def require(cls) -> None:
        try_transcriber()

    def score(self, clip: DecodedClip) -> Score:
        if clip.prompt.genre is None:
            return Score.undefined("the prompt has no genre")
        genre = clip.prompt.genre.casefold()
        if genre not in GENRES:
            return Score.undefined(f"no tags are known for the genre '{clip.prompt.genre}'")
        standard = calibrated(genre_log_odds(clip.embedding(MSD), clip.embedding(MTT)), self._calibration)
        log_odds = dict(zip(GENRES, standard.tolist(), strict=True))
        if reason := why_no_music(clip):
            return Score.undefined(reason, log_odds=log_odds)
        top1 = GENRES[int(standard.argmax())]
        details: dict[str, Any] = {"top1": top1, "fits": top1 == genre, "log_odds": log_odds}
        return Score.of(genre_margin(standard, genre), **details)


def _human_calibration(path: Path) -> Calibration:
    known = read_human_music(path).genres
    if known is None:
        raise DataError(
            f"{path} holds no calibration of genres: each of {', '.join(GENRES)} needs {MIN_RECORDINGS} clips"
        )
    return known
