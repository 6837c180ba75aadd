"""A report as data: every table, sentence and chart of its pages as one JSON object, for programs and other pages.

The object's ``schema`` is `SCHEMA`; removing a field or changing its meaning raises it, adding one does not.
Numbers are not rounded, except those of ``distributions`` to six digits; unknown values are null.

- ``title``, ``about``, ``protocol``, ``limits``, ``methods``: the run: its name, facts by name,
  ``{id, line, content}``, and sentences.
- ``findings``: a record per pair of models ``a`` and ``b``: ``first`` (shown first), ``sentence``, and its
  ``clauses`` as ``{kind, text, metrics, ahead}``, see `bench.report.findings.Clause`.
- ``models``: ``{label, fingerprint, identity, provenance, rate, made, planned, what}``, in the order of the run;
  ``what`` is a sentence, empty if unknown.
- ``metrics``: ``{ref, unit, direction, of_sets, measures, cannot_tell, params, embedders, view, reference}``;
  ``direction`` is ``higher``, ``lower`` or ``none``, ``reference`` null or the reference's facts.
- ``leaderboard``: a record per cell, over all prompts and by genre and level: `bench.leaderboard.render.records` with
  ``grouping``. The charts of intervals show those of one group.
- ``comparisons``: a record a pair, metric and group: `bench.comparison.result.Comparison.record`, with ``told_apart``.
- ``chances``: ``{model, metric, estimate, low, high, p}``: models against themselves with other seeds.
- ``prompts``: ``{place, id, text, genre, level, bpm, key, lyrics}``; ``prompts/PLACE.html`` is its page.
- ``clips``: ``{id, model, prompt, seed, scores, reasons, problem, media}``: ``scores`` has a number or null by metric,
  and ``reasons`` why one is null. ``media`` is null or ``{audio, spectrogram, duration, loudness, gain}``.
- ``distributions``: a record per clip metric: ``values`` by model, one or null for each of ``prompts``, ``quartiles``
  by model (lowest, lower, median, upper, highest) and the ``outlying`` prompts.
- ``doses``, ``cautions``, ``failures``, ``published``: records, as the pages list them.
- ``survey``: null, or ``source``, ``sections`` (title, table, sentences) and ``record``, what ``survey analyze --json``
  prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.report.context import SILENT, ClipEntry, ReportContext
from bench.report.distributions import known, outlying, prompt_means
from bench.report.downloads import comparison_records, leaderboard_records
from bench.report.findings import find, split
from bench.scores.clip_table import json_lines

KIND = "tunebench report data"
SCHEMA = 1
QUARTILES = ("lowest", "lower", "median", "upper", "highest")


def as_record(content: ReportContext) -> dict[str, Any]:
    """Return the content of a report as JSON values; the module docstring describes the fields."""
    columns = {column.ref: column for column in content.columns}
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "title": content.title,
        "about": dict(content.about),
        "protocol": {"id": content.protocol.id, "line": content.protocol.line, "content": content.protocol.content},
        "findings": finding_records(content),
        "limits": list(content.limits),
        "methods": list(content.methods),
        "models": [model_record(model) for model in map(asdict, content.models)],
        "metrics": [
            {**asdict(one), **{name: getattr(columns[one.ref], name) for name in ("unit", "direction", "of_sets")}}
            for one in content.infos
            if one.ref in columns
        ],
        "leaderboard": leaderboard_records(content),
        "comparisons": _comparisons(content),
        "chances": [
            {"model": model, "metric": ref, **asdict(chance)} for (model, ref), chance in content.chances.items()
        ],
        "prompts": [{"place": place, **asdict(prompt)} for place, prompt in enumerate(content.prompts, 1)],
        "clips": [_clip(clip) for clip in content.clips],
        "distributions": _distributions(content),
        "doses": [dict(record) for record in content.doses],
        "cautions": [asdict(caution) for caution in content.cautions],
        "failures": [asdict(group) for group in content.failures],
        "published": [row.model_dump(mode="json") for row in content.published],
        "survey": _survey(content),
    }


def write_record(content: ReportContext, out: Path) -> None:
    """Write ``data/report.json`` of a report."""
    (out / "data" / "report.json").write_text(json_lines(as_record(content)), encoding="utf-8")


def finding_records(content: ReportContext) -> list[dict[str, Any]]:
    """Return the finding on each pair of models, in the order of the first page."""
    found = find(content.comparisons, content.columns, content.cells)
    opened, folded = split(found, content.models[0].label if content.models else "")
    return [
        {"a": one.a, "b": one.b, "first": first, "sentence": one.sentence, "clauses": [asdict(c) for c in one.clauses]}
        for first, findings in ((True, opened), (False, folded))
        for one in findings
    ]


def model_record(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model with its identity and provenance as JSON values instead of texts."""
    return {**model, **{name: json.loads(model[name]) for name in ("identity", "provenance")}}


def _comparisons(content: ReportContext) -> list[dict[str, Any]]:
    settled = [c.told_apart(c.p_holm if c.grouping == "all" else c.p_bh) for c in content.comparisons]
    records = comparison_records(content)
    return [{**record, "told_apart": told} for record, told in zip(records, settled, strict=True)]


def _clip(clip: ClipEntry) -> dict[str, Any]:
    values = {ref: value if isinstance(value, int | float) else None for ref, value in clip.scores.items()}
    media = clip.media and {
        name: getattr(clip.media, name) for name in ("audio", "spectrogram", "duration", "loudness", "gain")
    }
    return {
        **{name: getattr(clip, name) for name in ("id", "model", "prompt", "seed")},
        "scores": values,
        "reasons": {ref: value for ref, value in clip.scores.items() if isinstance(value, str)},
        "problem": None if clip.problem == SILENT else clip.problem,
        "media": media,
    }


def _distributions(content: ReportContext) -> list[dict[str, Any]]:
    means = prompt_means(content)
    found = []
    for column in (one for one in content.columns if not one.of_sets):
        nothing = [None] * len(content.prompts)
        values = {m.label: list(means.get((column.ref, m.label), nothing)) for m in content.models}
        quartiles = {model: _quartiles(known(own)) for model, own in values.items()}
        far = [asdict(one) for one in outlying(content, column, means)]
        found.append({"metric": column.ref, "values": values, "quartiles": quartiles, "outlying": far})
    return found


def _quartiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return dict(zip(QUARTILES, map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1))), strict=True))


def _survey(content: ReportContext) -> dict[str, Any] | None:
    survey = content.survey
    if survey is None:
        return None
    return {
        "source": survey.source,
        "sections": [asdict(section) for section in survey.sections],
        "record": dict(survey.record),
    }
