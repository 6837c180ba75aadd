"""Read the answers of a listening test as a survey, with its screening rules and what they exclude."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.listening_test.answers import check_answer, check_heard, check_seconds, name_of, table
from bench.listening_test.design import ListeningDesign, read_design
from bench.listening_test.facts import check_facts
from bench.listening_test.folder import ANSWERS, SPOILED
from bench.listening_test.screening import failed_listeners
from bench.paths import StrPath
from bench.regular_file import read_bytes
from bench.storage.listening_answers import FILE as DATABASE
from bench.storage.listening_answers import PageAnswer, read_answers
from bench.survey.exclusions import screen
from bench.survey.long_format import Identified
from bench.survey.rating_range import Range
from bench.survey.ratings import Exclusion, Preferences, Ratings


def read_listening_test(folder: StrPath, screened: bool = True) -> Ratings | Preferences:
    """Read the answers of listeners, with the exclusions of the design.

    Args:
        folder: of the test; its answers are in the server's database, or in files in its folder ``answers``.
        screened: whether the rules of the design are applied to listeners.

    Raises:
        UsageError: there is no test in the folder.
        DataError: the design or the answers are damaged, or nothing is left to compare.
    """
    folder = Path(folder)
    design = read_design(folder)
    answered, facts = collect_answers(folder, design)
    return survey_of(folder, design, answered, facts, screened)


def survey_of(
    path: Path,
    design: ListeningDesign,
    answered: Sequence[PageAnswer],
    facts: Mapping[int, Mapping[str, Any]],
    screened: bool = True,
) -> Ratings | Preferences:
    """Return the survey of answers; the arguments are those of `failed_listeners` and the path they were read from.

    Raises:
        DataError: nothing is left to compare.
    """
    import pandas as pd

    columns, rows = table(design, answered)
    if not rows:
        raise DataError(f"{path}: there are no answers that count yet")
    frame = pd.DataFrame(rows, columns=list(columns))
    preferences = design.test.kind == "preference"
    answer = "choice" if preferences else "value"
    frame = frame.astype(str).rename(columns={answer: "text"}).assign(column=answer, line=range(2, len(frame) + 2))
    frame["side"] = (
        ["a" if first == a else "b" for first, a in zip(frame["side"], frame["a"], strict=True)] if preferences else ""
    )
    failed = failed_listeners(design, answered, facts) if screened else {}
    spoiled = (frame[["a", "b"]] == SPOILED).any(axis=1) if preferences else frame["model"] == SPOILED
    excluded = [_excluded("spoiled copy, which checks the listeners", "model", frame[spoiled])] if spoiled.any() else []
    frame = frame[~spoiled]
    for listener, reasons in failed.items():
        own = frame["listener"] == name_of(listener)
        excluded.append(_excluded(f"by the design's rules: {'; '.join(reasons)}", "listener", frame[own]))
        frame = frame[~own]
    if frame.empty:
        raise DataError(f"{path}: no listener with answers passes the design's checks")
    roles = ("listener", "prompt", *(("a", "b") if preferences else ("model",)), "scale", "seed", "genre", "position")
    about = {
        question.name: {
            name_of(who): str(said["about"][question.name]) for who, said in facts.items() if "about" in said
        }
        for question in design.test.about
    }
    identified = Identified(
        path,
        "preferences" if preferences else "ratings",
        frame.drop(columns="seconds").reset_index(drop=True),
        {role: role for role in roles} | {"choice" if preferences else "value": answer},
        listener_columns={name: said for name, said in about.items() if len(set(said.values())) > 1},
        exclusions=tuple(one for one in excluded if one.rows),
    )
    points = {
        scale.name: Range(0, 100) if design.test.kind == "stimuli" else Range(1, scale.points)
        for scale in design.test.scales
    }
    return screen(identified, None if preferences else points)


def collect_answers(folder: Path, design: ListeningDesign) -> tuple[list[PageAnswer], dict[int, dict[str, Any]]]:
    """Return all answers of a test's folder, and the facts by listener.

    Raises:
        DataError: a file is damaged, belongs to another test, or two files have the same session.
    """
    answered: list[PageAnswer] = []
    facts: dict[int, dict[str, Any]] = {}
    if (folder / DATABASE).is_file():
        answered, people = read_answers(folder, design.id)
        facts = {one.listener: dict(one.facts) for one in people}
    taken = dict.fromkeys(facts, folder / DATABASE)
    for path in sorted((folder / ANSWERS).glob("*.json")):
        listener, own, said = _read_file(path, design)
        if listener in taken:
            raise DataError(
                f"{path}: {name_of(listener)} also answered in {taken[listener]}; two people had the same session: "
                "remove one of them"
            )
        taken[listener] = path
        answered += own
        facts[listener] = said
    return answered, facts


def _read_file(path: Path, design: ListeningDesign) -> tuple[int, list[PageAnswer], dict[str, Any]]:
    """Return the answers and facts that one listener's browser stored."""
    try:
        content = json.loads(read_bytes(path))
        if content["test"] != design.short_id:
            raise DataError(f"{path} belongs to another listening test ({content['test']!r:.40})")
        listener = content["listener"]
        if isinstance(listener, bool) or listener < 0:
            raise ValueError(f"there is no listener {listener!r}")
        if content["consented"] is not True:
            raise DataError(f"{name_of(listener)} has not agreed to take part")
        answered = list(_checked(design, listener, content["answers"].items()))
        facts: dict[str, Any] = {}
        for name, value in content["facts"].items():
            facts |= check_facts(design, {name: value})
    except DataError as error:
        raise DataError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise DataError(f"{path} has no answers to this test: {error or type(error).__name__}") from None
    return listener, answered, facts


def _checked(design: ListeningDesign, listener: int, pages: Iterable[tuple[str, Any]]) -> Iterable[PageAnswer]:
    for number, said in pages:
        page, trial = int(number), design.sessions[listener][int(number)]
        if page < 0 or str(page) != number:  # "01" would also be page 1
            raise DataError(f"there is no page {number}")
        final = said["final"] is True
        answer = check_answer(design, trial, said["answer"], final)
        lengths = [design.files[key].seconds for key in design.keys_on(trial)]
        heard = check_heard(said["heard"], lengths, final)
        seconds = said.get("seconds")
        yield PageAnswer(listener, page, answer, final, 0, heard, None if seconds is None else check_seconds(seconds))


def _excluded(reason: str, column: str, rows: Any) -> Exclusion:
    return Exclusion(reason, column, tuple(int(line) for line in rows["line"]), tuple(rows["text"]))
