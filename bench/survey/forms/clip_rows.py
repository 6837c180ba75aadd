"""Tables with a row per answer (or a row per clip and a column per scale) in which one cell names the clip.

The clip map gives prompt and model. Without one, they are read from names only if unambiguous: if each
holds the model that another column names, as in SOMOS (``jazz-1_base`` beside ``base``; Maniati et al. 2022), or where
files are in a folder per model, ``model/prompt.wav``, and the models share their prompts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.errors import DataError
from bench.survey.forms.candidate_columns import model_question, usual_columns
from bench.survey.forms.clip_map import Clip, ClipMap, shown
from bench.survey.forms.column_names import columns_of, plain
from bench.survey.forms.layout import Opened, Request, leave_out, map_question
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion

_AUDIO = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|aiff?|webm)([?#].*)?$", re.IGNORECASE)
_CLIP_WORDS = ("clip", "file", "filename", "filepath", "path", "audio", "audiofile", "audiopath", "wav", "url")
_MORE_CLIP_WORDS = ("audiourl", "utterance", "stimulus", "stimuli", "soundfile", "sound", "recording")


def by_map(table: TextTable, request: Request, clips: ClipMap, others: bool = False) -> Opened | None:
    """Replace the column of clips in the map by the map's facts; return None if no cell is in the map.

    Args:
        table: the rows.
        request: what the caller gave.
        clips: the map.
        others: whether rows without such a cell are not answers, and dropped.

    Raises:
        SurveyQuestion: some cells of that column are not in the map.
        UsageError: the caller named a column that the map replaces.
    """
    matches = {name: [clips.in_cell(cell) for cell in table.column(name)] for name in table.header if name}
    counts = {name: sum(clip is not None for clip in found) for name, found in matches.items()}
    column = max(counts, key=counts.__getitem__, default="")
    if not counts.get(column):
        return None
    request.refuse_columns(table, "a row a clip", "listener", "scale", "value", *_unsaid(clips))
    cells = table.column(column)
    unknown = [cell for cell, clip in zip(cells, matches[column], strict=True) if clip is None and cell]
    if unknown and not others:
        raise SurveyQuestion(
            f"{table.path}: {len(unknown)} rows hold a '{column}' that is not in {clips.path}: {shown(unknown)}; "
            "add a row for each (with an empty model if it is not to be compared)",
            ["--clips", str(clips.path)],
        )
    known = [clip is not None for clip in matches[column]]
    bare, empty = leave_out(table, column, [not cell and not others for cell in cells], "names no clip")
    if empty:
        matches[column] = [clip for clip, cell in zip(matches[column], cells, strict=True) if cell]
        known = [True] * len(bare.rows)
    found = [clip for clip in matches[column] if clip is not None]
    opened, roles = _with_facts(bare.where(known), found, clips)
    compared, left_out = leave_out(opened, column, [not clip.model for clip in found], f"left out by {clips.path.name}")
    notes = [f"The clips of '{column}' are those of {clips.path}."]
    if "scale" in compared.header and "scale" not in roles:
        compared = compared.with_column("scale", list(map(clips.scale, compared.column("scale"))))
    named = [clips.scale(name) for name in compared.header if name.casefold() in clips.scales]
    compared = compared._replace(header=list(map(clips.scale, compared.header)))
    sources = dict.fromkeys(roles, column)
    return Opened(compared, roles, sources=sources, notes=notes, left_out=[*empty, *left_out], scales=named)


def unknown_clips(table: TextTable, clips: ClipMap) -> DataError:
    """Return the error if no cell names a clip of the map."""
    column = clip_column(table)
    has = f", such as {shown(table.column(column), 2)}" if column else ""
    return DataError(f"{clips.path}: none of its clips is in {table.path}{has}")


def _unsaid(clips: ClipMap) -> list[str]:
    return [role for role in ("genre", "seed") if not any(getattr(clip, role) for clip in clips.clips)]


def _with_facts(table: TextTable, clips: Sequence[Clip], known: ClipMap) -> tuple[TextTable, dict[str, str]]:
    """Return the table with the map's facts as added columns, named by their roles."""
    roles = {}
    for role in ("prompt", "model", "genre", "scale", "seed"):
        if role in ("prompt", "model") or any(getattr(clip, role) for clip in known.clips):
            table = table.with_column(role, [getattr(clip, role) for clip in clips])
            roles[role] = role
    return table, roles


def by_names(table: TextTable, request: Request) -> Opened | None:
    """Read prompt and model from unambiguous names of clips.

    Args:
        table: the rows.
        request: what the caller gave; a given model is used, and with a given prompt, too, nothing is read.

    Returns:
        The converted rows; None if no column has such names.

    Raises:
        SurveyQuestion: there are files of clips, but the model in their names is ambiguous.
    """
    if "prompt" in request.given and "model" in request.given:
        return None
    column = clip_column(table)
    if column is None or columns_of("prompt", table.header) not in ([], [column]):
        return None
    models = [request.given["model"]] if "model" in request.given else columns_of("model", table.header)
    cells = table.column(column)
    if len(models) == 1:
        prompts = without_model(cells, table.column(models[0]))
        if prompts is None:
            return None
        note = f"Prompts are '{column}' without the model name in it, such as {shown(prompts, 1)}."
        table, value = _with_value(table.with_column(column, prompts))
        return Opened(table, {"prompt": column, "model": models[0], **value}, notes=[note])
    files = [bool(_AUDIO.search(cell)) for cell in cells]
    if not any(files):
        return None
    strange = [bool(cell) and not file for cell, file in zip(cells, files, strict=True)]
    table, other = leave_out(table, column, strange, "not the file of a clip")
    table = table.where([bool(cell) for cell in table.column(column)])
    parts = _from_folders(table.column(column))
    if parts is None:
        about = map_question(table, f"the column '{column}'", table.column(column), "file")
        known = {**usual_columns(table, request.given), "prompt": column}
        raise model_question(table, known, about) or about
    table = table.with_column("model", [model for _, model in parts])
    table = table.with_column(column, [prompt for prompt, _ in parts])
    note = f"Files of '{column}' are read as model/prompt, such as prompt '{parts[0][0]}' of model '{parts[0][1]}'."
    table, value = _with_value(table)
    return Opened(table, {"prompt": column, "model": "model", **value}, notes=[note], left_out=other)


def clip_column(table: TextTable) -> str | None:
    """Return the column of clips: one of files before one with a usual name; None if several are possible."""
    words = (*_CLIP_WORDS, *_MORE_CLIP_WORDS)
    named = [name for name in table.header if plain(name) in words] or columns_of("prompt", table.header)
    files = [name for name in table.header if any(map(_AUDIO.search, table.column(name)))] if not named else []
    found = named or files
    return found[0] if len(found) == 1 else None


def _with_value(table: TextTable) -> tuple[TextTable, dict[str, str]]:
    """Rename SOMOS's column choice, which is a rating there and elsewhere one of two models."""
    choices = columns_of("choice", table.header)
    others = [name for role in ("value", "a", "scale") for name in columns_of(role, table.header)]
    if len(choices) != 1 or others:
        return table, {}
    scaled = table.with_column("scale", ["rating"] * len(table.rows))
    return scaled, {"value": choices[0], "scale": "scale"}


def without_model(names: Sequence[str], models: Sequence[str]) -> list[str] | None:
    """Return names without the model in them; None unless that makes models share prompts.

    Args:
        names: names of clips, such as ``jazz-1_base``.
        models: models of the same rows.
    """
    bare = [_AUDIO.sub("", name) for name in names]
    if _share(bare, models) > 0:
        return None
    found = []
    for name, model in zip(bare, models, strict=True):
        held = list(re.finditer(rf"(?:^|(?<=[\s_/\\.|:-])){re.escape(model)}(?=$|[\s_/\\.|:-])", name, re.IGNORECASE))
        if not model or not held:
            return None
        start, end = held[-1].span()
        rest = [part.strip(" _/\\.|:-") for part in (name[:start], name[end:])]
        found.append("/".join(part for part in rest if part))
    return found if all(found) and _share(found, models) > 0.5 else None


def _share(prompts: Iterable[str], models: Iterable[str]) -> float:
    """Return the share of prompts with several models."""
    models_of: dict[str, set[str]] = defaultdict(set)
    for prompt, model in zip(prompts, models, strict=True):
        models_of[prompt].add(model)
    return sum(len(found) > 1 for found in models_of.values()) / max(len(models_of), 1)


def _from_folders(files: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return (prompt, model) of files in one folder per model; None unless most prompts have several models."""
    paths = [_AUDIO.sub("", file).replace("\\", "/").split("/") for file in files]
    if not paths or len({len(path) for path in paths}) > 1 or len(paths[0]) < 2:
        return None
    fixed = next((level for level in range(len(paths[0])) if len({path[level] for path in paths}) > 1), 0)
    models = [path[-2] for path in paths]
    prompts = ["/".join([*path[fixed:-2], path[-1]]) for path in paths]
    fewer = 1 < len(set(models)) < len(set(prompts))
    return list(zip(prompts, models, strict=True)) if fewer and _share(prompts, models) > 0.5 else None
