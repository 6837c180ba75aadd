"""A report as data: it holds what the pages show, and nothing that JSON cannot say."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.report import side_by_side
from bench.report.context import SILENT, ReportContext
from bench.report.distributions import MOST_OUTLYING, outlying, prompt_means
from bench.report.record import QUARTILES, SCHEMA, as_record, write_record


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.words = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def content(report_content: tuple[ReportContext, Path]) -> ReportContext:
    return replace(report_content[0], limits=("Nothing is known of <other> genres.",))


@pytest.fixture(scope="module")
def record(content: ReportContext, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("record")
    (out / "data").mkdir()
    write_record(content, out)
    text = (out / "data" / "report.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


def test_it_says_what_it_is(record: dict[str, Any], content: ReportContext) -> None:
    assert (record["kind"], record["schema"]) == ("tunebench report data", SCHEMA)
    assert record["title"] == content.title
    assert record["limits"] == list(content.limits)
    assert record["models"][0]["identity"] == {"class": "<b>"}


def test_it_holds_every_sentence_and_table_of_the_pages(
    record: dict[str, Any], content: ReportContext, report_folder: Path
) -> None:
    first = " ".join(Text(report_folder / "index.html").words.split())
    assert len(record["findings"]) == 3
    for finding in record["findings"]:
        assert " ".join(finding["sentence"].split()) in first
        assert finding["sentence"] == "; ".join(clause["text"] for clause in finding["clauses"]) + "."
    assert [one["first"] for one in record["findings"]] == [True, True, False]
    assert len(record["leaderboard"]) == len(content.cells)
    assert {row["grouping"] for row in record["leaderboard"]} == {"all", "genre", "level"}
    settled = [c.told_apart(c.p_holm if c.grouping == "all" else c.p_bh) for c in content.comparisons]
    assert [row["told_apart"] for row in record["comparisons"]] == settled
    assert len(record["chances"]) == len(content.chances)
    for name in ("methods", "cautions", "failures", "published", "doses", "prompts"):
        assert len(record[name]) == len(getattr(content, name)), name
    assert record["survey"]["sections"][0]["table"]["rows"] == content.survey.sections[0].table.rows  # type: ignore[union-attr]


def test_a_clip_has_a_number_or_a_reason(record: dict[str, Any], content: ReportContext) -> None:
    for row, clip in zip(record["clips"], content.clips, strict=True):
        for ref, value in clip.scores.items():
            assert row["scores"][ref] == (value if isinstance(value, float) else None)
            assert row["reasons"].get(ref) == (value if isinstance(value, str) else None)
    (lost,) = [row for row in record["clips"] if row["media"] is None]
    assert lost["problem"] == "out of memory: <script>alert(2)</script>"
    silent = replace(content, clips=tuple(replace(clip, media=None, problem=SILENT) for clip in content.clips))
    assert {row["problem"] for row in as_record(silent)["clips"]} == {None}, "a record alone plays nothing anyway"


def test_distributions_are_of_the_prompts_in_their_order(record: dict[str, Any], content: ReportContext) -> None:
    (accuracy,) = [one for one in record["distributions"] if one["metric"] == "harmonic-accuracy@1"]
    for model, values in accuracy["values"].items():
        own = [
            [c.scores["harmonic-accuracy@1"] for c in content.clips if (c.model, c.prompt) == (model, prompt.id)]
            for prompt in content.prompts
        ]
        means = [None if isinstance(pair[0], str) else np.mean(pair) for pair in own]  # type: ignore[arg-type]
        assert [value is None for value in values] == [mean is None for mean in means]
        assert [v for v in values if v is not None] == pytest.approx([m for m in means if m is not None], rel=1e-5)
        have = [value for value in values if value is not None]
        middle = np.percentile(have, [0, 25, 50, 75, 100])
        assert [accuracy["quartiles"][model][name] for name in QUARTILES] == pytest.approx(middle)
    (nothing,) = [one for one in record["distributions"] if one["metric"].startswith("nothing")]
    assert set(nothing["quartiles"].values()) == {None}


def test_what_lies_far_out_is_listed(content: ReportContext) -> None:
    column = content.columns[1]
    prompts = tuple(replace(content.prompts[0], id=f"p{n}") for n in range(80))
    values = [float(n % 7) for n in range(60)] + [100.0 + n for n in range(20)]
    values[3] = -50.0
    clips = [
        replace(content.clips[0], model="base", prompt=p.id, scores={column.ref: v})
        for p, v in zip(prompts, values, strict=True)
    ]
    many = replace(content, prompts=prompts, clips=tuple(clips), models=content.models[:1])
    far = outlying(many, column, prompt_means(many))
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    expected = {n + 1 for n, value in enumerate(values) if value < low - reach or value > high + reach}
    assert {one.place for one in far} <= expected and len(far) == min(MOST_OUTLYING, len(expected))
    assert [abs(one.value - np.median(values)) for one in far] == sorted(
        (abs(one.value - np.median(values)) for one in far), reverse=True
    )


def test_names_of_runs_are_told_apart_and_tables_have_one_protocol_each(content: ReportContext) -> None:
    assert side_by_side.run_names(["a", "b", "a"]) == ["a (1)", "b", "a (3)"]
    shown = side_by_side.ShownRun("a", "runs/1")
    found = side_by_side.as_record([side_by_side.ProtocolTable((shown,), content, "")])
    json.dumps(found, allow_nan=False)
    assert found["schema"] == side_by_side.SCHEMA
    assert found["tables"][0]["runs"] == [{"name": "a", "folder": "runs/1"}]
    assert len(found["tables"][0]["leaderboard"]) == len(content.cells)
