"""Text report on which metrics predict listeners: a table per scale, with explanations."""

from __future__ import annotations

from bench.number_format import NONE, counted, number, with_interval
from bench.survey.metric_agreement import LEVELS, Ceiling, Coefficient, Prediction, Predictions
from bench.survey.metric_picks import Pick
from bench.survey.vote_agreement import VotePredictions
from bench.text_table import Layout, paragraph, text_table

_ARROWS = {"higher": "↑", "lower": "↓ turned", "none": ""}
_SINGLE = (
    "τ with single listeners is the mean of each listener's own τ within prompts; unlike τ with the mean rating it "
    "does not grow with the number of listeners. Listeners themselves reach the ceiling: its lower end is their τ "
    "with the mean of the others, its upper end that with the mean of all. A metric within it predicts a listener "
    "as well as the other listeners do. Loss: how much lower the listeners rate the model that "
    "the metric ranks first than their best model."
)
_ACCURACY = (
    "Accuracy: the share of votes for the clip that the metric scores higher, equal scores half; 50 % is chance. "
    "Votes without a preference are left out. The ceiling is how often a listener votes as the majority of the "
    "others on the same two clips (lower end) or as the majority of all (upper end). Intervals ({confidence:.0%}, "
    "by bootstrap) hold for other prompts and as many other listeners."
)
_READING = (
    "τ (Kendall's τ-b) and ρ (Spearman) of a metric with the listeners' mean rating: 1 the same order, 0 no "
    "relation, −1 the opposite order. For a metric marked ↓ lower is better: its sign is flipped, so that positive "
    "always means agreement. One without an arrow is never better or worse: its sign is not flipped. "
    "Within prompts matters most: does the metric predict which of two clips of a prompt is preferred? Over all "
    "clips, a metric that only distinguishes genres correlates, too, and over models there are few points. n is the "
    "number of pairs of clips, or of models, behind τ and ρ. Intervals ({confidence:.0%}, by bootstrap) hold for other "
    "prompts and as many other listeners. Of {intervals} for τ, about {chance} would miss 0 by chance if no metric "
    "knew anything."
)


def table(found: Predictions, layout: Layout | None = None) -> str:
    """Return the predictions as text, for a terminal or a pipe."""
    lines = [
        f"{counted(found.ratings, 'rating')}: {counted(found.listeners, 'listener')}, "
        f"{counted(found.prompts, 'prompt')}, {counted(len(found.models), 'model')} ({', '.join(found.models)})"
    ]
    lines = [paragraph(line, layout) for line in (*lines, *_unmatched(found), *found.notes)]
    for scale in dict.fromkeys(row.scale for row in found.rows):
        lines += ["", scale, *_of_scale([row for row in found.rows if row.scale == scale], layout)]
        chosen = [pick for pick in found.picks if pick.scale == scale]
        for ceiling in found.ceilings:
            if ceiling.scale == scale:
                lines += ["", *_beside_listeners(ceiling, chosen, layout)]
    intervals = sum(row.kendall.low is not None for row in found.rows)
    chance = f"{intervals * (1 - found.confidence):.0f}"
    reading = _READING.format(confidence=found.confidence, intervals=intervals, chance=chance)
    lines += ["", paragraph(reading, layout), paragraph(_SINGLE, layout)]
    return "\n".join(lines)


def vote_table(found: VotePredictions, layout: Layout | None = None) -> str:
    """Return the accuracy of each metric on votes, as text, for a terminal or a pipe."""
    lines = [
        f"{counted(found.votes, 'vote')} with a preference: {counted(found.listeners, 'listener')}, "
        f"{counted(found.prompts, 'prompt')}, {counted(len(found.models), 'model')} ({', '.join(found.models)})"
    ]
    for count, what in (
        (found.undecided, "without a preference were left out"),
        (found.excluded, "were excluded; 'tunebench survey analyze' lists them"),
        (found.unmatched, "are not between clips of this run and were left out"),
    ):
        if count:
            lines.append(f"{counted(count, 'answer')} {what}")
    lines = [paragraph(line, layout) for line in (*lines, *found.notes)]
    for ceiling in found.ceilings:
        rows = [row for row in found.rows if row.scale == ceiling.scale]
        body = []
        for row in rows:
            share, low, high = (None if part is None else 100 * part for part in (row.accuracy, row.low, row.high))
            name = f"{row.metric} {_ARROWS[row.direction]}".rstrip()
            body.append([name, with_interval(share, low, high, 1), str(row.votes)])
        ends = [NONE if end is None else number(100 * end, 1) for end in (ceiling.low, ceiling.high)]
        body.append(["listeners (ceiling)", f"{ends[0]} to {ends[1]}", str(ceiling.votes)])
        lines += ["", ceiling.scale, text_table(["metric", "accuracy (%)", "votes"], body, layout=layout)]
        lines += [paragraph(f"{row.metric}: {row.note}", layout) for row in rows if row.note]
    lines += ["", paragraph(_ACCURACY.format(confidence=found.confidence), layout)]
    return "\n".join(lines)


def _beside_listeners(ceiling: Ceiling, chosen: list[Pick], layout: Layout | None) -> list[str]:
    """Return lines on metrics and single listeners: correlation, the model picked, and its loss."""
    body = []
    for pick in chosen:
        single = ceiling.metrics.get(pick.metric)
        loss = "" if pick.loss is None else with_interval(pick.loss, pick.low, pick.high, 2)
        same = pick.pick == pick.listeners_pick
        body.append(
            [
                pick.metric,
                _shown(single) if single else NONE,
                pick.pick or "none",
                "none, the same pick" if same else loss,
            ]
        )
    ends = [NONE if end is None else number(end, 2) for end in (ceiling.low, ceiling.high)]
    theirs = chosen[0].listeners_pick if chosen else NONE
    body.append(["listeners (ceiling)", f"{ends[0]} to {ends[1]}", theirs, ""])
    table = text_table(["metric", "τ with single listeners", "picks", "loss to listeners"], body, layout=layout)
    listeners, prompts = counted(ceiling.listeners, "listener"), counted(ceiling.prompts, "prompt")
    of = f"ceiling: {listeners}, {prompts}, {ceiling.pairs} pairs of clips rated by the same listener"
    notes = [f"{pick.metric}: {pick.note}" for pick in chosen if pick.note]
    return [table, *(paragraph(line, layout) for line in (of, *notes))]


def _unmatched(found: Predictions) -> list[str]:
    lines = []
    if found.excluded:
        lines.append(f"{found.excluded} answers were excluded; 'tunebench survey analyze' lists them")
    if found.unmatched:
        lines.append(f"{found.unmatched} ratings belong to other clips and were left out")
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
    # The reason for an empty column is given once, below.
    levels = [level for level in LEVELS if any(row.kendall.value is not None for row in rows if row.level == level)]
    header = ["metric"]
    for level in levels:
        header += [f"{level}: τ", f"{level}: ρ", f"{level}: n"]  # repeated, since bands may separate them
    body = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [by_place.get((metric, level)) for level in levels]
        if any(row and row.kendall.value is not None for row in own):
            direction = next(row.direction for row in rows if row.metric == metric)
            line = [f"{metric} {_ARROWS[direction]}".rstrip()]
            for row in own:
                line += [_shown(row.kendall), _shown(row.spearman), str(row.pairs)] if row else ["", "", ""]
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
    """Return the metrics that significantly agree, and disagree, within prompts."""
    within = [row for row in rows if row.level == "within prompts" and row.kendall.low is not None]
    if not within:
        return []
    agree = [row.metric for row in within if (row.kendall.low or 0) > 0]
    against = [row.metric for row in within if (row.kendall.high or 0) < 0]
    said = f"agree with listeners within prompts, interval above 0: {', '.join(agree) or 'none'}"
    return [said + (f"; disagree, below 0: {', '.join(against)}" if against else "")]


def _shown(found: Coefficient) -> str:
    return with_interval(found.value, found.low, found.high, 2)
