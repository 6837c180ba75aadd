"""Detect listeners' bias for a side, and pairs in which it is confounded with preference."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bench.number_format import number
from bench.survey.ratings import Preferences
from bench.survey.results import known
from bench.survey.vote_results import SideChoice

if TYPE_CHECKING:
    import pandas as pd

_ALWAYS = 0.9
_FEWEST = 5
_DRIFT = (
    "such designs call equal models different in 42 to 88 % of simulated surveys where listeners' standards drift by "
    ".4; balance it and ask again"
)


def side_choices(preferences: Preferences, confidence: float) -> tuple[SideChoice, ...]:
    """Return how often the first side was chosen, on each scale, among answers that chose a side.

    If the file does not name it, a is taken as the first side, which the result states. Scales without such answers are
    left out.

    Args:
        preferences: the votes.
        confidence: confidence of the intervals, in (0, 1).
    """
    import pandas as pd

    from bench.stats.clusters import clustered_mean

    found = []
    for scale in preferences.scales:
        rows = _with_sides(preferences.table[preferences.table["scale"] == scale])
        chosen = rows[rows["choice"] != 0]
        if chosen.empty:
            continue
        first = np.where((chosen["choice"] < 0) == (chosen["first"] == "a"), 1.0, 0.0)
        codes = [np.asarray(pd.factorize(chosen[name])[0], dtype=np.intp) for name in ("listener", "prompt")]
        # Add half a vote, so that an interval without votes for one side is not degenerate.
        mean = clustered_mean(first - 0.5, codes[0], codes[1], confidence)
        low, high = (known(np.clip(end + 0.5, 0, 1)) for end in (mean.low, mean.high))
        told = bool((rows["side"] != "").any())
        found.append(SideChoice(scale, len(chosen), float(first.mean()), low, high, known(mean.p), told, mean.reason))
    return tuple(found)


def side_warnings(preferences: Preferences, choices: tuple[SideChoice, ...]) -> dict[tuple[str, str, str], str]:
    """Return a warning for each pair, with its scale, in which one model was (nearly) always on the first side.

    Args:
        preferences: the votes.
        choices: from `side_choices`.

    Returns:
        Sentences by (a, b, scale).
    """
    found = {}
    shares = {one.scale: one for one in choices}
    for scale in preferences.scales:
        rows = _with_sides(preferences.table[preferences.table["scale"] == scale])
        for a, b in combinations(preferences.models, 2):
            pair = rows[((rows["a"] == a) & (rows["b"] == b)) | ((rows["a"] == b) & (rows["b"] == a))]
            if len(pair) < _FEWEST:
                continue
            leading = np.where(pair["first"] == "a", pair["a"], pair["b"])
            share = float((leading == a).mean())
            if _ALWAYS > share > 1 - _ALWAYS:
                continue
            model = a if share >= _ALWAYS else b
            often = "always" if share in (0.0, 1.0) else f"in {max(share, 1 - share):.0%} of votes"
            said = f"'{model}' was {often} on the first side"
            if not (pair["side"] != "").any():
                said = f"'{model}' is {often} in column a: if that is the side shown first"
            said += ", preference is confounded with a bias for a side"
            if scale in shares:
                said += f" (the second side was chosen in {number(100 * (1 - shares[scale].share), 0)} % of votes)"
            found[a, b, scale] = f"W-SIDE: {said}; {_DRIFT}"
    return found


def _with_sides(rows: pd.DataFrame) -> pd.DataFrame:
    """Return answers with a known first side."""
    told = rows["side"] != ""
    return rows[told].assign(first=rows["side"][told]) if told.any() else rows.assign(first="a")
