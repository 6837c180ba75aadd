"""Screening: listeners whose answers do not count, by rules fixed in the design."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.listening_test.answers import CHOICES
from bench.listening_test.design import ListeningDesign
from bench.listening_test.folder import SPOILED
from bench.storage.listening_answers import PageAnswer

TOO_FAST = 0.25
"""Share of a listener's pages that may be faster than the design allows."""


def failed_listeners(
    design: ListeningDesign, answered: Iterable[PageAnswer], facts: Mapping[int, Mapping[str, Any]]
) -> dict[int, tuple[str, ...]]:
    """Return the listeners who fail the design's checks, with reasons.

    Args:
        design: of the test.
        answered: all answers; those that are not final are ignored.
        facts: facts by listener: ``found`` is the number of right tones in the headphone check, 0 for
            who skipped the check.

    Returns:
        By listener number, one or more reasons.
    """
    pages: dict[int, list[PageAnswer]] = defaultdict(list)
    for one in answered:
        if one.final:
            pages[one.listener].append(one)
    reasons = {
        listener: tuple(filter(None, _reasons(design, listener, pages[listener], facts.get(listener, {}))))
        for listener in sorted({*pages, *facts})
    }
    return {listener: said for listener, said in reasons.items() if said}


def _reasons(
    design: ListeningDesign, listener: int, pages: Sequence[PageAnswer], facts: Mapping[str, Any]
) -> list[str]:
    rules, session = design.test.screening, design.sessions[listener]
    wrong = sum(one.answer["beeps"] != session[one.page].beeps for one in pages if session[one.page].role == "beeps")
    missed, checks = _spoiled(design, listener, pages)
    timed = [one.seconds for one in pages if session[one.page].role != "practice" and one.seconds is not None]
    fast = sum(seconds < rules.fastest for seconds in timed)
    found = facts.get("found", 0)
    return [
        f"beeps counted wrongly on {wrong} pages" if wrong > rules.beeps else "",
        f"degraded copies preferred or not rated lower in {missed} of {checks} checks"
        if missed > 1 and missed > rules.spoiled * checks
        else "",
        f"{found} of {len(design.tones)} tones of the headphone check found"
        if found < rules.headphones and (pages or "found" in facts)
        else "",
        f"{fast} of {len(timed)} pages answered within {rules.fastest:g} s" if fast > TOO_FAST * len(timed) else "",
    ]


def _spoiled(design: ListeningDesign, listener: int, pages: Sequence[PageAnswer]) -> tuple[int, int]:
    """Return how many checks with degraded copies a listener failed, and how many there were.

    A check on a scale is failed by rating the copy no lower than one's own mean rating of the clips of that item, or by
    preferring it to the clip.
    """
    session = design.sessions[listener]
    rated: dict[tuple[int, str], list[float]] = defaultdict(list)
    copies: list[tuple[int, str, float]] = []
    missed = checks = 0
    for one in pages:
        trial = session[one.page]
        if trial.role in ("practice", "beeps"):
            continue
        for key, value in one.answer.items():
            scale, _, place = key.partition(".")
            if design.test.kind == "preference":
                if trial.role == "spoiled":
                    checks += 1
                    missed += value == CHOICES[trial.models.index(SPOILED)]
                continue
            if trial.models[int(place or 0)] == SPOILED:
                copies.append((trial.item, scale, value))
            else:
                rated[trial.item, scale].append(value)
    for item, scale, value in copies:
        if others := rated[item, scale]:
            checks += 1
            missed += value >= sum(others) / len(others)
    return missed, checks
