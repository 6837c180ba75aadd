"""Data for a listener's browser: the pages of one session, without the identity of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bench.listening_test.answers import name_of, questions
from bench.listening_test.design import ListeningDesign, tones_key
from bench.listening_test.sessions import BEEP_SECONDS, ListeningTrial
from bench.listening_test.settings import OVERALL_QUALITY, SCALES, RatedScale


def common_content(design: ListeningDesign) -> dict[str, Any]:
    """Return the data for the browsers of all listeners, as JSON values."""
    test = design.test
    return {
        "test": design.short_id,
        "texts": dict(design.texts),
        "wording": test.wording.model_dump(),
        "scales": [_scale(scale, design.texts) for scale in test.scales],
        "about": [question.model_dump(mode="json") for question in test.about],
        "tones": [_sound(design, tones_key(place)) for place in design.tones],
        "parameter": test.completion.parameter,
    }


def session_content(design: ListeningDesign, listener: int) -> dict[str, Any]:
    """Return the data of one session as JSON values.

    Args:
        design: of the test.
        listener: counted from 0.

    Returns:
        ``pages`` in their order, and ``volume``, the sound that listeners set their volume by.
    """
    session = design.sessions[listener]
    first = next(trial for trial in session if trial.role != "beeps")
    return {"pages": [_page(design, trial) for trial in session], "volume": _sound(design, design.keys_on(first)[0])}


def sounds_of_session(design: ListeningDesign, listener: int) -> frozenset[str]:
    """Return the names of the sounds that one listener, counted from 0, may hear."""
    keys = [key for trial in design.sessions[listener] for key in design.keys_on(trial)]
    return frozenset(design.sound(key) for key in [*keys, *map(tones_key, design.tones)])


def completion(design: ListeningDesign, listener: int, panel: str) -> dict[str, str]:
    """Return the completion ``code`` of a listener, and the ``address`` that leads back to the panel; "" if not set.

    Args:
        design: of the test.
        listener: counted from 0.
        panel: the panel's id of the person; "" if unknown.
    """
    wanted = design.test.completion
    address = wanted.address
    for name, value in (("{code}", wanted.code), ("{listener}", panel or name_of(listener))):
        address = address.replace(name, quote(value, safe=""))
    return {"code": wanted.code, "address": address}


def _scale(scale: RatedScale, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a scale, translated to the language of the test unless the organizer changed its words."""
    name, known = texts.get(f"scale {scale.name}", scale.name), SCALES.get(scale.name, scale)
    own = {"question": scale.question, "meaning": scale.meaning}
    if scale.question == known.question:
        own["question"] = texts.get(f"scale {scale.name} question", scale.question)
    if scale.meaning and scale.meaning == known.meaning:
        own["meaning"] = texts.get(f"scale {scale.name} meaning", scale.meaning)
    ends = {
        end: texts.get(f"scale {word}", word) for end, word in (("lowest", scale.lowest), ("highest", scale.highest))
    }
    return {"name": name, **own, **ends, "points": scale.points, "overall": scale == OVERALL_QUALITY}


def _page(design: ListeningDesign, trial: ListeningTrial) -> dict[str, Any]:
    keys = design.keys_on(trial)
    seconds = sum(design.files[key].seconds for key in keys)
    asked = questions(design, trial)
    item = design.items[trial.item] if trial.role != "beeps" else None
    return {
        "sounds": [_sound(design, key) for key in keys],
        "questions": [question._asdict() for question in asked],
        "text": item.text if item else "",
        "genre": item.genre if item and any(scale.name == "Genre Fit" for scale in design.test.scales) else "",
        "practice": trial.role == "practice",
        "expected": round(seconds + design.test.answer_seconds * len(asked), 1) if item else BEEP_SECONDS,
    }


def _sound(design: ListeningDesign, key: str) -> dict[str, Any]:
    return {"name": design.sound(key), "seconds": design.files[key].seconds}
