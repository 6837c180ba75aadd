"""The organizer's page: progress, missing answers, failed checks, and means so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.errors import TunebenchError
from bench.listening_test.access import listener_token
from bench.listening_test.answers import name_of, table
from bench.listening_test.design import ListeningDesign
from bench.listening_test.read_test import survey_of
from bench.listening_test.screening import failed_listeners
from bench.number_format import number
from bench.spreadsheet import csv_text
from bench.storage.listening_answers import Answers, PageAnswer


def answers_csv(design: ListeningDesign, stored: Sequence[PageAnswer]) -> str:
    """Return the answers so far, without those that are not final, as CSV that ``tunebench survey analyze`` reads."""
    columns, rows = table(design, stored)
    return csv_text(columns, rows, "\r\n")


def links_csv(design: ListeningDesign, url: str) -> str:
    """Return the link of each listener as CSV with the columns listener and link.

    Args:
        design: of the test.
        url: the server's address without a trailing slash.
    """
    rows = [(name_of(place), f"{url}/join/{listener_token(design, place)}") for place in range(len(design.sessions))]
    return csv_text(("listener", "link"), rows, "\r\n")


def progress_page(design: ListeningDesign, answers: Answers) -> str:
    """Return the organizer's page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("organizer.html").render(
        title=design.test.wording.title,
        version=version("tunebench"),
        design=design,
        state=answers.state,
        open_enrollment=design.test.enrollment == "open",
        **_progress(design, answers),
    )


def _progress(design: ListeningDesign, answers: Answers) -> dict[str, Any]:
    answered, people = answers.answers(), answers.listeners()
    facts = {one.listener: one.facts for one in people}
    failed = failed_listeners(design, answered, facts)
    done = Counter(one.listener for one in answered if one.final)
    rows = [
        {
            "name": name_of(one.listener),
            "state": "done" if one.finished_at else "answering" if done[one.listener] else "enrolled",
            "pages": done[one.listener],
            "of": len(design.sessions[one.listener]),
            "found": one.facts.get("found"),
            "reasons": "; ".join(failed.get(one.listener, ())),
        }
        for one in people
    ]
    cells, empty = _cells(design, answered)
    means, reason = _means(design, answered, facts)
    return {
        "rows": rows,
        "places": len(design.sessions),
        "finished": sum(one.finished_at is not None for one in people),
        "cells": cells,
        "empty": empty,
        "means": means,
        "reason": reason,
        "refused": answers.refused()[:50],
    }


def _cells(design: ListeningDesign, answered: Sequence[PageAnswer]) -> tuple[int, list[str]]:
    """Return the number of pages with an answer that counts, and the prompts without an answer."""
    counted = [one for one in answered if one.final and design.sessions[one.listener][one.page].role == "test"]
    heard = {design.sessions[one.listener][one.page].item for one in counted}
    unheard = [item for place, item in enumerate(design.items) if place not in heard]
    return len(counted), [f"{item.prompt}, seed {item.seed}" for item in unheard]


def _means(design: ListeningDesign, answered: Sequence[PageAnswer], facts: Any) -> tuple[list[dict[str, str]], str]:
    """Return means of models, or results of pairs, with intervals; or why there are none yet."""
    from bench.survey.analysis import analyse

    try:
        found = analyse(
            survey_of(Path(design.test.wording.title), design, answered, facts), confidence=design.test.confidence
        )
    except TunebenchError as error:
        return [], str(error)
    if design.test.kind == "preference":
        return [
            {"scale": one.scale, "what": f"{one.b} over {one.a}", **_interval(one.estimate, one.low, one.high)}
            for one in found.comparisons
        ], ""
    return [
        {"scale": one.scale, "what": one.model, **_interval(one.mean, one.low, one.high)} for one in found.models
    ], ""


def _interval(value: float | None, low: float | None, high: float | None) -> dict[str, str]:
    text = "–" if value is None else number(value, 2)
    spread = "" if low is None or high is None else f"[{number(low, 2)}, {number(high, 2)}]"
    return {"value": text, "spread": spread}
