"""Published figures below measured rows, with the differences that their prompts can detect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.scores.aggregate import Cell
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table


def published_beside(cells: Sequence[Cell], prompts: int, markdown: bool, layout: Layout | None = None) -> str:
    """Return published figures, and a comparison with measured rows of the same metric.

    Args:
        cells: of the leaderboard.
        prompts: number of prompts of the run.
        markdown: whether as Markdown; otherwise as plain text.
        layout: of plain text.
    """
    from bench.leaderboard.published import published, published_block
    from bench.leaderboard.published_gaps import GAP_HEADER, gap_tables, published_gaps, what_gaps_mean

    parts = [published_block(published(), markdown, layout)]
    gaps = published_gaps(published(), cells, prompts)
    for said, rows in gap_tables(gaps, prompts):
        if markdown:
            parts += [markdown_text(said), markdown_table(GAP_HEADER, rows, 1)]
        else:
            parts.append(f"{paragraph(said, layout)}\n{text_table(GAP_HEADER, rows, 1, layout)}")
    if gaps:
        parts.append(markdown_text(what_gaps_mean()) if markdown else paragraph(what_gaps_mean(), layout))
    return "\n\n".join(parts)


def records_beside(cells: Sequence[Cell], prompts: int) -> list[dict[str, Any]]:
    """Return records of published figures, each with ``gaps``: the measured rows of its metric beside it.

    Args:
        cells: of the leaderboard.
        prompts: number of prompts of the run.

    Returns:
        As `bench.leaderboard.published.published_records`. Each entry of ``gaps`` has model and metric, and gap,
        detectable and detectable_with_error as `bench.leaderboard.published_gaps.PublishedGap`.
    """
    from bench.leaderboard.published import published, published_records
    from bench.leaderboard.published_gaps import published_gaps

    gaps = published_gaps(published(), cells, prompts)
    return [
        {
            **record,
            "gaps": [
                {
                    "model": gap.cell.model,
                    "metric": gap.cell.column.ref,
                    "gap": gap.gap,
                    "detectable": gap.detectable,
                    "detectable_with_error": gap.detectable_with_error,
                }
                for gap in gaps
                if gap.row is row
            ],
        }
        for row, record in zip(published(), published_records(published()), strict=True)
    ]
