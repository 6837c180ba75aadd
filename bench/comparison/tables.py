"""Comparisons as tables and sentences for a terminal or Markdown, and as records for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bench.comparison.result import LEVEL, Comparison
from bench.contracts.notice import Notice, joined
from bench.number_format import NONE, counted, decimals_for, first_few, number, p_text
from bench.scores.protocol import Protocol
from bench.spreadsheet import csv_text
from bench.stats.mean_test import unseen_share
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table

if TYPE_CHECKING:
    from bench.comparison.trainings import AcrossTrainings
    from bench.scores.aggregate import Column

Style = Literal["table", "markdown", "json", "csv"]
ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}


def render(
    comparisons: Sequence[Comparison],
    protocols: tuple[Protocol, Protocol],
    style: Style = "table",
    layout: Layout | None = None,
) -> str:
    """Return the comparisons of one pair of rows as text.

    Args:
        comparisons: as `bench.comparison.compare.compare` gives them, one or more.
        protocols: of the runs of A and of B.
        style: output format.
        layout: layout of the table.
    """
    if style == "json":
        return json.dumps(records(comparisons, protocols), indent=2, ensure_ascii=False, allow_nan=False)
    if style == "csv":
        return _csv(records(comparisons, protocols))
    return _page(comparisons, protocols, style == "markdown", layout)


def records(comparisons: Iterable[Comparison], protocols: tuple[Protocol, Protocol]) -> list[dict[str, Any]]:
    """Return one object per comparison, with the protocols of both runs."""
    ids = {"protocol": protocols[0].id, "protocol_b": protocols[1].id}
    return [{**comparison.record(), **ids} for comparison in comparisons]


def findings(comparisons: Iterable[Comparison]) -> list[str]:
    """Return a sentence for each test over all prompts: its result, or what it would have detected or leaves open."""
    return [f"{c.column.ref}: {_finding(c)}." for c in comparisons if c.grouping == "all" and c.p is not None]


def _finding(c: Comparison) -> str:
    p = c.p_holm if c.p_holm is not None else c.p
    if p is None or c.p is None or c.estimate is None or p >= LEVEL:
        if c.p is not None and c.p < LEVEL:
            return f"not settled after adjustment for all metrics (p {p_text(c.p)}, Holm p {p_text(p)})"
        if any(warning.code == "W-FEW" for warning in c.warnings):
            return "not settled: too few prompts, or too few on which the two differ (W-FEW)"
        if c.detectable is None:
            if c.low is None or c.high is None:
                return "not settled, and there is no interval"
            ends = [number(end, comparison_decimals(c)) for end in (c.low, c.high)]
            return f"not settled; the 95 % interval of B − A reaches {_with_unit(c, f'from {ends[0]} to {ends[1]}')}"
        size = _with_unit(c, number(c.detectable, comparison_decimals(c)))
        return f"not settled; a true difference of {size} would show (p < .05) in four of five such comparisons"
    if not c.told_apart(p):
        if c.mean_p is not None and c.mean_p >= LEVEL:
            return (
                f"the two differ (Holm p {p_text(p)}), but on the mean a test that allows for skew gives p "
                f"{p_text(c.mean_p)}: which is ahead on average stays open"
            )
        why = "there is no interval" if c.low is None else "the interval reaches 0"
        return f"the two differ (Holm p {p_text(p)}), but {why}: which is ahead stays open"
    size = _with_unit(c, number(abs(c.estimate), comparison_decimals(c)))
    word = "better" if c.better else "higher"
    row = c.better or (c.b if c.estimate > 0 else c.a)
    return f"{row} is {word} by {size} (Holm p {p_text(p)})"


def _page(
    comparisons: Sequence[Comparison], protocols: tuple[Protocol, Protocol], markdown: bool, layout: Layout | None
) -> str:
    first = comparisons[0]
    title = f"B − A, where A is {first.a} and B is {first.b}"
    parts = [markdown_text(title) if markdown else paragraph(title, layout)]
    for grouping in dict.fromkeys(c.grouping for c in comparisons):
        header, rows = _grid([c for c in comparisons if c.grouping == grouping], grouping)
        words = 1 if grouping == "all" else 2
        parts.append(markdown_table(header, rows, words) if markdown else text_table(header, rows, words, layout))
    lines = list(dict.fromkeys(protocol.line for protocol in protocols))
    if protocols[0].id != protocols[1].id:
        lines.append("The two runs follow different protocols: see the reasons and warnings.")
    if markdown:
        parts.append("\n".join(f"- {markdown_text(text)}" for text in findings(comparisons)))
        parts += map(markdown_text, (*_explained(comparisons), *footnotes(comparisons), *lines))
    else:
        blocks = (findings(comparisons), _explained(comparisons), footnotes(comparisons), lines)
        parts += ["\n".join(paragraph(text, layout) for text in block) for block in blocks]
    return "\n\n".join(part for part in parts if part)


def _grid(comparisons: Sequence[Comparison], grouping: str) -> tuple[list[str], list[list[str]]]:
    split = grouping != "all"
    chance = any(c.chance for c in comparisons)
    header = [
        *([grouping] if split else []),
        *("metric", "A", "B", "B − A [95 %]", "p", "BH p" if split else "Holm p", "mean p", "d_z"),
        *("detectable", "n", *(["chance A − A", "p of it"] if chance else [])),
    ]
    rows = []
    for c in comparisons:
        decimals = comparison_decimals(c)
        rows.append(
            [
                *([c.group] if split else []),
                f"{c.column.ref}{unit_text(c.column)}",
                *(number(c.mean_a, decimals), number(c.mean_b, decimals)),
                difference_text(c.estimate, c.low, c.high, decimals),
                *(p_text(c.p), p_text(c.p_bh if split else c.p_holm)),
                p_text(c.mean_p),
                *(number(c.effect, 2), number(c.detectable, decimals), str(c.n)),
                *(_chance(c, decimals) if chance else []),
            ]
        )
    return header, rows


def _chance(c: Comparison, decimals: int) -> list[str]:
    if c.chance is None:
        return [NONE, NONE]
    return [difference_text(c.chance.estimate, c.chance.low, c.chance.high, decimals), p_text(c.chance.p)]


def _explained(comparisons: Sequence[Comparison]) -> list[str]:
    """Return explanations of the numbers."""
    tested = sum(c.p_holm is not None for c in comparisons)
    texts = ["The unit is the prompt: seeds are averaged within it, and A and B are compared on the same prompts."]
    if tested:
        texts.append(
            "p (two-sided): how often exchanging A and B on whole prompts gives a difference at least as far from 0. "
            f"Holm p is adjusted for the {tested} metrics tested. A large p does not show that A and B are alike."
        )
        texts += _of_means(comparisons)
        texts.append(
            "Detectable: the smallest true difference that is found (p < .05, before Holm) with a power of 80 % at "
            "this size, if differences are about normal. It is not given if fewer than 10 prompts differ, whose "
            "tests have less power than that, nor for distances, whose null hypothesis is stronger than equal values."
        )
    if any(c.p_bh is not None for c in comparisons):
        texts.append("BH p limits the share of false claims over the metrics and groups (Benjamini and Hochberg).")
    if any(c.chance for c in comparisons):
        texts.append(
            "Chance: the later half of A's seeds of each prompt minus the earlier half, a difference due to chance "
            "only; with half the seeds each, it is wider than that of B − A."
        )
    nulls: dict[str, list[str]] = {}
    for c in comparisons:
        if c.null:
            nulls.setdefault(c.null, []).append(c.column.ref)
    return texts + [
        f"Null hypothesis of p for {', '.join(dict.fromkeys(refs))}: {null}." for null, refs in nulls.items()
    ]


def _of_means(comparisons: Sequence[Comparison]) -> list[str]:
    """Return notes on p of the mean, on what so few prompts cannot show, and on the scope of the claims."""
    sizes = {c.n for c in comparisons if c.mean_p is not None and c.grouping == "all"}
    if not sizes:
        return []
    n = min(sizes)
    return [
        "p tests whether the two values of a prompt are exchangeable, not whether their means are equal: it is small, "
        "too, if A fails badly on a few prompts and B on none. Mean p tests the mean only and allows for skew "
        "(bootstrap-t, before Holm); a row is called better if both are below .05.",
        f"With {counted(n, 'prompt')}, what happens on fewer than {unseen_share(n):.0%} of such prompts may be missing "
        "from them altogether (95 %): no test can exclude rare failures.",
        "Intervals and tests hold for new prompts like these, of these genres, with these settings of the models.",
    ]


def footnotes(comparisons: Sequence[Comparison | AcrossTrainings]) -> list[str]:
    """Return missing values and warnings, each once with the rows that it applies to."""
    said: dict[str, list[str]] = {}
    warned: dict[Notice, list[str]] = {}
    for c in comparisons:
        place = c.column.ref if c.grouping == "all" else f"{c.column.ref} ({c.group})"
        if c.reason:
            said.setdefault(c.reason, []).append(place)
        for warning in c.warnings:
            warned.setdefault(warning, []).append(place)
    for warning, places in joined(warned).items():
        said.setdefault(warning.sentence, []).extend(places)
    every = len(comparisons)
    return [
        f"{'all' if every > 1 and len(at) == every else ', '.join(first_few(at, 6))}: {text}"
        for text, at in said.items()
    ]


def difference_text(estimate: float | None, low: float | None, high: float | None, decimals: int) -> str:
    """Return B − A with its interval, if any; a sign for none if there is no estimate.

    Args:
        estimate, low, high: in the metric's unit, or None.
        decimals: digits after the point.
    """
    text = number(estimate, decimals, "+")
    return text if low is None or high is None else f"{text} [{number(low, decimals)}, {number(high, decimals)}]"


def comparison_decimals(c: Comparison | AcrossTrainings) -> int:
    """Return the number of decimals that its interval justifies."""
    width = [] if c.low is None or c.high is None else [(c.high - c.low) / 2]
    return decimals_for(width, [c.estimate or 0.0])


def unit_text(column: Column) -> str:
    """Return a metric's unit and direction in brackets, for use after its name; empty if it has neither."""
    text = f"{column.unit}{ARROWS[column.direction]}".strip()
    # Keep a unit on one line.
    return f" ({text})".replace(" ", "\xa0").replace("\xa0", " ", 1) if text else ""


def _with_unit(c: Comparison, text: str) -> str:
    # Differences of percentages are in points.
    return f"{text} {'points' if c.column.unit == '%' else c.column.unit}".strip()


def spread_out(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with ``chance`` spread over four fields."""
    return {
        **{name: value for name, value in record.items() if name != "chance"},
        **{f"chance_{name}": (record["chance"] or {}).get(name) for name in ("estimate", "low", "high", "p")},
    }


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as a row of a table: `spread_out`, with its warnings and their codes joined to one text each."""
    return {**spread_out(record), **{name: "; ".join(record[name]) for name in ("warnings", "warning_codes")}}


def _csv(found: Sequence[dict[str, Any]]) -> str:
    rows = [flat(record) for record in found]
    columns = list(rows[0]) if rows else []
    return csv_text(columns, ([row[name] for name in columns] for row in rows)).rstrip("\n")
