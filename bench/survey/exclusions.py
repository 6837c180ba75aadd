"""Exclude answers of a survey, recording the reason, line and content of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.errors import DataError, UsageError, suggestion
from bench.survey.answer_rules import AnswerRules
from bench.survey.answers import (
    Ranges,
    leave_out_missing,
    leave_out_off_range,
    note_directions,
    read_rating_texts,
    read_vote_texts,
)
from bench.survey.duplicates import leave_out_duplicates
from bench.survey.long_format import OPTIONAL, Identified
from bench.survey.post_screening import failed_checks, failed_references
from bench.survey.ratings import Preferences, Ratings, natural
from bench.survey.sieve import Sieve, describe

if TYPE_CHECKING:
    import pandas as pd

_RATINGS = ["listener", "prompt", "model", "scale", "value", *(role for role in OPTIONAL if role != "side")]
_PREFERENCES = ["listener", "prompt", "a", "b", "scale", "choice", "outcome", "score", *OPTIONAL]


def screen(
    identified: Identified,
    ranges: Ranges = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
) -> Ratings | Preferences:
    """Keep the answers that count; the arguments are those of `bench.survey.reading.read_survey`.

    Raises:
        UsageError: a requested model, scale, listener or answer is not in the file, or a check of listeners needs
            ratings.
        SurveyQuestion: it is ambiguous which answers count.
        DataError: nothing is left to compare.
    """
    rules = rules or AnswerRules()
    sieve, path = Sieve(identified), identified.path
    sieve.notes += lookalikes(identified)
    preferences = identified.kind == "preferences"
    model_roles = ("a", "b") if preferences else ("model",)
    for role in ("listener", "prompt", *model_roles, "scale"):
        sieve.exclude(sieve.records[role] == "", f"no {role}", role)
    _without(sieve, rules.without_listeners, identified)
    _screen_listeners(sieve, rules, preferences)
    _only(sieve, "scale", scales, ("scale",), identified)
    _only(sieve, "model", models, model_roles, identified)
    if models is None and not preferences:
        control = sieve.records["model"].isin(identified.controls)
        sieve.exclude(control, "hidden reference or anchor, compared only when named with --models", "model")
    before = {name for role in model_roles for name in sieve.records[role]}
    leave_out_missing(sieve, rules, preferences, path)
    _tell_prompts_apart(sieve)
    if preferences:
        sieve.exclude(sieve.records["a"] == sieve.records["b"], "a model against itself", "b")
        scored = read_vote_texts(sieve, rules, path)
        limits = leave_out_off_range(sieve, "score", ranges, {}, scored, path)
        note_directions(sieve, scored, identified.columns)
    else:
        stated = read_rating_texts(sieve, rules, identified.decimal_comma, path)
        limits = leave_out_off_range(sieve, "value", ranges, stated, set(sieve.records["scale"]), path)
    leave_out_duplicates(sieve, ["listener", "prompt", *model_roles, "scale", "seed"], rules.duplicates, identified)
    left = _ordered({name for role in model_roles for name in sieve.records[role]}, models)
    if gone := sorted(before - set(left), key=natural):
        sieve.notes.append(f"Models without any answer that counts: {', '.join(gone)}.")
    sieve.records = sieve.records.assign(position=_positions(sieve.records["position"]))
    order = {scale: number for number, scale in enumerate(identified.records["scale"].unique())}  # that of the file
    table = sieve.records.sort_values("scale", key=lambda scales: scales.map(order), kind="stable")
    table = table[_PREFERENCES if preferences else _RATINGS].reset_index(drop=True)
    limits = {scale: limits[scale] for scale in table["scale"].unique() if scale in limits}
    kind = Preferences if preferences else Ratings
    found = kind(table, sieve.excluded(), tuple(sieve.notes), left, limits)
    _something_left(found, identified)
    rows, lost = sieve.rows()
    return replace(found, listener_columns=identified.listener_columns, rows=rows, rows_lost=lost)


def _screen_listeners(sieve: Sieve, rules: AnswerRules, preferences: bool) -> None:
    """Exclude listeners who fail the requested checks, and the clips of the checks."""
    if not rules.screens:
        return
    if preferences:
        raise UsageError("--post-screening and --quality-check need ratings, but these are preferences")
    failed = failed_references(sieve.records) if rules.post_screening else {}
    failed |= failed_checks(sieve.records, rules.quality_checks) if rules.quality_checks else {}
    for listener, reason in failed.items():
        sieve.exclude(sieve.records["listener"] == listener, f"post-screening: {reason}", "listener")
    checks = sieve.records["model"].isin(list(rules.quality_checks))
    sieve.exclude(checks, "degraded clip, used as a check of listeners", "model")


def _positions(texts: pd.Series) -> pd.Series:
    """Return positions as numbers, NaN if missing or not a number."""
    import pandas as pd

    return pd.to_numeric(texts, errors="coerce").astype(float)


def _without(sieve: Sieve, listeners: Sequence[str], identified: Identified) -> None:
    known = set(sieve.records["listener"])
    for name in listeners:
        if name not in known:
            raise UsageError(f"--without-listener: {identified.path} has no listener '{name}'{suggestion(name, known)}")
    sieve.exclude(sieve.records["listener"].isin(listeners), "left out with --without-listener", "listener")


def _only(
    sieve: Sieve, what: str, wanted: Collection[str] | None, roles: Sequence[str], identified: Identified
) -> None:
    """Exclude values that were not requested."""
    if wanted is None:
        return
    known = dict.fromkeys(name for role in roles for name in sieve.records[role])
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"{identified.path} has no {what} '{name}'{suggestion(name, known)}; it has {', '.join(known)}"
            )
    for role in roles:
        sieve.exclude(~sieve.records[role].isin(list(wanted)), f"a {what} that was not requested", role)


def _tell_prompts_apart(sieve: Sieve) -> None:
    """Distinguish prompts with the same number in different genres; fill in genres that are sometimes missing."""
    records = sieve.records
    known = records[records["genre"] != ""]
    genres = known.groupby("prompt")["genre"].nunique()
    several = set(genres[genres > 1].index)
    if several:
        shared = records["prompt"].isin(several)
        named = (records["genre"] + "/" + records["prompt"]).where(shared & (records["genre"] != ""), records["prompt"])
        records = records.assign(prompt=named)
        sieve.notes.append(
            f"{len(several)} prompts are in several genres ({_first(several)}) and count as one prompt in each."
        )
        known = records[records["genre"] != ""]
    genre = dict(zip(known["prompt"], known["genre"], strict=True))
    sieve.records = records.assign(genre=records["prompt"].map(genre).fillna(""))


def _ordered(names: Collection[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    if wanted is not None:
        return tuple(name for name in dict.fromkeys(wanted) if name in names)
    return tuple(sorted(names, key=natural))


def _something_left(found: Ratings | Preferences, identified: Identified) -> None:
    """Refuse a survey without any comparison, with the reasons of exclusions."""
    if len(found.table):
        return
    reasons = "; ".join(describe(exclusion) for exclusion in found.exclusions)
    raise DataError(f"{identified.path}: no answer is left to analyze: {reasons}")


def _first(names: Collection[str], most: int = 3) -> str:
    ordered = sorted(names, key=natural)
    return ", ".join(map(repr, ordered[:most])) + (", …" if len(ordered) > most else "")


def lookalikes(identified: Identified) -> list[str]:
    """Return names that differ only in case, one sentence per column."""
    found = []
    for role in ("listener", "prompt", "model", "a", "b", "scale"):
        if role not in identified.records:
            continue
        spellings: dict[str, set[str]] = {}
        for name in identified.records[role].unique():
            spellings.setdefault(name.casefold(), set()).add(name)
        if alike := [" and ".join(sorted(names)) for names in spellings.values() if len(names) > 1]:
            more = f", and {len(alike) - 3} more" if len(alike) > 3 else ""
            what = f"the column '{identified.columns.get(role, role)}'"
            found.append(f"Names in {what} that differ only in case count as different: {', '.join(alike[:3])}{more}.")
    return found
