"""The pages of a report as a parser reads them: hostile words stay words, links lead somewhere, nothing is inline."""

from __future__ import annotations

import builtins
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bench.comparison.result import Comparison
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.errors import MissingError
from bench.number_format import number
from bench.report.context import ClipEntry, ReportContext
from bench.report.findings import MOST_FOLDED, MOST_SHOWN
from bench.report.leaderboard_page import unrankable
from bench.report.loudness import RULE
from bench.report.number_format import decimals_for_intervals, places, spread
from bench.report.page import as_json, write_pages
from bench.report.prompt_page import outline, shown_clips, takes
from bench.report.size import measure_report
from bench.report.warnings import cautions
from bench.scores.aggregate import Column

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Every element with its attributes, the text, and the JSON blocks of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.blocks: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == [], f"{path.name} leaves {self.open} open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.blocks.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"{self.path.name}: </{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.blocks[-1] += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def pages(report_folder: Path) -> list[Page]:
    return [Page(path) for path in sorted(report_folder.rglob("*.html"))]


def page(pages: list[Page], name: str) -> Page:
    return next(one for one in pages if one.path.as_posix().endswith(f"/{name}"))


def test_every_page_is_there(pages: list[Page], report_content: tuple[ReportContext, Path]) -> None:
    prompts = len(report_content[0].prompts)
    names = Counter(one.path.parent.name for one in pages)
    assert names["prompts"] == prompts
    assert len(pages) == prompts + 6


def test_hostile_words_stay_words(pages: list[Page], report_content: tuple[ReportContext, Path]) -> None:
    content, _ = report_content
    for one in pages:
        assert {tag for tag, _ in one.elements}.isdisjoint({"b-", "iframe", "object", "embed", "style", "base"})
        assert all((image.get("src") or "").startswith("../pictures/") for image in one.all("img"))
        assert "49 $" not in one.text, "a template expression of a prompt was evaluated"
    for place, prompt in enumerate(content.prompts, 1):
        assert prompt.text in page(pages, f"prompts/{place}.html").text
        assert prompt.text in page(pages, "prompts.html").text
    assert "base: 12 clips, e.g. jazz-1, seed 0: <img src=x onerror=alert(4)>" in page(pages, "about.html").text
    assert "12 notes, <i>needs</i> 20" in page(pages, "prompts/4.html").text
    assert "out of memory: <script>alert(2)</script>" in page(pages, "prompts/6.html").text


def test_nothing_is_inline(pages: list[Page]) -> None:
    for one in pages:
        for tag, attributes in one.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (one.path.name, tag)
        scripts = one.all("script")
        for attributes, block in zip(scripts, one.blocks, strict=True):
            if attributes.get("type") == "application/json":
                assert "<" not in block
                json.loads(block)
            else:
                assert attributes["src"]
                assert not block.strip()


def test_the_policy_allows_only_the_folder(pages: list[Page]) -> None:
    for one in pages:
        policies = [meta["content"] for meta in one.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1
        directives = dict(part.strip().split(" ", 1) for part in (policies[0] or "").split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == directives["style-src"] == "'self'"
        assert {source for sources in directives.values() for source in sources.split()} == {
            "'none'",
            "'self'",
            "blob:",
        }


def test_every_link_leads_to_a_file(pages: list[Page], report_folder: Path) -> None:
    seen = 0
    for one in pages:
        for _, attributes in one.elements:
            for name in ("href", "src"):
                target = attributes.get(name)
                if not target or target.startswith("#"):
                    continue
                assert not re.match(r"[a-z]+:|/", target), f"{one.path.name} links to {target}"
                path = (one.path.parent / unquote(target.partition("#")[0])).resolve()
                assert path.is_relative_to(report_folder.resolve())
                assert path.is_file(), f"{one.path.name}: {target}"
                seen += 1
    assert seen > 200


def test_names_within_a_page(pages: list[Page]) -> None:
    for one in pages:
        ids = [attributes["id"] for _, attributes in one.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert one.elements[0] == ("html", {"lang": "en"})
        for _, attributes in one.elements:
            for name in ("aria-labelledby", "for"):
                assert attributes.get(name) is None or attributes[name] in ids
        for image in one.all("img"):
            assert image["alt"]
        assert len(one.all("table")) == len(one.all("caption"))
        assert all("scope" in cell for cell in one.all("th"))


def test_no_audio_is_loaded_before_it_is_asked_for(pages: list[Page]) -> None:
    clips = [audio for one in pages for audio in one.all("audio")]
    assert len(clips) == 35
    assert {clip["preload"] for clip in clips} == {"none"}


def test_the_first_page_weighs_less_than_a_megabyte(pages: list[Page], report_folder: Path) -> None:
    first = page(pages, "index.html")
    targets = [a.get("src") or a.get("href") for tag, a in first.elements if tag in ("script", "link", "img")]
    weight = first.path.stat().st_size + sum((report_folder / target).stat().st_size for target in targets if target)
    assert weight < 1_000_000


def test_data_files_are_numbered_and_hold_json(report_folder: Path) -> None:
    files = sorted((report_folder / "data").rglob("*.js"))
    assert len(files) >= 3 + 4 + 3 + 2
    for file in files:
        assert re.fullmatch(r"[0-9-]+\.js", file.name)
        call = re.fullmatch(r'tunebench\.receive\("(.+?)",(?: )(.*)\);\n', file.read_text(encoding="utf-8"), re.DOTALL)
        assert call
        assert (report_folder / "data" / f"{call[1]}.js") == file
        json.loads(call[2])
        assert "<" not in call[2]


def test_ranks_ties_and_missing_clips_are_written(
    pages: list[Page], report_content: tuple[ReportContext, Path], tmp_path: Path
) -> None:
    content, _ = report_content
    assert unrankable(content) == {c.ref for c in content.columns[:4] if c.direction != "none"}, "6 prompts, 3 pairs"
    text = " ".join(page(pages, "index.html").text.split())
    assert "rank 1–2" not in text and "not told from tuned" not in text
    more = replace(content, comparisons=tuple(replace(c, n=12, warnings=()) for c in content.comparisons))
    assert unrankable(more) == set()
    write_pages(more, tmp_path)
    text = " ".join(Page(tmp_path / "index.html").text.split())
    assert "rank 1–2" in text
    assert "not told from tuned[adapter_scale=0.25]" in text
    assert "11 of 12 clips" in text
    assert "Published, not comparable" in text
    assert "W-SYNTHETIC" in text


def test_only_who_leads_others_stands_out(report_folder: Path) -> None:
    text = (report_folder / "index.html").read_text(encoding="utf-8")
    cells = re.findall(r'<td class="num( first)?" data-metric="(\d)" data-value', text)
    assert Counter(metric for first, metric in cells if first) == {"0": 2, "3": 2}, "all that are ranked are tied on 2"


def test_the_list_of_prompts_keeps_genres_as_they_are(
    report_content: tuple[ReportContext, Path], tmp_path: Path
) -> None:
    prompts = (Prompt("a", "one", " jazz  fusion ", 1), Prompt("b", "two", "jazz fusion", 1))
    write_pages(replace(report_content[0], prompts=prompts, clips=()), tmp_path)
    options = [option.get("value") for option in Page(tmp_path / "prompts.html").all("option")]
    assert {" jazz  fusion ", "jazz fusion"} < set(options)


def test_names_are_veiled_before_a_blind_page_is_painted(pages: list[Page]) -> None:
    for one in pages:
        deferred = [attributes for attributes in one.all("script") if "src" in attributes and "defer" not in attributes]
        listens = one.path.parent.name == "prompts"
        assert [attributes["src"] for attributes in deferred] == (["../static/veil.js"] if listens else [])


def test_the_rule_of_loudness_stands_where_clips_are_heard(pages: list[Page]) -> None:
    for name in ("prompts.html", "prompts/1.html"):
        assert RULE in page(pages, name).text


def test_the_effect_of_set_metrics_is_explained(pages: list[Page]) -> None:
    text = page(pages, "compare.html").text
    assert "standard deviations" in text and "pseudo-values" in text


def test_every_metric_has_its_section(pages: list[Page], report_content: tuple[ReportContext, Path]) -> None:
    text = page(pages, "metrics.html").text
    assert all(column.ref in text for column in report_content[0].columns)
    assert text.count("No clip has a value.") == 1
    assert text.count("One value for all clips of a model") == 1


def test_cautions_say_which_models_are_a_and_b() -> None:
    column = Column("m@1", "", "none")

    def warned(a: str, b: str, sentence: str) -> Comparison:
        values = (column, "all", "all", None, None, None, None, None, None, 0)
        return Comparison(a, b, *values, warnings=(Notice("W-FEW", {}, sentence),))

    own = warned("x", "y", "A has none")
    assert cautions((), [own])[0].sentence == "A has none (A is x, B is y)"
    both = cautions((), [own, warned("x", "z", "A has none")])[0].sentence
    assert both == "A has none (2 pairs of models; in the first A is x, B is y)"
    many = cautions((), [own, *(warned("y", "z", f"sentence {i}") for i in range(3))])
    assert [one.sentence for one in many] == [
        "A has none (A is x, B is y); 3 more like it are shown with the comparisons"
    ]


def test_what_too_few_prompts_cannot_test_is_said_once_for_all_pairs() -> None:
    few = (Notice("W-FEW", {"prompts": 6, "differing": 0}), Notice("W-FEW", {"prompts": 6, "differing": 3}))
    values = ("all", "all", 0.0, None, None, 1.0, 1.0, None, 6)
    found = cautions(
        (),
        [
            Comparison(a, b, Column(ref, "", "higher"), *values, warnings=(notice,))
            for (a, b), notice in zip((("x", "y"), ("x", "z")), few, strict=True)
            for ref in ("one@1", "two@1")
        ]
        + [Comparison("x", "y", Column("three@1", "", "higher"), *values, warnings=few[:1])],
    )
    assert [(one.code, one.metrics) for one in found] == [("W-FEW", ("one@1", "two@1")), ("W-FEW", ("three@1",))]
    assert "x against y: 0 of 6 differ" in found[0].sentence and "2 pairs" in found[0].sentence
    assert "pairs" not in found[1].sentence


def test_nothing_claims_that_models_are_equal(pages: list[Page], report_folder: Path) -> None:
    scripts = [path.read_text() for path in (report_folder / "static").glob("*.js")]
    for text in (*scripts, *(one.text for one in pages)):
        assert not re.search(r"no (significant )?difference|are equal|the same quality", text, re.IGNORECASE)


def test_pages_are_written_again_over_themselves(report_content: tuple[ReportContext, Path], tmp_path: Path) -> None:
    content, _ = report_content
    write_pages(content, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_pages(content, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_run_with_next_to_nothing(report_content: tuple[ReportContext, Path], tmp_path: Path) -> None:
    content, _ = report_content
    bare = replace(
        content,
        models=content.models[:1],
        columns=(),
        cells=(),
        ranks={},
        comparisons=(),
        clips=(),
        cautions=(),
        failures=(),
        published=(),
        methods=(),
        survey=None,
        doses=(),
    )
    write_pages(bare, tmp_path)
    assert not (tmp_path / "survey.html").exists()
    found = [Page(path) for path in tmp_path.rglob("*.html")]
    assert "1 model on 6 prompts." in page(found, "index.html").text
    compare = page(found, "compare.html")
    assert "A comparison needs two models, and this run has one." in compare.text
    assert not compare.all("select")
    write_pages(replace(bare, prompts=content.prompts[:1]), tmp_path)
    first = Page(tmp_path / "index.html").text
    assert "1 model on 1 prompt." in first
    assert "all 1" not in first


def test_the_first_page_of_many_models_stays_light(report_content: tuple[ReportContext, Path], tmp_path: Path) -> None:
    content, _ = report_content
    models = tuple(replace(content.models[0], label=f"model-{n}") for n in range(24))
    columns = tuple(Column(f"a-metric-of-ours-{n}@1", "%", "higher") for n in range(12))
    pairs = [
        Comparison(a.label, b.label, column, "all", "all", 5.0, 4.0, 6.0, 0.001, 0.01, None, 12)
        for a, b in combinations(models, 2)
        for column in columns
    ]
    write_pages(replace(content, models=models, columns=columns, comparisons=tuple(pairs), clips=()), tmp_path)
    first = Page(tmp_path / "index.html")
    assert measure_report(tmp_path).first_page < 1_000_000
    told = first.text.count("is better than")
    assert told == MOST_SHOWN + MOST_FOLDED
    assert f"{len(pairs) // 12 - told} pairs more" in " ".join(first.text.split())


def test_a_thousand_prompts_make_a_list_of_one_file(report_content: tuple[ReportContext, Path], tmp_path: Path) -> None:
    content, _ = report_content
    prompts = tuple(
        Prompt(f"p-{i}", f"prompt number {i} " + "of many words " * 12, "jazz", 1 + i % 5) for i in range(1000)
    )
    write_pages(replace(content, prompts=prompts, clips=()), tmp_path)
    assert (tmp_path / "prompts.html").stat().st_size < 1_000_000
    assert len(list((tmp_path / "prompts").iterdir())) == 1000


def test_without_jinja(
    monkeypatch: pytest.MonkeyPatch, report_content: tuple[ReportContext, Path], tmp_path: Path
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingError, match=r"pip install 'tunebench\[report\]'"):
        write_pages(report_content[0], tmp_path)


def test_json_has_nothing_that_html_or_javascript_could_take_for_its_own() -> None:
    hostile = "</script><!-- & \u2028 \u2029 '\""
    written = as_json({"a": hostile})
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"a": hostile}
    with pytest.raises(ValueError, match="JSON"):
        as_json(float("nan"))


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(-1.25, 1, "−1.2"), (-0.04, 1, "0.0"), (None, 1, "–"), (3.0, 2, "3.00")]
)
def test_numbers(value: float | None, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


def test_spreads_and_decimals() -> None:
    assert spread(10, 8, 12, 1) == "± 2.0"
    assert spread(10, 8, 15, 1) == "[8.0, 15.0]"
    assert spread(10, None, None, 1) == ""
    assert decimals_for_intervals([(0.2, 0.24)]) == 3
    assert decimals_for_intervals([(10, 40)]) == 1
    assert decimals_for_intervals([]) == 1


def test_places_are_linear_and_within_their_margins() -> None:
    place = places([10.0, None, 30.0])
    assert [place(value) for value in (10.0, 20.0, 30.0, None)] == [5.0, 50.0, 95.0, None]
    assert places([4.0])(4.0) == 50.0


def test_an_outline_is_as_high_as_the_waveform() -> None:
    path = outline([0.0, 0.5, 1.0], 1.0)
    heights = [int(y) for y in re.findall(r"V([0-9]+)h1", path)]
    assert heights == [49, 25, 2]
    assert outline([], 0.0) == ""


@pytest.mark.parametrize(
    ("seeds", "taken"),
    [
        ({"a": [0, 7], "b": [0, 7]}, {"a": ["0", "7"], "b": ["0", "7"]}),
        ({"a": [0, 7], "b": [7]}, {"a": ["0", "7"], "b": ["7"]}),
        ({"a": [511], "b": [77], "c": [0]}, {"a": ["1"], "b": ["1"], "c": ["1"]}),
        ({"a": [0, 1], "b": [40, 12, 900]}, {"a": ["1", "2"], "b": ["2", "1", "3"]}),
    ],
)
def test_clips_with_other_seeds_are_heard_side_by_side(
    seeds: dict[str, list[int]], taken: dict[str, list[str]]
) -> None:
    clips = [ClipEntry(f"{m}{s}", m, "p", s, None, {}) for m, own in seeds.items() for s in own]
    found = dict(zip([clip.id for clip in clips], takes(clips), strict=True))
    assert {m: [found[f"{m}{s}"] for s in own] for m, own in seeds.items()} == taken
    rows = shown_clips(clips, [])
    assert [int(row.take) for row in rows] == sorted(int(row.take) for row in rows)
    assert {row.entry.id: row.take for row in rows} == found
    assert takes([]) == []
