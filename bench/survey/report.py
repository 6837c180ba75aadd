"""An analysis as sections of tables and sentences, written for the terminal or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from bench.number_format import counted
from bench.survey.rating_range import Range
from bench.survey.report_tables import (
    Rows,
    agreements,
    customary,
    differences,
    effects,
    exclusions,
    genre_differences,
    group_rows,
    listener_rows,
    model_rows,
    omnibus_rows,
    ordinal_rows,
    side_rows,
    strength_differences,
    strength_rows,
)
from bench.survey.results import Analysis
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table


@dataclass(frozen=True)
class Section:
    """A heading, a table if there is one, and sentences below it."""

    title: str
    table: Rows | None = None
    sentences: tuple[str, ...] = ()


def sections(analysis: Analysis) -> list[Section]:
    """Everything that is said about a survey, in its order."""
    ratings = analysis.models
    percent = f"{100 * analysis.confidence:g} %"
    found = [Section("Survey", None, (*_design(analysis), *analysis.notes))]
    if analysis.exclusions:
        found.append(
            Section(f"Excluded: {counted(analysis.design.excluded, 'answer')}", exclusions(analysis.exclusions))
        )
    if ratings:
        found.append(Section(f"Models (mean with crossed {percent} interval)", *model_rows(ratings)))
    for fit in analysis.strengths:
        ties = "ties as half wins" if fit.ties == "half wins" else "ties by Davidson's model"
        found.append(
            Section(f"{fit.scale}: strengths (Bradley–Terry, {ties}, {percent} interval)", *strength_rows(fit))
        )
        if len(fit.differences) > 1:
            found.append(Section(f"{fit.scale}: differences of strengths, {ties}", strength_differences(fit)))
    if analysis.sides:
        found.append(Section("Was the first side chosen more often?", *side_rows(analysis.sides)))
    if analysis.omnibus:
        found.append(Section("Do the models differ at all?", *omnibus_rows(analysis.omnibus)))
    if analysis.comparisons:
        scored = analysis.strengths and analysis.design.ranges
        shares = (
            "Comparison scores (for the first)" if scored else "Preferences (share for the first less the second's)"
        )
        what = "Differences" if ratings else shares
        found.append(Section(f"{what} with {percent} interval", *differences(analysis.comparisons)))
        found.append(Section("Effect sizes and variances", *effects(analysis.comparisons)))
    if analysis.ordinal:
        found.append(Section("Ratings as ordered steps (a description)", *ordinal_rows(analysis.ordinal)))
    if analysis.customary:
        found.append(Section("The customary tests beside it", *customary(analysis.customary)))
    if analysis.genres:
        found.append(Section("By genre (exploratory)", *genre_differences(analysis.genres)))
    if analysis.by_listener:
        found.append(Section("By groups of listeners (a description)", *group_rows(analysis.by_listener)))
    if analysis.agreement:
        found.append(Section("Agreement of the listeners", *agreements(analysis.agreement)))
    if analysis.listeners:
        found.append(Section("Listeners", *listener_rows(analysis.listeners)))
    return [*found, Section("What this shows", None, analysis.claims)]


def as_text(analysis: Analysis, layout: Layout | None = None) -> str:
    """For a terminal, a pipe or a text file."""
    parts = []
    for section in sections(analysis):
        lines = [section.title]
        if section.table and section.table.rows:
            table = section.table
            lines.append(text_table(table.header, table.rows, table.words, layout))
        lines += [paragraph(text, layout) for text in section.sentences]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_markdown(analysis: Analysis) -> str:
    """For a file."""
    parts = ["# Listening survey"]
    for section in sections(analysis):
        parts.append(f"## {section.title}")
        if section.table and section.table.rows:
            parts.append(markdown_table(section.table.header, section.table.rows, section.table.words))
        parts += [markdown_text(text) for text in section.sentences]
    return "\n\n".join(parts) + "\n"


def _design(analysis: Analysis) -> tuple[str, ...]:
    design = analysis.design
    missing = sum(design.missing.values())
    places = ", ".join(f"{scale} {count}" for scale, count in design.missing.items() if count)
    lost = f"{design.rows_lost} ({100 * design.share_lost:.1f} %) are left out, for the reasons below"
    rows = f"Rows with answers: {design.rows}, of which {lost if design.rows_lost else 'none is left out'}."
    lines = [
        *([rows] if design.rows else []),
        f"Listeners: {design.listeners}. Prompts: {design.prompts}. Models: {', '.join(design.models)}. "
        f"Scales: {', '.join(_with_range(analysis, scale) for scale in design.scales)}.",
        f"Answers: {design.answers}. Missing cells: {missing}{f' ({places})' if missing else ''}. "
        f"Excluded: {design.excluded}.",
    ]
    if design.repeated:
        lines.append(f"{design.repeated} answers to further seeds or repetitions are averaged within their cells.")
    if design.genres:
        lines.append("Genres: " + ", ".join(f"{genre} {count}" for genre, count in design.genres.items()) + ".")
    return tuple(lines)


def _with_range(analysis: Analysis, scale: str) -> str:
    ends = analysis.design.ranges.get(scale)
    return f"{scale} ({Range(*ends)})" if ends else scale
