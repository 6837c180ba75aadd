"""Find columns with unknown names that may hold the model, the prompt or the two models of a vote, by content."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import permutations

from bench.number_format import first_few
from bench.survey.forms.column_names import ABOUT_ROWS, SYNONYMS, columns_of, plain
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion, listed

MOST = 3  # columns, or pairs of them, listed in a question
_QUESTION = ("listener", "prompt", "seed", "scale")  # the keys asked once per model
_SIDES = {"a": "a", "left": "a", "first": "a", "1": "a", "one": "a"}
_SIDES |= {"b": "b", "right": "b", "second": "b", "2": "b", "two": "b"}


def usual_columns(table: TextTable, given: Mapping[str, str]) -> dict[str, str]:
    """Return the column of each role: as given, else the only one with a usual name."""
    found = dict(given)
    for role in SYNONYMS:
        free = [name for name in table.header if name not in found.values()]
        if role not in found and len(usual := columns_of(role, free)) == 1:
            found[role] = usual[0]
    return found


def tells_apart(keys: Sequence[Hashable], cells: Sequence[str]) -> bool:
    """Return whether rows of one key always differ in these cells, where at least half of the keys have several rows.

    >>> tells_apart(["ann jazz", "ann jazz", "ann rock", "ann rock"], ["base", "tuned", "base", "tuned"])
    True
    """
    found: dict[Hashable, list[str]] = defaultdict(list)
    for key, cell in zip(keys, cells, strict=True):
        found[key].append(cell)
    repeated = [of_key for of_key in found.values() if len(of_key) > 1]
    return 2 * len(repeated) >= len(found) and all(len(set(of_key)) == len(of_key) for of_key in repeated)


def few_values(cells: Sequence[str]) -> bool:
    """Return whether most cells are filled, with at least two values that occur twice or more on average."""
    filled = [cell for cell in cells if cell]
    return 2 * len(filled) >= len(cells) and 2 <= len(set(filled)) <= len(filled) / 2


def repeats_prompts(table: TextTable, known: Mapping[str, str]) -> bool:
    """Return whether at least half of the listeners' prompts have several rows."""
    counts = Counter(_keys(table, known, _QUESTION))
    return 2 * sum(count > 1 for count in counts.values()) >= len(counts)


def model_columns(table: TextTable, known: Mapping[str, str]) -> list[str]:
    """Return the columns with unknown names that may hold the model of each row.

    Such a column has few values, each in several rows; listeners had several of them, and it does not rename
    the prompt. If most prompts of a listener have several rows, columns that distinguish these are the only ones
    returned, if any, and only then may numbers be models.

    Args:
        table: the file.
        known: columns by their role; without a listener nothing is returned.
    """
    if "listener" not in known:
        return []
    people = table.column(known["listener"])
    prompts = table.column(known["prompt"]) if "prompt" in known else []
    keys = _keys(table, known, _QUESTION) if prompts else []
    likely, telling = [], []
    for name in _free(table, known):
        cells = table.column(name)
        if not few_values(cells) or _determines(people, cells) or (prompts and _same_names(prompts, cells)):
            continue
        if keys and tells_apart(keys, cells) and not _distinct(people, cells):
            telling.append(name)
        if not _numeric(table, cells):
            likely.append(name)
    worded = [name for name in telling if name in likely]
    return (worded or telling or likely)[:MOST]


def model_question(
    table: TextTable, known: Mapping[str, str], otherwise: SurveyQuestion | None = None
) -> SurveyQuestion | None:
    """Return the question which column is the model; None if none may be.

    Args:
        table: the file.
        known: columns by their role.
        otherwise: the question if none of them is.
    """
    names = model_columns(table, known)
    if not names:
        return None
    told = f"{table.path}: cannot tell which column is the model; it may be {either(names)}"
    answers = [["--column", f"model={name}"] for name in names]
    if otherwise is None:
        return SurveyQuestion(f"{told}; name it with --column model=NAME", *answers)
    other = str(otherwise).removeprefix(f"{table.path}: ")
    return SurveyQuestion(
        f"{told}; name it with --column model=NAME. If no column is the model: {other}", *answers, *otherwise.answers
    )


def prompt_and_model_question(table: TextTable, known: Mapping[str, str]) -> SurveyQuestion | None:
    """Return the question which columns are the prompt and the model; None if no two text columns may be.

    Listeners had several values of both, and most prompts come with several models.
    """
    if "listener" not in known:
        return None
    people = table.column(known["listener"])
    cells = {name: table.column(name) for name in _free(table, known)}
    names = [
        name
        for name, of_name in cells.items()
        if few_values(of_name) and not _determines(people, of_name) and not _numeric(table, of_name)
    ]
    pairs = [
        (prompt, model)
        for prompt, model in permutations(names, 2)
        if _shared(cells[prompt], cells[model]) and len(set(cells[prompt])) >= len(set(cells[model]))
    ]
    if not pairs:
        return None
    shown = [f"prompt={prompt} and model={model}" for prompt, model in pairs[:MOST]]
    return SurveyQuestion(
        f"{table.path}: cannot tell which column is the prompt and which the model; they may be {' or '.join(shown)}; "
        "name them with --column prompt=NAME --column model=NAME",
        *(["--column", f"prompt={prompt}", "--column", f"model={model}"] for prompt, model in pairs[:MOST]),
    )


def column_a_model_question(
    table: TextTable, known: Mapping[str, str], numbers: Sequence[str]
) -> SurveyQuestion | None:
    """Return the question whether a column names the model of each row, or each numeric column is a model.

    None if no column may name it.
    """
    names = model_columns(table, known)
    if not names:
        return None
    others = [name for name in numbers if name not in names]
    answers = [["--column", f"model={name}"] for name in names]
    if len(others) < 2:
        return model_question(table, known)
    if repeats_prompts(table, known) and "scale" not in known:
        other = f"the scale, with one model in each of these columns (--column scale={names[0]})"
        answers += [["--column", f"scale={name}"] for name in names]
    else:
        other = f"not used, with one model in each of these columns (--models {listed(others)})"
        answers.append(["--models", listed(others)])
    return SurveyQuestion(
        f"{table.path}: {either(names)} may be the model of each row, with its ratings in {', '.join(others)} "
        f"(--column model={names[0]}); or {other}",
        *answers,
    )


def side_question(table: TextTable, known: Mapping[str, str]) -> SurveyQuestion | None:
    """Return the question which columns are the two models of each vote; None if no two may be, or both are known.

    Two text columns may be if they share values, are named after sides, or contain the choices of listeners.
    Without a column with a usual name for the choice, they must be named after sides and share values.
    """
    missing = [role for role in ("a", "b") if role not in known]
    if not missing or "model" in known or ("choice" not in known and len(missing) == 1):
        return None
    others = {role: name for role, name in known.items() if role not in ("a", "b")}
    chosen = set(table.column(known["choice"])) - {""} if "choice" in known else None
    found = []
    names = [name for name in _free(table, others) if _may_be_side(table, name)]
    for a, b in permutations(names, 2):
        if known.get("a", a) == a and known.get("b", b) == b and (score := _as_sides(table, a, b, chosen)):
            found.append((score, a, b))
    if not found:
        return None
    highest = max(score for score, _, _ in found)
    best = [(a, b) for score, a, b in found if score == highest][:MOST]
    options = [[f"{role}={name}" for role, name in zip("ab", pair, strict=True) if role in missing] for pair in best]
    shown = " or ".join(" ".join(f"--column {part}" for part in option) for option in options)
    what = "columns are the two models" if len(missing) == 2 else f"column is model {missing[0]}"
    return SurveyQuestion(
        f"{table.path}: cannot tell which {what} of each vote; name them, such as {shown}",
        *([word for part in option for word in ("--column", part)] for option in options),
    )


def _may_be_side(table: TextTable, name: str) -> bool:
    """Return whether a column may name a model of each vote: few values, or the same one in all rows."""
    cells = table.column(name)
    return all(cells) and (few_values(cells) or len(set(cells)) == 1)


def _as_sides(table: TextTable, a: str, b: str, chosen: Collection[str] | None) -> int:
    """Return the evidence that two columns are the two models of each vote; 0 if they cannot be."""
    first, second = table.column(a), table.column(b)
    if 2 * sum(one == other for one, other in zip(first, second, strict=True)) > len(first):
        return 0
    values, both = set(first) | set(second), set(first) & set(second)
    sides = (_side(a), _side(b))
    if sides == ("b", "a"):
        return 0
    named, common = sides == ("a", "b"), 2 * len(both) >= len(values)
    worded = not (_numeric(table, first) or _numeric(table, second))
    if chosen is None:
        return 1 if named and common and worded else 0
    picked = len(values & set(chosen)) > 1 and worded
    if not (named or picked or (common and worded)):
        return 0
    in_order = table.header.index(a) < table.header.index(b)
    return (8 if worded else 1) * named + 4 * picked + 2 * common + (in_order and not named)


def _side(name: str) -> str:
    """Return the side that a column is named after, such as a for left_system; "" if none, or both."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    found = {_SIDES[word] for word in words if word in _SIDES}
    return found.pop() if len(found) == 1 else ""


def _free(table: TextTable, known: Mapping[str, str]) -> list[str]:
    """Return the columns without a role or a usual name."""
    return [name for name in table.header if name and name not in known.values() and plain(name) not in ABOUT_ROWS]


def _keys(table: TextTable, known: Mapping[str, str], roles: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [table.column(known[role]) for role in roles if role in known]
    return list(zip(*columns, strict=True))


def _numeric(table: TextTable, cells: Sequence[str]) -> bool:
    return all(table.number(cell) is not None for cell in cells if cell)


def _determines(keys: Sequence[str], cells: Sequence[str]) -> bool:
    """Return whether rows with the same key never differ."""
    first: dict[str, str] = {}
    return all(first.setdefault(key, cell) == cell for key, cell in zip(keys, cells, strict=True))


def _distinct(keys: Sequence[str], cells: Sequence[str]) -> bool:
    """Return whether rows with the same key always differ, as trial numbers do."""
    pairs = list(zip(keys, cells, strict=True))
    return len(set(pairs)) == len(pairs)


def _same_names(prompts: Sequence[str], cells: Sequence[str]) -> bool:
    """Return whether a column only renames the prompts."""
    return _determines(prompts, cells) and _determines(cells, prompts)


def _shared(prompts: Sequence[str], models: Sequence[str]) -> bool:
    """Return whether more than half of the prompts come with several models."""
    found: dict[str, set[str]] = defaultdict(set)
    for prompt, model in zip(prompts, models, strict=True):
        found[prompt].add(model)
    return 2 * sum(len(of_prompt) > 1 for of_prompt in found.values()) > len(found)


def either(names: Sequence[str]) -> str:
    """Return the quoted names of columns, such as "'set' or 'condition'"."""
    return " or ".join(first_few([f"'{name}'" for name in names], MOST))
