"""An analysis as sections of tables and sentences, as text or Markdown."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
)
from bench.survey.results import Analysis
from bench.survey.vote_results import StrengthFit
from bench.survey.vote_tables import side_rows, strength_differences, strength_rows
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table

_MOST_DIFFERENCES = 45  # of strengths, for 10 models


@dataclass(frozen=True)
class Section:
    """A heading, an optional table, and sentences below it."""

    title: str
    table: Rows | None = None
    sentences: tuple[str, ...] = ()


def sections(analysis: Analysis) -> list[Section]:
    """Return all sections about a survey, in order."""
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
        found += _strengths(fit, percent)
    if analysis.sides:
        found.append(Section("Was the first side chosen more often?", *side_rows(analysis.sides)))
    if analysis.omnibus:
        found.append(Section("Do the models differ at all?", *omnibus_rows(analysis.omnibus)))
    if analysis.comparisons:
        scored = analysis.strengths and analysis.design.ranges
        shares = (
            "Comparison scores (for the first)" if scored else "Preferences (share for the first minus the second's)"
        )
        what = "Differences" if ratings else shares
        found.append(Section(f"{what} with {percent} interval", *differences(analysis.comparisons)))
        found.append(Section("Effect sizes and variances", *effects(analysis.comparisons, votes=not ratings)))
    if analysis.unscreened:
        found.append(Section("The same before listeners were left out", *differences(analysis.unscreened)))
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
    """Return the analysis as text for a terminal, a pipe or a file."""
    parts = []
    for section in sections(analysis):
        lines = [section.title]
        if (table := section.table) and table.rows:
            lines.append(text_table(table.header, table.rows, table.words, layout))
        lines += [paragraph(text, layout) for text in section.sentences]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_markdown(analysis: Analysis) -> str:
    """Return the analysis as Markdown."""
    parts = ["# Listening survey"]
    for section in sections(analysis):
        parts.append(f"## {section.title}")
        if (table := section.table) and table.rows:
            parts.append(markdown_table(table.header, table.rows, table.words))
        parts += [markdown_text(text) for text in section.sentences]
    return "\n\n".join(parts) + "\n"


def _strengths(fit: StrengthFit, percent: str) -> list[Section]:
    ties = "ties as half wins" if fit.ties == "half wins" else "ties by Davidson's model"
    found = [Section(f"{fit.scale}: strengths (Bradley–Terry, {ties}, {percent} interval)", *strength_rows(fit))]
    pairs = len(fit.differences)
    if 1 < pairs <= _MOST_DIFFERENCES:
        found.append(Section(f"{fit.scale}: differences of strengths, {ties}", strength_differences(fit)))
    elif pairs > 1 and fit.ties == "half wins":
        said = f"The differences of strengths of {pairs} pairs are left out here; --json lists them."
        found[0] = replace(found[0], sentences=(*found[0].sentences, said))
    return found


def _design(analysis: Analysis) -> tuple[str, ...]:
    """Return lines on the data read and lost, and on the design."""
    design = analysis.design
    votes = design.kind == "preferences"
    lost = f"{design.rows_lost} ({100 * design.share_lost:.1f} %) left out, for the reasons below"
    rows = f"Read: {counted(design.rows, 'row')} with answers, {lost if design.rows_lost else 'none left out'}."
    missing = sum(design.missing.values())
    places = ", ".join(f"{scale} {count}" for scale, count in design.missing.items() if count)
    empty = f"Empty cells (listener × prompt × {'pair' if votes else 'model'}): {missing}"
    bad = f", {design.both_bad} of them 'both bad'" if design.both_bad else ""
    lines = [
        *([rows] if design.rows else []),
        f"Listeners: {design.listeners}. Prompts: {design.prompts}. Models: {', '.join(design.models)}. "
        f"{'Questions' if votes else 'Scales'}: {', '.join(_with_range(analysis, scale) for scale in design.scales)}.",
        f"Answers: {design.answers}{bad}. {empty}{f' ({places})' if missing and len(design.scales) > 1 else ''}. "
        f"Excluded: {design.excluded}.",
    ]
    if design.repeated:
        lines.append(f"{design.repeated} answers to further seeds or repetitions are averaged within their cells.")
    if design.genres:
        lines.append("Prompts by genre: " + ", ".join(f"{genre} {n}" for genre, n in design.genres.items()) + ".")
    return tuple(lines)


def _with_range(analysis: Analysis, scale: str) -> str:
    ends = analysis.design.ranges.get(scale)
    return f"{scale} ({Range(*ends)})" if ends else scale
