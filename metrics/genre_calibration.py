"""The tagger's output for music of known genre, which genre fit is relative to.

The music is synthetic: the rule-based composer's, over the 36 prompts of ``genres@1``, with seeds that no run should
use. Where the tagger places real music of a genre differently, the center is off by as much, for every model alike.
Rebuild it with::

    python -P -m metrics.genre_calibration
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

MODEL = "composer"
SUITE = "genres"
SEEDS = (1_000_000, 1_000_001)
SECONDS = 20.0


@dataclass(frozen=True)
class Calibration:
    """Mean and standard deviation of each genre's log-odds over the calibration music.

    Attributes:
        music: what it was, in words.
        genres: their names.
        centre: mean over genres of the mean over clips, in the order of ``genres``.
        spread: standard deviation over clips, > 0, in the same order.
        clips: how many clips.
    """

    music: str
    genres: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    clips: int


@cache
def calibration() -> Calibration:
    """Read the shipped calibration."""
    stored = json.loads((files(__package__) / "genre_calibration.json").read_text(encoding="utf-8"))
    lists = {name: tuple(stored[name]) for name in ("genres", "centre", "spread")}
    return Calibration(music=stored["music"], clips=stored["clips"], **lists)


def calibrate(
    log_odds: npt.NDArray[np.float64], labels: Iterable[str], genres: tuple[str, ...], music: str
) -> Calibration:
    """Compute center and spread of labeled music; every genre counts equally, however many clips it has.

    Args:
        log_odds: of every clip, shape (clips, genres).
        labels: the genre of every clip.
        genres: the columns of ``log_odds``.
        music: what it is, in words.

    Raises:
        DataError: a genre without clips, or log-odds that do not vary.
    """
    named = np.array(list(labels))
    parts = [log_odds[named == genre] for genre in genres]
    if empty := [genre for genre, part in zip(genres, parts, strict=True) if not len(part)]:
        raise DataError(f"calibration: no clip of the genre {empty[0]}")
    centre = np.mean([part.mean(axis=0) for part in parts], axis=0)
    spread = np.sqrt(np.mean([((part - centre) ** 2).mean(axis=0) for part in parts], axis=0))
    if not (spread > 0).all():
        raise DataError("calibration: the log-odds do not vary; more music is needed")
    return Calibration(music, genres, tuple(centre.tolist()), tuple(spread.tolist()), len(log_odds))


def _composed() -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    from bench.contracts.embedder import load_embedder
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.plugins import create, find, load
    from metrics.genre_tags import MSD, MTT, genre_log_odds

    model = create(find("model", MODEL), {}, MusicModel)
    msd, mtt = load_embedder(MSD), load_embedder(MTT)
    for seed in SEEDS:
        for prompt in load(find("suite", SUITE))().prompts:
            (audio,) = model.generate([GenerationRequest(prompt, seed, SECONDS)])
            yield prompt.genre, genre_log_odds(msd.embed(audio), mtt.embed(audio))
            print(f"{prompt.id} {seed}", file=sys.stderr)


def main() -> None:
    """Compose the calibration music, tag it, and write the constants beside this file."""
    from bench.contracts.plugins import find, load
    from metrics.genre_tags import GENRES

    labels, odds = zip(*_composed(), strict=True)
    kind, suite = load(find("model", MODEL)), load(find("suite", SUITE))()
    music = (
        f"synthetic: {MODEL}@{kind.version} over {suite.ref}, {SECONDS:g} s, seeds {', '.join(map(str, SEEDS))}; "
        f"embedders musicnn-msd@1 and musicnn-mtt@1"
    )
    rebuilt = calibrate(np.array(odds), labels, GENRES, music)
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(asdict(rebuilt), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{target}: {rebuilt.clips} clips")


if __name__ == "__main__":
    main()
