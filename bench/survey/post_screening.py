"""Exclude listeners by their answers to check clips, by rules fixed beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from bench.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    import pandas as pd

_HEARD = 90.0
_MISSES = 0.15
_CLEAR = 0.25  # of the listeners: above, an item's anchor is not used as a check
_REFERENCE, _ANCHOR = "reference", "anchor70"


def failed_references(records: pd.DataFrame) -> dict[str, str]:
    """Return the listeners excluded by BS.1534, for tests with a true reference, with the reason.

    Left out is who rates the hidden reference below 90 in more than 15 % of the items, or the mid-range anchor (that of
    7 kHz, ``anchor70``) above 90 in more than 15 % of them; an item whose anchor over a quarter of the listeners
    rate above 90 does not count for the latter.

    Args:
        records: columns listener, prompt, scale, model and text, with a row per rating from 0 to 100.

    Raises:
        UsageError: there is neither a hidden reference nor such an anchor.

    Source: ITU-R BS.1534-3, §4.1.2.
    """
    rated = _numbers(records.assign(model=records["model"].str.lower()))
    control = rated[rated["model"].isin([_REFERENCE, _ANCHOR])]
    if control.empty:
        raise UsageError(
            "--post-screening follows BS.1534 and needs ratings of a hidden reference or of anchor70; name clips "
            "degraded on purpose with --quality-check"
        )
    low = control[control["model"] == _REFERENCE].assign(missed=lambda rows: rows["number"] < _HEARD)
    high = control[control["model"] == _ANCHOR].assign(missed=lambda rows: rows["number"] > _HEARD)
    if not high.empty:
        high = high[high.groupby(["prompt", "scale"])["missed"].transform("mean") <= _CLEAR]
    return dict(
        [
            *_above(high, "BS.1534: the mid-range anchor above 90", fewest=1),
            *_above(low, "BS.1534: the hidden reference below 90", fewest=1),
        ]
    )


def failed_checks(records: pd.DataFrame, spoiled: Collection[str]) -> dict[str, str]:
    """Return the listeners who do not notice degraded clips, for music without a true reference, with the reason.

    A check fails if the degraded clip is rated no lower than the listener's mean of the prompt's other clips;
    a listener is excluded who fails more than 15 % of the checks, and more than one.

    Args:
        records: columns listener, prompt, scale, model and text, with a row per rating.
        spoiled: models of degraded clips.

    Raises:
        UsageError: no rated clip has such a model.
        DataError: a degraded clip's rating is not a number.

    Source: the checks are those of ITU-R BS.2132 without a given reference; the rule is ours.
    """
    known = set(records["model"])
    for name in spoiled:
        if name not in known:
            raise UsageError(f"--quality-check: no rated model '{name}'{suggestion(name, known)}")
    rated = _numbers(records)
    if not set(spoiled) <= set(rated["model"]):
        raise DataError("ratings of check clips must be numbers; give values of words with --words")
    place = ["listener", "prompt", "scale"]
    is_check = rated["model"].isin(list(spoiled))
    usual = rated[~is_check].groupby(place)["number"].mean().rename("usual")
    checks = rated[is_check].join(usual, on=place).dropna(subset=["usual"])
    return dict(_above(checks.assign(missed=checks["number"] >= checks["usual"]), "degraded clips not rated lower", 2))


def _numbers(records: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    texts = records["text"].str.replace(",", ".", regex=False)
    return records.assign(number=pd.to_numeric(texts, errors="coerce")).dropna(subset=["number"])


def _above(rows: pd.DataFrame, what: str, fewest: int) -> Iterator[tuple[str, str]]:
    """Yield the listeners with more misses than the allowed share, and at least ``fewest``."""
    if rows.empty:
        return
    misses = rows.groupby("listener")["missed"]
    for listener, share, count in zip(misses.mean().index, misses.mean(), misses.sum(), strict=True):
        if share > _MISSES and count >= fewest:
            yield str(listener), f"{what} in {100 * share:.0f} % of the trials"
