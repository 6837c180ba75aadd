"""Find columns with unknown names that may hold the model or the prompt of each row, by content."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import permutations

from bench.number_format import first_few
from bench.survey.forms.column_names import ABOUT_ROWS, SYNONYMS, columns_of, plain
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion, listed

MOST = 3  # columns, or pairs of them, listed in a question
_QUESTION = ("listener", "prompt", "seed", "scale")  # the keys asked once per model


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


def free_columns(table: TextTable, known: Mapping[str, str]) -> list[str]:
    """Return the columns without a role or a usual name; ``known`` has the columns by role."""
    return [name for name in table.header if name and name not in known.values() and plain(name) not in ABOUT_ROWS]


def numeric(table: TextTable, cells: Sequence[str]) -> bool:
    """Return whether all filled cells are numbers."""
    return all(table.number(cell) is not None for cell in cells if cell)


def either(names: Sequence[str]) -> str:
    """Return the quoted names of columns, such as "'set' or 'condition'"."""
    return " or ".join(first_few([f"'{name}'" for name in names], MOST))


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
    for name in free_columns(table, known):
        cells = table.column(name)
        if not few_values(cells) or _determines(people, cells) or (prompts and _same_names(prompts, cells)):
            continue
        if keys and tells_apart(keys, cells) and not _distinct(people, cells):
            telling.append(name)
        if not numeric(table, cells):
            likely.append(name)
    worded = [name for name in telling if name in likely]
    return (worded or telling or likely)[:MOST]


def model_question(
    table: TextTable, known: Mapping[str, str], otherwise: SurveyQuestion | None = None
) -> SurveyQuestion | None:
    """Return the question which column is the model; if none may be, `otherwise`, with columns of one value a listener.

    Args:
        table: the file.
        known: columns by their role.
        otherwise: the question if none of them is.
    """
    names = model_columns(table, known)
    if not names:
        return _between_listeners_question(table, known, otherwise)
    told = f"{table.path}: cannot tell which column is the model; it may be {either(names)}"
    answers = [["--column", f"model={name}"] for name in names]
    if otherwise is None:
        return SurveyQuestion(f"{told}; name it with --column model=NAME", *answers)
    other = str(otherwise).removeprefix(f"{table.path}: ")
    return SurveyQuestion(
        f"{told}; name it with --column model=NAME. If no column is the model: {other}", *answers, *otherwise.answers
    )


def _between_listeners_question(
    table: TextTable, known: Mapping[str, str], otherwise: SurveyQuestion | None
) -> SurveyQuestion | None:
    """Add to a question that a column with one value per listener is the model, if each heard one model alone."""
    if otherwise is None or "listener" not in known:
        return otherwise
    people = table.column(known["listener"])
    names = [
        name
        for name in free_columns(table, known)
        if few_values(cells := table.column(name)) and _determines(people, cells) and not numeric(table, cells)
    ][:MOST]
    if not names:
        return otherwise
    return SurveyQuestion(
        f"{otherwise}; if each listener heard one model and {either(names)} names it, say --column model=NAME",
        *otherwise.answers,
        *(["--column", f"model={name}"] for name in names),
    )


def prompt_and_model_question(table: TextTable, known: Mapping[str, str]) -> SurveyQuestion | None:
    """Return the question which columns are the prompt and the model; None if no two text columns may be.

    Listeners had several values of both, and most prompts come with several models.

    Args:
        table: the file.
        known: columns by their role; without a listener there is no question.
    """
    if "listener" not in known:
        return None
    people = table.column(known["listener"])
    cells = {name: table.column(name) for name in free_columns(table, known)}
    names = [
        name
        for name, of_name in cells.items()
        if few_values(of_name) and not _determines(people, of_name) and not numeric(table, of_name)
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

    Args:
        table: the file.
        known: columns by their role.
        numbers: the numeric columns.

    Returns:
        The question; None if no column may name the model.
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


def _keys(table: TextTable, known: Mapping[str, str], roles: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [table.column(known[role]) for role in roles if role in known]
    return list(zip(*columns, strict=True))


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
