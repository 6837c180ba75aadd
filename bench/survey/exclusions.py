"""Which answers of a survey count: every one that does not is kept with its reason, its line and what stands there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, UsageError, suggestion
from bench.survey.answer_rules import AnswerRules
from bench.survey.long_format import OPTIONAL, Identified
from bench.survey.rating_range import Range, guess_range
from bench.survey.ratings import Exclusion, Preferences, Ratings, natural
from bench.survey.word_scale import as_numbers, is_word_of_scale

if TYPE_CHECKING:
    import pandas as pd

Mask = npt.NDArray[np.bool_]

_NOTHING = frozenset(("", "na", "n/a", "nan", "null", "none", "-", "–", "."))
# No scale reaches so far, and the squares of such numbers leave what a computer can count in.
_LARGEST, _SMALLEST = 1e9, 1e-9
_TIES = frozenset(("tie", "same", "equal", "undecided", "no preference", "neither", "both", "="))


class _Sieve:
    """The answers that are left, and why the others are not."""

    def __init__(self, identified: Identified) -> None:
        self.records = identified.records
        self.columns = identified.columns
        self.exclusions: dict[tuple[str, str], list[tuple[int, str]]] = {
            (one.reason, one.column): list(zip(one.rows, one.found, strict=True)) for one in identified.exclusions
        }

    def exclude(self, where: Mask | pd.Series, reason: str, role: str = "") -> None:
        """Take answers out; ``role`` is what is wrong about them, the answer itself if not said."""
        bad = np.asarray(where, dtype=bool)
        if not bad.any():
            return
        out = self.records[bad]
        found = out[role or "text"]
        columns = [self.columns.get(role, role)] * len(out) if role else out["column"]
        for line, column, text in zip(out["line"], columns, found, strict=True):
            self.exclusions.setdefault((reason, column), []).append((int(line), str(text)))
        self.records = self.records[~bad]

    def excluded(self) -> tuple[Exclusion, ...]:
        return tuple(
            Exclusion(reason, column, tuple(line for line, _ in rows), tuple(text for _, text in rows))
            for (reason, column), rows in ((key, sorted(rows)) for key, rows in self.exclusions.items())
        )


def screen(
    identified: Identified,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
) -> Ratings | Preferences:
    """Keep the answers that count; the arguments are those of `bench.survey.reading.read_survey`.

    Raises:
        UsageError: a model or scale that was asked for is not in the file.
        DataError: nothing is left that could be compared.
    """
    rules = rules or AnswerRules()
    sieve = _Sieve(identified)
    notes = [*identified.notes, *lookalikes(identified)]
    preferences = identified.kind == "preferences"
    for role in ("listener", "prompt", *(("a", "b") if preferences else ("model",)), "scale"):
        sieve.exclude(sieve.records[role] == "", f"no {role}", role)
    _only(sieve, "scale", scales, ("scale",), identified)
    _only(sieve, "model", models, ("a", "b") if preferences else ("model",), identified)
    if models is None and not preferences:
        control = sieve.records["model"].isin(identified.controls)
        sieve.exclude(control, "hidden reference or anchor, compared only when named with --models", "model")
    before = {name for role in (("a", "b") if preferences else ("model",)) for name in sieve.records[role]}
    lower = sieve.records["text"].str.lower()
    sieve.exclude(lower.isin(_NOTHING), "no answer" if preferences else "no rating")
    _tell_prompts_apart(sieve, notes)
    if preferences:
        sieve.exclude(sieve.records["a"] == sieve.records["b"], "a model against itself", "b")
    answers = _choices(sieve) if preferences else _numbers(sieve, identified, notes)
    table = sieve.records.assign(**{"choice" if preferences else "value": answers})
    if preferences:
        outcome = table["choice"].map({-1.0: "a", 1.0: "b", 0.0: "tie"})
        table = table.assign(outcome=outcome, score=table["choice"])
    found: Ratings | Preferences
    if preferences:
        sieve.records = table
        _no_repetitions(sieve, ["listener", "prompt", "a", "b", "scale", "seed"], "choice")
        known = set(sieve.records["a"]) | set(sieve.records["b"])
        found = Preferences(_tidy(sieve, _PREFERENCES), sieve.excluded(), tuple(notes), _ordered(known, models))
    else:
        sieve.records = table
        limits = _off_range(sieve, ranges, notes, identified.path)
        _no_repetitions(sieve, ["listener", "prompt", "model", "scale", "seed"], "value")
        if len(set(sieve.records["model"])) > 1:
            rated = sieve.records.groupby("listener")["model"].transform("nunique")
            sieve.exclude(rated == 1, "the listener rated one model only", "listener")
        table = _tidy(sieve, _RATINGS)
        left = _ordered(set(table["model"]), models)
        limits = {scale: limits[scale] for scale in table["scale"].unique()}
        found = Ratings(table, sieve.excluded(), tuple(notes), left, limits)
    _something_left(found, identified)
    gone = sorted(before - set(found.models), key=natural)
    if gone:
        found = replace(found, notes=(*found.notes, f"Models without any answer that counts: {', '.join(gone)}."))
    return found


_RATINGS = ["listener", "prompt", "model", "scale", "value", "seed", "genre", "position"]
_PREFERENCES = ["listener", "prompt", "a", "b", "scale", "choice", "outcome", "score", *OPTIONAL]


def _only(
    sieve: _Sieve, what: str, wanted: Collection[str] | None, roles: Sequence[str], identified: Identified
) -> None:
    """Leave out what was not asked for."""
    if wanted is None:
        return
    known = dict.fromkeys(name for role in roles for name in sieve.records[role])
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"{identified.path} has no {what} '{name}'{suggestion(name, known)}; it has {', '.join(known)}"
            )
    for role in roles:
        sieve.exclude(~sieve.records[role].isin(list(wanted)), f"a {what} that was not asked for", role)


def _tell_prompts_apart(sieve: _Sieve, notes: list[str]) -> None:
    """Prompts numbered anew in each genre are different prompts; one whose genre is not always given has it anyway."""
    records = sieve.records
    known = records[records["genre"] != ""]
    genres = known.groupby("prompt")["genre"].nunique()
    several = set(genres[genres > 1].index)
    if several:
        shared = records["prompt"].isin(several)
        named = (records["genre"] + "/" + records["prompt"]).where(shared & (records["genre"] != ""), records["prompt"])
        records = records.assign(prompt=named)
        notes.append(
            f"{len(several)} prompts are in several genres ({_first(several)}) and are taken as one prompt in each."
        )
        known = records[records["genre"] != ""]
    genre = dict(zip(known["prompt"], known["genre"], strict=True))
    sieve.records = records.assign(genre=records["prompt"].map(genre).fillna(""))


def _numbers(sieve: _Sieve, identified: Identified, notes: list[str]) -> npt.NDArray[np.float64]:
    """Return the ratings as numbers; what is not a number is excluded."""
    import pandas as pd

    texts = sieve.records["text"]
    words = is_word_of_scale(texts)
    if words.any():
        notes.append("Excellent, good, fair, poor and bad are read as 5, 4, 3, 2 and 1 (ITU-T P.800).")
        texts = as_numbers(texts)
    if identified.decimal_comma:
        texts = texts.str.replace(r"^([-+]?\d+),(\d+)$", r"\1.\2", regex=True)
    # Underscores and hexadecimals are numbers to Python, not to anybody who rates.
    written = texts.str.fullmatch(r"[-+−]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?").astype(bool)
    signed = texts.where(written).str.replace("−", "-")
    values: npt.NDArray[np.float64] = pd.to_numeric(signed, errors="coerce").to_numpy(dtype=np.float64)
    finite = np.isfinite(values)
    sieve.exclude(~finite, "not a number")
    values = values[finite]
    usual = (np.abs(values) <= _LARGEST) & ((values == 0) | (np.abs(values) >= _SMALLEST))
    sieve.exclude(~usual, f"beyond what any rating scale has ({_SMALLEST:g} to {_LARGEST:g})")
    kept: npt.NDArray[np.float64] = values[usual]
    return kept


def _off_range(
    sieve: _Sieve, ranges: Mapping[str, Range] | Range | None, notes: list[str], path: Path
) -> dict[str, Range]:
    """The range of each scale, given or guessed; what lies off it is excluded."""
    records = sieve.records
    limits = {}
    off = np.zeros(len(records), dtype=bool)
    if isinstance(ranges, Mapping):
        for name in ranges:
            if name not in set(records["scale"]):
                known = dict.fromkeys(records["scale"])
                raise UsageError(
                    f"--rating-scale is given for '{name}'{suggestion(name, known)}; the scales are {', '.join(known)}"
                )
    values = records["value"].to_numpy(dtype=np.float64)
    guessed: dict[Range, list[str]] = {}
    for scale in records["scale"].unique():
        here = (records["scale"] == scale).to_numpy(dtype=bool)
        given = ranges if isinstance(ranges, Range) else (ranges or {}).get(scale)
        limit = given or guess_range(values[here], f"{scale} in {path}")
        if given is None:
            guessed.setdefault(limit, []).append(scale)
        limits[scale] = limit
        beyond = here & ((values < limit.low) | (values > limit.high))
        off |= beyond
    for limit, scales in guessed.items():
        beyond = off & records["scale"].isin(scales).to_numpy(dtype=bool)
        count = int(beyond.sum())
        but = f", which all but {count} lie on ({count} excluded)" if count else ""
        notes.append(f"Rating scale of {', '.join(scales)} guessed: {limit}{but}; --rating-scale says otherwise.")
    sieve.exclude(off, "off the rating scale")
    return limits


def _choices(sieve: _Sieve) -> npt.NDArray[np.float64]:
    """Return 1 for b, −1 for a, 0 for a tie; every other answer is excluded."""
    records = sieve.records
    text = records["text"].str.lower()

    def says(role: str, words: Iterable[str]) -> Mask:
        return np.asarray((text == records[role].str.lower()) | text.isin(list(words)), dtype=bool)

    a, b = says("a", ("a", "first", "left")), says("b", ("b", "second", "right"))
    tie = np.asarray(text.isin(list(_TIES)), dtype=bool)
    told = (a ^ b) | (tie & ~a & ~b)
    sieve.exclude(~told, "neither of the two models, a, b or tie")
    signs: npt.NDArray[np.float64] = b.astype(np.float64) - a.astype(np.float64)
    return signs[told]


def _no_repetitions(sieve: _Sieve, key: list[str], answer: str) -> None:
    """The same answer twice counts once; two different answers to one question do not count at all."""
    records = sieve.records
    if not records.duplicated(key).any():
        return
    differing = records.groupby(key, sort=False)[answer].transform("nunique") > 1
    sieve.exclude(
        differing,
        "answered several times, differently (if these are different clips, tell them apart with --column seed=NAME)",
    )
    sieve.exclude(sieve.records.duplicated(key), "a repetition of the same answer")


def _tidy(sieve: _Sieve, columns: list[str]) -> pd.DataFrame:
    return sieve.records[columns].reset_index(drop=True)


def _ordered(names: Collection[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    if wanted is not None:
        return tuple(name for name in dict.fromkeys(wanted) if name in names)
    return tuple(sorted(names, key=natural))


def _something_left(found: Ratings | Preferences, identified: Identified) -> None:
    """Refuse a survey without any comparison, and say what became of its answers."""
    if len(found.table):
        return
    reasons = "; ".join(describe(exclusion) for exclusion in found.exclusions)
    raise DataError(f"{identified.path}: no answer is left to analyse: {reasons}")


def describe(exclusion: Exclusion, most: int = 3) -> str:
    """An exclusion in a sentence's words, with its first rows."""
    shown = [
        f"row {row}: {text!r}" if text else f"row {row}"
        for row, text in zip(exclusion.rows[:most], exclusion.found[:most], strict=True)
    ]
    more = f" and {exclusion.count - most} more" if exclusion.count > most else ""
    return f"{exclusion.count} × {exclusion.reason} (column '{exclusion.column}', {', '.join(shown)}{more})"


def _first(names: Collection[str], most: int = 3) -> str:
    ordered = sorted(names, key=natural)
    return ", ".join(map(repr, ordered[:most])) + (", …" if len(ordered) > most else "")


def lookalikes(identified: Identified) -> list[str]:
    """Names that differ in capitals alone, a sentence for each column that has some."""
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
            found.append(
                f"Names in {what} that differ in capitals only count as different: {', '.join(alike[:3])}{more}."
            )
    return found
