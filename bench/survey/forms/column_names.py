"""Usual names of the columns of survey files."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Blanks, punctuation, capitals and endings such as "id" do not matter: see `plain`.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "listener": (
        *("rater", "subject", "participant", "worker", "assessor", "annotator", "evaluator", "judge", "user"),
        *("respondent", "person"),
    ),
    "prompt": ("item", "track", "piece", "stimulus", "song", "excerpt", "sample"),
    "model": ("system", "condition", "method", "algorithm", "variant", "generator", "modelname"),
    "scale": ("question", "attribute", "dimension", "criterion", "aspect"),
    "value": ("rating", "score", "response", "answer", "vote", "grade", "opinionscore"),
    "seed": ("repetition", "repeat", "take"),
    "genre": ("style", "musicgenre"),
    "a": ("modela", "systema", "conditiona", "model1", "system1", "first", "left", "leftmodel", "firstmodel"),
    "b": ("modelb", "systemb", "conditionb", "model2", "system2", "second", "right", "rightmodel", "secondmodel"),
    "choice": ("preferred", "preference", "winner", "chosen", "better"),
    "position": ("order", "trial", "trialindex", "trialnumber", "presentationorder", "playorder"),
    "side": ("leftside", "firstside", "shownfirst", "heardfirst", "playedfirst"),
}
# Columns of ratings, one per scale.
SCALE_WORDS = frozenset(
    (
        *("harmony", "rhythm", "genrefit", "melody", "timbre", "tempo", "structure", "coherence", "musicality"),
        *("naturalness", "creativity", "originality", "quality", "overall", "overallquality", "audioquality"),
        *("soundquality", "musicquality", "mos", "ovl", "rel", "relevance", "textrelevance", "adherence"),
        *("promptadherence", "promptfit", "textfit", "fidelity", "liking", "enjoyment", "pleasantness"),
        *("expressiveness", "instrumentation", "production"),
    )
)
# Columns about a row or a listener, which are neither ratings nor models.
ABOUT_ROWS = frozenset(
    (
        *("age", "time", "timestamp", "date", "duration", "seconds", "rt", "reactiontime", "responsetime", "order"),
        *("position", "trial", "trialindex", "index", "row", "session", "page", "block", "gender", "comment"),
    )
)
_ENDINGS = ("id", "ids", "nr", "no", "number", "code", "key", "email", "uuid")


def plain(name: str) -> str:
    """Return a column's name without blanks, punctuation, capitals and endings such as "id"."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    while len(words) > 1 and words[-1] in _ENDINGS:
        words.pop()
    return "".join(words)


def ends_as_id(name: str) -> bool:
    """Return whether a name ends as names of identifiers do, such as ResponseId.

    >>> ends_as_id("ResponseId"), ends_as_id("response")
    (True, False)
    """
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    return len(words) > 1 and words[-1] in _ENDINGS


def columns_of(role: str, header: Iterable[str]) -> list[str]:
    """Return the columns that may hold a role: the one with exactly its name, else all with a usual name."""
    names = [name for name in header if name]
    exact = [name for name in names if plain(name) == role]
    return exact or [name for name in names if plain(name) in SYNONYMS[role]]
