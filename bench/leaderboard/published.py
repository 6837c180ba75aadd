"""Published figures from papers, each with its protocol and source, kept apart from measured rows.

A file holds one paper. Fields shared by all rows are given at the top::

    paper: Doe et al. 2024
    about: J. Doe: A Paper. Journal 1(1), 2024.
    protocol: 12 prompts of 10 s
    rows:
      - {model: Tuned, metric: CLAP score, value: 0.31, text: "0.31", where: table 2}
      - {model: Tuned, metric: rhythm, text: listeners prefer it, where: section 4}
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from bench.errors import DataError, UsageError
from bench.schema import Settings, load_settings
from bench.text_table import Layout, markdown_table, paragraph, text_table

TITLE = "Published, not comparable with the rows above"

HEADER = ("model", "metric", "figure", "where")


class PublishedRow(Settings):
    """One figure of a paper.

    model: the row as the paper calls it. metric: the paper's name of it. value: the figure; text: as it is printed,
    or a finding in words if there is none. low, high: its 95 % interval, if given. prompts: number
    of prompts, if stated. protocol: how it was measured. source: citation of the paper; paper:
    short citation. where: location in the paper. second_hand: who reported it, if not the paper itself. caveat: why
    it is not comparable with rows measured here. ours: our metric for the same kind of number
    in the same unit, such as clap-score, if any.
    """

    model: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    value: float | None = Field(default=None, allow_inf_nan=False)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    unit: str = ""
    text: str = ""
    prompts: int | None = Field(default=None, ge=1)
    protocol: str = Field(min_length=1)
    source: str = Field(min_length=1)
    paper: str = ""
    where: str = ""
    ours: str = ""
    second_hand: str = ""
    caveat: str = Field(default="other checkpoint, prompts or clip length: not comparable with measured rows")

    @model_validator(mode="after")
    def _says_something(self) -> PublishedRow:
        if self.value is None and not self.text:
            raise ValueError("a row needs a value, or a finding in words as its text")
        if (self.low is None) != (self.high is None) or (self.low is not None and self.value is None):
            raise ValueError("an interval needs value, low and high")
        if self.low is not None and self.high is not None and not self.low <= (self.value or 0.0) <= self.high:
            raise ValueError(f"the value {self.value} is outside its interval [{self.low}, {self.high}]")
        return self


class PublishedFile(Settings):
    """The figures of a paper.

    paper: short citation; about: full citation. protocol, prompts: defaults of the rows: how they were measured, and
    on how many prompts.
    """

    paper: str = Field(min_length=1)
    about: str = Field(min_length=1)
    protocol: str = Field(min_length=1)
    prompts: int | None = Field(default=None, ge=1)
    rows: tuple[PublishedRow, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _fill_rows(cls, content: Any) -> Any:
        """Copy shared fields into each row."""
        if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
            return content
        names = {"protocol": "protocol", "source": "about", "paper": "paper", "prompts": "prompts"}
        common = {name: content[own] for name, own in names.items() if content.get(own) is not None}
        return {**content, "rows": [{**common, **row} if isinstance(row, dict) else row for row in content["rows"]]}


@cache
def published() -> tuple[PublishedRow, ...]:
    """Return the shipped rows, paper by paper."""
    folder = Path(str(files("results") / "published"))
    return tuple(row for path in sorted(folder.glob("*.yaml")) for row in load_published(path))


def load_published(path: Path) -> tuple[PublishedRow, ...]:
    """Read a file of published figures.

    Raises:
        DataError: no such file, not YAML, or a row has missing or unknown fields; the message names file and place.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return load_settings(PublishedFile, path, "paper: Doe et al. 2024").rows
    except UsageError as error:
        raise DataError(str(error)) from None


def published_records(rows: tuple[PublishedRow, ...]) -> list[dict[str, Any]]:
    """Return one flat record per figure, with the keys of measured rows; ``note`` says how it was measured."""
    return [
        {
            "model": row.model,
            "metric": row.metric,
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "unit": row.unit,
            "text": row.text,
            "prompts": row.prompts,
            "note": row.protocol,
            "source": row.source,
            "where": row.where or None,
            "second_hand": row.second_hand or None,
            "caveat": row.caveat,
            "published": True,
        }
        for row in rows
    ]


def published_block(rows: Sequence[PublishedRow], markdown: bool, layout: Layout | None = None) -> str:
    """Return text of each paper with its source; rows with the same protocol share a table.

    Args:
        rows: those of one paper in succession.
        markdown: whether as Markdown; otherwise as plain text.
        layout: of plain text.
    """
    parts = [f"## {TITLE}" if markdown else TITLE]
    for source, of_paper in groupby(rows, key=lambda row: row.source):
        parts.append(source if markdown else paragraph(source, layout))
        for (protocol, second_hand), alike in groupby(of_paper, key=lambda row: (row.protocol, row.second_hand)):
            shown = list(alike)
            said = f"Second-hand, from {second_hand}: {protocol}" if second_hand else protocol
            cells = [(row.model, row.metric, _figure(row), row.where or "–") for row in shown]
            if markdown:
                parts += [said, markdown_table(HEADER, cells, len(HEADER)), *_caveats(shown)]
            else:
                table = text_table(HEADER, cells, len(HEADER), layout)
                caveats = [paragraph(caveat, layout) for caveat in _caveats(shown)]
                parts.append("\n".join([paragraph(said, layout), table, *caveats]))
    return "\n\n".join(parts)


def _caveats(rows: Sequence[PublishedRow]) -> list[str]:
    """Return each caveat once, with its metrics."""
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(row.caveat, []).append(row.metric)
    return [f"{', '.join(dict.fromkeys(names))}: {caveat}" for caveat, names in metrics.items()]


def _figure(row: PublishedRow) -> str:
    """Return the figure as printed, adding the unit if that lacks it."""
    text = row.text or f"{row.value:g}".replace("-", "−")
    return text if not row.unit or row.unit in text else f"{text} {row.unit}"
