"""Which metric predicts what listeners hear, for people: a table a scale, and how to read it."""

from __future__ import annotations

from bench.number_format import counted, with_interval
from bench.survey.metric_agreement import LEVELS, Coefficient, Prediction, Predictions
from bench.text_table import Layout, paragraph, text_table

_ARROWS = {"higher": "↑", "lower": "↓ turned", "none": ""}
_READING = """\
τ (Kendall's τ-b) and ρ (Spearman) of a metric with the listeners' mean rating: 1 the same order, 0 no relation, −1 the
opposite order. Of a metric marked ↓ lower is better: its sign is turned, so that positive always means agreement. One
without an arrow is never better or worse: its sign is that of the plain number. Within prompts is what counts: does the
metric tell which of two clips of one prompt is liked better? Over all clips a metric that merely tells genres apart
correlates too, and over models few points decide. Intervals ({confidence:.0%}, by bootstrap) hold for other prompts
and as many other listeners. Of {intervals} for τ, about {chance} would miss 0 by chance if no metric knew anything."""


def table(found: Predictions, layout: Layout | None = None) -> str:
    """The predictions as text, for a terminal or a pipe."""
    lines = [
        f"{counted(found.ratings, 'rating')}: {counted(found.listeners, 'listener')}, "
        f"{counted(found.prompts, 'prompt')}, {counted(len(found.models), 'model')} ({', '.join(found.models)})"
    ]
    lines = [paragraph(line, layout) for line in (*lines, *_unmatched(found), *found.notes)]
    for scale in dict.fromkeys(row.scale for row in found.rows):
        lines += ["", scale, *_of_scale([row for row in found.rows if row.scale == scale], layout)]
    intervals = sum(row.kendall.low is not None for row in found.rows)
    chance = f"{intervals * (1 - found.confidence):.0f}"
    reading = _READING.format(confidence=found.confidence, intervals=intervals, chance=chance)
    lines += ["", paragraph(reading, layout)]
    return "\n".join(lines)


def _unmatched(found: Predictions) -> list[str]:
    lines = []
    if found.excluded:
        lines.append(f"{found.excluded} answers did not count; 'tunebench survey analyze' lists them")
    if found.unmatched:
        lines.append(f"{found.unmatched} ratings are not of clips of this run and were left out")
    for what, names in (
        ("models in the survey that the run does not have", found.unknown_models),
        ("prompts in the survey that the run does not have", found.unknown_prompts),
        ("models of the run that nobody rated", found.unrated_models),
    ):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    return lines


def _of_scale(rows: list[Prediction], layout: Layout | None) -> list[str]:
    by_place = {(row.metric, row.level): row for row in rows}
    # A column in which nothing stands says its reason once, below.
    levels = [level for level in LEVELS if any(row.kendall.value is not None for row in rows if row.level == level)]
    header = ["metric"]
    for level in levels:
        header += [f"{level}: τ", "ρ"]
    body = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [by_place.get((metric, level)) for level in levels]
        if any(row and row.kendall.value is not None for row in own):
            direction = next(row.direction for row in rows if row.metric == metric)
            line = [f"{metric} {_ARROWS[direction]}".rstrip()]
            for row in own:
                line += [_shown(row.kendall), _shown(row.spearman)] if row else ["", ""]
            body.append(line)
    said = [paragraph(line, layout) for line in (*_notes(rows), *_conclusion(rows))]
    return [*([text_table(header, body, layout=layout)] if body else []), *said]


def _notes(rows: list[Prediction]) -> list[str]:
    noted: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            noted.setdefault((row.level, row.note), []).append(row.metric)
    lines = []
    for (level, note), metrics in noted.items():
        everything = len(metrics) == sum(row.level == level for row in rows)
        lines.append(f"{level}{'' if everything else ', ' + ', '.join(metrics)}: {note}")
    return lines


def _conclusion(rows: list[Prediction]) -> list[str]:
    """Which metrics surely agree within prompts, and which surely disagree."""
    within = [row for row in rows if row.level == "within prompts" and row.kendall.low is not None]
    if not within:
        return []
    agree = [row.metric for row in within if (row.kendall.low or 0) > 0]
    against = [row.metric for row in within if (row.kendall.high or 0) < 0]
    said = f"agree with listeners within prompts, interval above 0: {', '.join(agree) or 'none'}"
    return [said + (f"; disagree, below 0: {', '.join(against)}" if against else "")]


def _shown(found: Coefficient) -> str:
    return with_interval(found.value, found.low, found.high, 2)
