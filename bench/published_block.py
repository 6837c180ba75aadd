"""Published figures for people to read, beneath the leaderboard and apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bench.published import PublishedRow
from bench.table import markdown_table, paragraph, text_table

TITLE = "Published, not comparable with the rows above"
HEADER = ("model", "metric", "figure", "where")


def published_block(rows: Sequence[PublishedRow], markdown: bool) -> str:
    """A paper after the other, each with its source; rows that were measured alike share a table."""
    parts = [f"## {TITLE}" if markdown else TITLE]
    for source, of_paper in groupby(rows, key=lambda row: row.source):
        parts.append(source if markdown else paragraph(source))
        for (protocol, second_hand), alike in groupby(of_paper, key=lambda row: (row.protocol, row.second_hand)):
            shown = list(alike)
            said = f"Second-hand, from {second_hand}: {protocol}" if second_hand else protocol
            cells = [(row.model, row.metric, _figure(row), row.where or "–") for row in shown]
            if markdown:
                parts += [said, markdown_table(HEADER, cells, len(HEADER)), *_caveats(shown)]
            else:
                lines = [paragraph(said), text_table(HEADER, cells, len(HEADER)), *map(paragraph, _caveats(shown))]
                parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _caveats(rows: Sequence[PublishedRow]) -> list[str]:
    """Each caveat once, with the metrics that it is of."""
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(row.caveat, []).append(row.metric)
    return [f"{', '.join(dict.fromkeys(names))}: {caveat}" for caveat, names in metrics.items()]


def _figure(row: PublishedRow) -> str:
    """As it is printed, with its unit unless that is printed, too."""
    text = row.text or f"{row.value:g}".replace("-", "−")
    return text if not row.unit or row.unit in text else f"{text} {row.unit}"
