"""Tables with a row per listener and a column per question: columns of ratings are converted to rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from bench.errors import DataError
from bench.survey.forms.clip_map import Clip, ClipMap, shown
from bench.survey.forms.clip_rows import by_map
from bench.survey.forms.layout import LeftOut, Opened, Request, map_question
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion

_LONG = ["listener", "prompt", "model", "scale", "value", "genre", "seed"]


class Question(NamedTuple):
    """A column of ratings: its position, clip and scale."""

    position: int
    clip: Clip
    scale: str


def open_wide(
    table: TextTable,
    request: Request,
    tool: str,
    listener: str | None,
    skipped: Collection[str] = (),
    left_out: Sequence[LeftOut] = (),
) -> Opened:
    """Convert rows of listeners to rows of ratings with the clip map; without one, use the column names.

    Args:
        table: table with a row per listener.
        request: what the caller gave.
        tool: the tool that wrote the file, for messages.
        listener: the column that identifies listeners; without one, each row is a listener.
        skipped: columns of the tool for dates and the like.
        left_out: rows already left out.

    Raises:
        SurveyQuestion: a column looks like a question about a clip that the map does not have.
        UsageError: the caller named another column than the listener's, with a clip map.
        DataError: no column belongs to a clip of the map.
    """
    kept = [name for name in table.header if name and (name == listener or name not in skipped)]
    if request.clips is None:
        names = [clip_text(name, label) for name, label in _named(table) if name in kept and name != listener]
        roles = {"listener": listener} if listener else {}
        question = map_question(table, f"the export of {tool}", names, "question")
        return Opened(table.only(kept), roles, left_out=left_out, question=question)
    request.refuse_columns(table, tool, "listener")
    questions, others = _questions(table, request.clips, set(kept) - {listener or ""})
    if not questions:
        by_rows = by_map(table.only(kept), Request(request.clips), request.clips)
        if by_rows is not None:
            roles = {**by_rows.roles, **({"listener": listener} if listener else {})}
            return replace(by_rows, roles=roles, left_out=[*left_out, *by_rows.left_out])
        raise DataError(f"{request.clips.path}: no column of {table.path} names one of its clips; it has {shown(kept)}")
    _check_others(table, request.clips, questions, others)
    notes = _notes(table, request.clips, questions, others, tool, listener)
    rows, lines, answers = _rows(table, questions, listener)
    long = TextTable(table.path, _LONG, rows, lines, table.decimal_comma)
    said = _listener_columns(table, others, listener)
    sources = {"listener": listener or "row"}
    return Opened(long, {role: role for role in _LONG}, answers, sources, notes, left_out, listener_columns=said)


def _named(table: TextTable) -> list[tuple[str, str]]:
    return list(zip(table.header, table.labels or [""] * len(table.header), strict=True))


def _questions(table: TextTable, clips: ClipMap, names: Collection[str]) -> tuple[list[Question], list[str]]:
    """Return the columns about clips, and those that are not."""
    found, others = [], []
    for position, (name, label) in enumerate(_named(table)):
        if name not in names:
            continue
        match = clips.in_question(name) or (clips.in_question(label) if label else None)
        if match is None:
            others.append(name)
            continue
        clip, rest = match
        scale = clip.scale or clips.scale(_scale(rest, name, label))
        found.append(Question(position, clip, scale))
    return found, others


def _scale(rest: str, name: str, label: str) -> str:
    """Return the scale in a column's name or label: in brackets, after a dash, or the rest without the clip."""
    for text in (name, rest, label):
        if bracket := re.search(r"\[([^\[\]]+)\]\s*$", text):
            return bracket[1].strip()
    for text in (rest, label):
        if " - " in text:
            return text.rpartition(" - ")[2].strip()
    if brackets := re.findall(r"\[([^\[\]]+)\]", rest):
        return str(brackets[-1]).strip()
    left = re.sub(r"^(clip|sample|audio|track)\b", "", rest.strip(" -–—:|/,.()"), flags=re.IGNORECASE)
    return left.strip(" -–—:|/,.()?") or "rating"


def clip_text(name: str, label: str = "") -> str:
    """Return the question of a column as used in a clip map: its text without the scale.

    Args:
        name: of the column.
        label: its text in a further header row, which counts if there is one.
    """
    text = label or name
    bracketed = re.sub(r"\s*\[[^\[\]]+\]\s*$", "", text)
    return bracketed if bracketed != text else text.rpartition(" - ")[0] or text


def _check_others(table: TextTable, clips: ClipMap, questions: Sequence[Question], others: Sequence[str]) -> None:
    """Raise a question about columns that end like those of known clips: a clip missing from the map would be lost."""
    scales = {question.scale.casefold() for question in questions} - {"rating"}
    labels = dict(_named(table))

    def like_a_clip(text: str) -> bool:
        numbered = re.sub(r" \(\d+\)$", "", text)
        if numbered != text and numbered.casefold() in scales:
            return True
        ends = any(text.casefold().rstrip(" ]?.").endswith(scale) and len(text) > len(scale) + 2 for scale in scales)
        return ends or any(part.casefold() in scales for part in re.findall(r"\[([^\[\]]+)\]", text))

    lost = [name for name in others if like_a_clip(name) or like_a_clip(labels[name])]
    if lost:
        raise SurveyQuestion(
            f"{table.path}: {len(lost)} columns look like questions about clips that are not in {clips.path}: "
            f"{shown(lost)}; add a row for each (with an empty model if it is not to be compared)",
            ["--clips", str(clips.path)],
        )


def _people(table: TextTable, listener: str | None) -> list[str]:
    return table.column(listener) if listener else [f"response {n}" for n in range(1, len(table.rows) + 1)]


def _listener_columns(table: TextTable, others: Sequence[str], listener: str | None) -> dict[str, dict[str, str]]:
    """Return facts about each listener, for columns that vary between listeners and are unique for each."""
    people = _people(table, listener)
    found = {}
    for name in others:
        pairs = {(person, text) for person, text in zip(people, table.column(name), strict=True) if text}
        said = dict(pairs)
        if len(said) == len(pairs) and len(set(said.values())) > 1:
            found[name] = said
    return found


def _rows(
    table: TextTable, questions: Sequence[Question], listener: str | None
) -> tuple[list[list[str]], list[int], list[str]]:
    """Return a row per given answer, its line, and its column."""
    people = _people(table, listener)
    rows, lines, answers = [], [], []
    for person, line, cells in zip(people, table.lines, table.rows, strict=True):
        for position, clip, scale in questions:
            if clip.model and cells[position]:
                rows.append([person, clip.prompt, clip.model, scale, cells[position], clip.genre, clip.seed])
                lines.append(line)
                answers.append(table.header[position])
    return rows, lines, answers


def _notes(
    table: TextTable,
    clips: ClipMap,
    questions: Sequence[Question],
    others: Sequence[str],
    tool: str,
    listener: str | None,
) -> list[str]:
    compared = [question for question in questions if question.clip.model]
    who = f"'{listener}' identifies the listeners" if listener else "each row is a listener"
    notes = [f"Read as an export of {tool}: {len(compared)} columns are ratings of clips, and {who}."]
    empty = sum(not row[question.position] for question in compared for row in table.rows)
    if empty:
        notes.append(f"{empty} of {len(compared) * len(table.rows)} questions were not answered.")
    if len(compared) < len(questions):
        notes.append(f"{len(questions) - len(compared)} columns belong to clips that {clips.path.name} leaves out.")
    seen = {question.clip._replace(scale="") for question in questions}
    if absent := [clip for clip in clips.clips if clip.model and clip._replace(scale="") not in seen]:
        names = shown(sorted(f"{clip.prompt} {clip.model}" for clip in absent))
        notes.append(f"Clips of {clips.path.name} without a column: {names}.")
    if others:
        notes.append(f"Columns not read: {', '.join(others)}.")
    return notes
