"""webMUSHRA's CSV files: MUSHRA, single- and multi-stimulus Likert, paired comparison, and BS.1116.

Each row begins with session_test_id and the participant's own columns (e-mail, age, …, of MUSHRA in newer versions
session_uuid), then trial_id and the answer: rating_stimulus, rating_score, … (mushra.csv); stimuli_rating, or
stimuli_rating1, stimuli_rating2, … of several scales, and stimuli (lss.csv, lms.csv); choice_reference,
choice_non_reference, choice_answer (paired_comparison.csv), where "correct" means that the reference was chosen and
"incorrect" the other, however they were labeled; rating_reference, rating_non_reference and their scores (bs1116.csv).

Source: github.com/audiolabs/webMUSHRA, service/write.php and lib/webmushra/pages, version 1.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from bench.errors import DataError, UsageError
from bench.survey.forms.clip_map import ClipMap, shown
from bench.survey.forms.clip_rows import without_model
from bench.survey.forms.column_names import plain
from bench.survey.forms.layout import Layout, Opened, Request
from bench.survey.forms.questionnaire import (
    ABOUT,
    CHOICES,
    INTRODUCTION,
    SCALES,
    TITLE,
    BlindClip,
    Questionnaire,
    Template,
)
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion

_ANSWER = re.compile(r"stimuli_(rating\d*)")
_PERSONAL = ("session", "email", "participant", "name", "listener", "user", "subject")  # session: session_uuid
_CONTROL = re.compile(r"reference|anchor\d*", re.IGNORECASE)
_HEARD, _MISSES = 90, 0.15
_WORDS = {"correct": "a", "incorrect": "b", "undecided": "tie", "unknown": ""}
_EXTRA = ("prompt", "scale", "seed", "genre")
_DIFFERENCE = "difference grade"
_RANGES = {"MUSHRA": (0.0, 100.0), _DIFFERENCE: (-4.0, 4.0)}


class _Kind(NamedTuple):
    """One kind of file: its name, its columns by role, and the scale of each column of answers."""

    name: str
    roles: Mapping[str, str]
    answers: Mapping[str, str]


def _kind(table: TextTable) -> _Kind | None:
    header = set(table.header)
    if header >= {"trial_id", "rating_stimulus", "rating_score"}:
        return _Kind("MUSHRA", {"model": "rating_stimulus"}, {"rating_score": "MUSHRA"})
    if header >= {"trial_id", "choice_reference", "choice_non_reference", "choice_answer"}:
        roles = {"a": "choice_reference", "b": "choice_non_reference"}
        return _Kind("paired comparison", roles, {"choice_answer": "preference"})
    if header >= {"trial_id", "rating_non_reference", "rating_reference_score", "rating_non_reference_score"}:
        return _Kind("BS.1116", {"model": "rating_non_reference"}, {"rating_non_reference_score": _DIFFERENCE})
    answers = {name: match[1] for name in table.header if (match := _ANSWER.fullmatch(name))}
    if header >= {"trial_id", "stimuli"} and answers:
        return _Kind("Likert", {"model": "stimuli"}, answers)
    return None


def recognises(table: TextTable) -> bool:
    """Return whether webMUSHRA wrote it."""
    return _kind(table) is not None


def open_export(table: TextTable, request: Request) -> Opened:
    """Bring each answer into a row; columns given by the caller take precedence.

    Raises:
        DataError: no column identifies the listeners.
        UsageError: a given column is not the one that webMUSHRA uses for the role.
        SurveyQuestion: the number of given scales is wrong, or clips are not in the map.
    """
    kind = _kind(table)
    if kind is None:
        raise UsageError(f"{table.path} is not a webMUSHRA file, which has a column trial_id and columns of answers")
    answer_role = "choice" if "a" in kind.roles else "value"
    answers = _scales(table, kind, request)
    if (answer := request.given.get(answer_role)) in answers:
        answers = {answer: answers[answer]}
    extra = {role: request.given[role] for role in _EXTRA if role in request.given}
    listener = request.given.get("listener") or _listener(table)
    sources = {"listener": listener, "prompt": "trial_id", **kind.roles, **extra}
    _no_others(table, request.given, {**sources, answer_role: next(iter(answers))})
    facts = {role: table.column(name) for role, name in sources.items()}
    notes = [f"Read as webMUSHRA's {kind.name}: {', '.join(f'{role} = {name}' for role, name in sources.items())}."]
    if request.clips is not None:
        facts |= _mapped(table, facts, kind.roles, request.clips)
        named = request.clips.scales
        answers = {
            name: named.get(name.casefold(), named.get(scale.casefold(), scale)) for name, scale in answers.items()
        }
    elif "model" in facts and (prompts := without_model(facts["prompt"], facts["model"])) is not None:
        facts["prompt"] = prompts
        notes.append(f"Prompts are '{sources['prompt']}' without the model name in it, such as {shown(prompts, 1)}.")
    if answer_role == "choice":  # the reference may be on either side
        facts["side"] = ["unknown"] * len(table.rows)
    if kind.name == "MUSHRA" and (
        doubt := _doubtful_listeners(facts, list(map(table.number, table.column("rating_score"))))
    ):
        notes.append(doubt)
    if kind.name == "BS.1116":
        notes.append("Ratings are BS.1116's difference grades: grade of the item minus grade of the hidden reference.")
    controls = frozenset(name for name in facts.get("model", ()) if kind.name == "MUSHRA" and _CONTROL.fullmatch(name))
    long, columns = _long(table, facts, answers, answer_role, kind)
    roles = {name: name for name in long.header}
    ranges = {scale: _RANGES[scale] for scale in answers.values() if scale in _RANGES and "scale" not in facts}
    told = {**sources, "scale": sources.get("scale", "")}
    return Opened(long, roles, columns, told, notes, controls=controls, ranges=ranges)


def _long(
    table: TextTable, facts: Mapping[str, Sequence[str]], answers: Mapping[str, str], answer_role: str, kind: _Kind
) -> tuple[TextTable, list[str]]:
    """Return a row for each answer, one scale after the other, and the column of each."""
    rows, lines, columns = [], [], []
    for name, scale in answers.items():
        texts = _difference_grades(table) if kind.name == "BS.1116" else table.column(name)
        scales = facts["scale"] if "scale" in facts else [scale] * len(texts)
        told = [cells for role, cells in facts.items() if role != "scale"]
        for line, text, one, *cells in zip(table.lines, texts, scales, *told, strict=True):
            rows.append([*cells, one, _WORDS.get(text.lower(), text) if answer_role == "choice" else text])
            lines.append(line)
            columns.append(name)
    header = [*(role for role in facts if role != "scale"), "scale", answer_role]
    return TextTable(table.path, header, rows, lines, table.decimal_comma), columns


def _scales(table: TextTable, kind: _Kind, request: Request) -> dict[str, str]:
    """Return the scale of each column of answers: as given, in order, else as numbered by webMUSHRA."""
    found = dict(kind.answers)
    wanted = list(request.scales or ())
    known = set(found.values()) | (set(request.clips.scales.values()) if request.clips else set())
    if kind.name != "Likert" or "scale" in request.given or set(wanted) <= known:
        return found
    if len(wanted) != len(found):
        raise SurveyQuestion(
            f"--scales names {len(wanted)}, and {table.path} has {len(found)}: {', '.join(found)}; name each, in order",
            ["--scales", ",".join(found.values())],
        )
    return dict(zip(found, wanted, strict=True))


def _mapped(
    table: TextTable, facts: Mapping[str, Sequence[str]], roles: Mapping[str, str], clips: ClipMap
) -> dict[str, list[str]]:
    """Return prompts and models of stimuli from the clip map."""
    found: dict[str, list[str]] = {}
    for role, column in roles.items():
        told = [clips.in_cell(name) for name in facts[role]]
        if unknown := [name for name, clip in zip(facts[role], told, strict=True) if clip is None]:
            raise SurveyQuestion(
                f"{table.path}: {len(unknown)} rows hold a '{column}' that is not in {clips.path}: {shown(unknown)}",
                ["--clips", str(clips.path)],
            )
        kept = [clip for clip in told if clip is not None]
        found[role] = [clip.model for clip in kept]
        for fact in ("prompt", "genre", "seed"):
            cells = [getattr(clip, fact) for clip in kept]
            if any(cells):
                found[fact] = cells
    return found


def _no_others(table: TextTable, given: Mapping[str, str], told: Mapping[str, str]) -> None:
    for role, name in given.items():
        if told.get(role) != name:
            what = f"is in '{told[role]}'" if role in told else "does not exist"
            raise UsageError(f"--column {role}={name}: {table.path} is a file of webMUSHRA, in which the {role} {what}")


def _difference_grades(table: TextTable) -> list[str]:
    """Return the item's grade minus the hidden reference's (ITU-R BS.1116-3, §6); the text if one is not a number."""
    found = []
    columns = (table.column(f"rating_{which}_score") for which in ("reference", "non_reference"))
    for texts in zip(*columns, strict=True):
        reference, item = map(table.number, texts)
        wrong = "" if not all(texts) else texts[0] if reference is None else texts[1]
        grade = wrong if reference is None or item is None else f"{item - reference:.12g}"
        found.append(grade.replace(".", ",") if table.decimal_comma else grade)
    return found


def _doubtful_listeners(facts: Mapping[str, Sequence[str]], scores: Sequence[float | None]) -> str:
    """Return a sentence on whom BS.1534 would exclude, or "".

    These rate the hidden reference below 90, or the mid-range anchor (that of 7 kHz) above 90, in more than 15 % of
    the trials. Source: ITU-R BS.1534-3, §4.1.2.
    """
    missed: dict[str, dict[str, list[bool]]] = {}
    for listener, model, score in zip(facts["listener"], facts["model"], scores, strict=True):
        if score is not None and model.lower() in ("reference", "anchor70"):
            wrong = score < _HEARD if model.lower() == "reference" else score > _HEARD
            missed.setdefault(listener, {}).setdefault(model.lower(), []).append(wrong)
    told = []
    for control, what in (("reference", f"hidden reference below {_HEARD}"), ("anchor70", f"anchor above {_HEARD}")):
        shares = {name: sum(found[control]) / len(found[control]) for name, found in missed.items() if control in found}
        if names := [f"{name} ({100 * share:.0f} %)" for name, share in shares.items() if share > _MISSES]:
            told.append(f"the {what}: {', '.join(names)}")
    if not told:
        return ""
    return (
        f"Rated in more than {100 * _MISSES:.0f} % of the trials, for which BS.1534 leaves a listener out (and so "
        f"does --post-screening), {'; '.join(told)}."
    )


def _listener(table: TextTable) -> str:
    own = {plain(name): name for name in table.header if not name.startswith(("rating_", "choice_", "stimuli"))}
    for word in _PERSONAL:
        if word in own and len(set(table.column(own[word]))) > 1:
            return own[word]
    raise DataError(
        f"{table.path}: no column identifies the listeners (columns: {', '.join(table.header)}); "
        "name it with --column listener=NAME"
    )


def write(survey: Questionnaire) -> Template:
    """Write a configuration with a page of five Likert scales per clip, in random order."""
    import yaml

    about = [
        {"type": "likert", "name": one.name, "label": one.question, "response": [_choice(name) for name in one.choices]}
        for one in ABOUT
    ]
    person = {"type": "text", "label": "Your name, or a word of your own", "name": "listener"}
    finish = {
        "type": "finish",
        "name": "Thank you",
        "content": "Thank you!",
        "showResults": False,
        "writeResults": True,
    }
    settings = {
        "testname": TITLE,
        "testId": "tunebench",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": True,
        "remoteService": "service/write.php",
        "pages": [
            {"type": "generic", "id": "first_page", "name": TITLE, "content": escape(INTRODUCTION)},
            ["random", *map(_page, survey.clips)],
            {**finish, "questionnaire": [person, *about]},
        ],
    }
    steps = (
        "Put survey.yaml into webMUSHRA's folder configs and the folder clips next to its index.html.",
        "Listeners open index.html?config=survey.yaml.",
        "Afterwards: results/tunebench/lss.csv.",
    )
    # webMUSHRA's YAML parser does not support aliases, multi-line text, or a list directly within a list.
    text = yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False, allow_unicode=True, width=2**20)
    text = re.sub(r"^( *)- - ", r"\1-\n\1  - ", text, flags=re.MULTILINE)
    codes = {f"stimuli_rating{at}": scale.name for at, scale in enumerate(SCALES, 1)}
    return Template({"survey.yaml": text}, steps, codes)


def _page(clip: BlindClip) -> dict[str, object]:
    """Return the page of one clip; a scale has no title, so its first choice names it."""
    help_text = "<br/>".join(escape(f"{scale.name}: {scale.question}") for scale in SCALES)
    return {
        "type": "likert_single_stimulus",
        "id": clip.id,
        "name": f"Clip {clip.id}",
        "content": f"Text: {escape(clip.text)}<br/><br/>{help_text}",
        "showWaveform": False,
        "mustPlayback": "ended",
        "mustRate": True,
        "stimuli": {clip.id: clip.address},
        "response": [[_choice(CHOICES[0], scale.name), *map(_choice, CHOICES[1:])] for scale in SCALES],
    }


def _choice(value: str, title: str = "") -> dict[str, str]:
    return {"value": value, "label": f"{title} {value}".strip()}


LAYOUT = Layout("webmushra", "webMUSHRA", recognises, open_export, write)
