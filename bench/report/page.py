"""The pages of a report: static files that open from disk or any web server, and load nothing external."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError
from bench.leaderboard.grid import ARROWS
from bench.number_format import first_few
from bench.printable import printable
from bench.report.compare_page import pairs
from bench.report.context import ReportContext
from bench.report.distributions import Values, outlying, prompt_means, spreads
from bench.report.findings import MOST_FOLDED, Finding, find, split
from bench.report.leaderboard_page import DIRECTIONS, PromptGroup, bands, groups, leading, legend, told, unrankable
from bench.report.loudness import RULE
from bench.report.number_format import unit_heading
from bench.report.prompt_page import by_prompt, shown_clips, with_decimals
from bench.report.side_by_side import ProtocolTable
from bench.storage.failures import failure_lines

if TYPE_CHECKING:
    from jinja2 import Environment

    from bench.leaderboard.published import PublishedRow

HERE = Path(__file__).parent
MOST_NAMED = 6  # pairs of models named in the label of the folded ones
MOST_FAILURES = 100  # lines on a page; provenance.json has all
# Blobs are in-memory copies of the folder's audio, for web servers without range requests.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
# JSON allows escapes for every character, which hide it from HTML and JavaScript.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def write_pages(content: ReportContext, out: Path) -> None:
    """Write the pages, their scripts and their data into an existing folder, which has media and downloads already.

    Raises:
        MissingError: Jinja is not installed.
    """
    environment = _environment()
    shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True)
    board, means = groups(content), prompt_means(content)
    for name, data in _data(content, board, means):
        _write(out / "data" / f"{name}.js", f"tunebench.receive({as_json(name)}, {as_json(data)});\n")
    for name, template, context in _pages(content, board, means, environment):
        root = "../" * name.count("/")
        html = environment.get_template(template).render(content=content, root=root, page=name, **context)
        _write(out / name, html)


def write_side_by_side(tables: Sequence[ProtocolTable], out: Path) -> None:
    """Write the page of several runs and its scripts into an existing folder.

    Raises:
        MissingError: Jinja is not installed.
    """
    environment = _environment()
    shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True, ignore=shutil.ignore_patterns("vendor"))
    shown = [
        {
            **vars(table),
            "findings": find(table.content.comparisons, table.content.columns, table.content.cells),
            "board": groups(table.content)[0],
            "bands": bands(table.content.columns),
            "infos": {info.ref: info for info in table.content.infos},
        }
        for table in tables
    ]
    runs = sum(len(table.runs) for table in tables)
    template = environment.get_template("side_by_side.html")
    _write(out / "index.html", template.render(tables=shown, runs=runs, root="", page="index.html"))


def as_json(value: Any) -> str:
    """Return compact JSON that is safe inside a ``<script>`` element and as JavaScript."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise MissingError("a report needs Jinja: pip install 'tunebench[report]'") from error
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # but not Markup, which is trusted
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda value: Markup(as_json(value))
    environment.filters["readable"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)
    environment.globals.update(
        policy=POLICY, arrows=ARROWS, directions=DIRECTIONS, unit_heading=unit_heading, told=told
    )
    environment.globals["loudness"] = f"Matched in loudness: {RULE}."
    return environment


def _pages(
    content: ReportContext, board: list[PromptGroup], means: Values, environment: Environment
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield file, template and the template's variables besides the content, for each page."""
    columns = [{"ref": c.ref, "unit": c.unit, "direction": c.direction} for c in content.columns]
    infos = {info.ref: info for info in content.infos}
    yield "index.html", "index.html", {"columns": columns, "infos": infos, **_first_page(content, board)}
    compared = [name for name, _ in pairs(content)]
    counts = Counter((clip.model, clip.prompt) for clip in content.clips)
    seeds = [max((n for (m, _), n in counts.items() if m == model.label), default=0) for model in content.models]
    yield "compare.html", "compare.html", {"columns": columns, "compared": compared, "seeds": seeds, "infos": infos}
    yield "metrics.html", "metrics.html", {"sections": list(_metric_sections(content, means)), "infos": infos}
    if content.survey:
        yield "survey.html", "survey.html", {}
    yield "about.html", "about.html", {"failures": failure_lines(content.failures, MOST_FAILURES)}
    clips = by_prompt(content)
    scored = with_decimals(content)
    made = {prompt: sum(clip.media is not None for clip in own) for prompt, own in clips.items()}
    of_clips = [(place, column) for place, column in enumerate(content.columns) if not column.of_sets]
    metrics = [columns[place] for place, _ in of_clips]
    listing = {"clips": clips, "made": made, "scored": of_clips, "metrics": metrics}
    yield "prompts.html", "prompts.html", listing
    head = environment.get_template("macros.html").module.head  # type: ignore[attr-defined]
    heads = {column.ref: head(column) for column, _ in scored}  # once, not for each score
    for place, prompt in enumerate(content.prompts, 1):
        rows = shown_clips(clips[prompt.id], scored)
        choices = list(dict.fromkeys(row.take for row in rows))
        by_seed = all(row.take == str(row.entry.seed) for row in rows)
        context = {"prompt": prompt, "place": place, "rows": rows, "takes": choices, "by_seed": by_seed, "heads": heads}
        yield f"prompts/{place}.html", "prompt.html", context


def _first_page(content: ReportContext, board: list[PromptGroup]) -> dict[str, Any]:
    findings = find(content.comparisons, content.columns, content.cells)
    opened, folded = split(findings, content.models[0].label if content.models else "")
    return {
        "findings": findings,
        "opened": opened,
        "folded": folded[:MOST_FOLDED],
        "more": len(folded) - MOST_FOLDED,
        "board": board,
        "bands": bands(content.columns),
        "legend": legend(content, board[0]),
        "unrankable": unrankable(content),
        "folded_names": _pair_names(folded),
        "leading": leading(content),
        "published": _published(content),
    }


def _pair_names(findings: Sequence[Finding]) -> str:
    """Return the folded pairs, at most the first few."""
    return ", ".join(first_few([f"{one.a} and {one.b}" for one in findings], MOST_NAMED))


def _data(content: ReportContext, board: list[PromptGroup], means: Values) -> Iterator[tuple[str, Any]]:
    """Yield the name and content of each file that a page loads on demand."""
    for group in board[1:]:
        yield f"groups/{group.name}", group.record()
    for name, records in pairs(content):
        yield f"compare/{name}", records
    prompts = len(content.prompts)
    for place, column in enumerate(content.columns):
        if not column.of_sets:
            values = [means.get((column.ref, model.label), [None] * prompts) for model in content.models]
            yield f"metrics/{place}", values
    for place, responses in enumerate(_doses(content).values()):
        yield f"doses/{place}", responses


def _metric_sections(content: ReportContext, means: Values) -> Iterator[dict[str, Any]]:
    """Yield the sections of the run's metrics, then of metrics that were only tried on degraded music."""
    doses = _doses(content)
    dosed: dict[str, dict[str, Any]] = {
        ref: {"doses": records, "dose_file": place} for place, (ref, records) in enumerate(doses.items())
    }
    nothing: dict[str, Any] = {"doses": [], "dose_file": None}
    for place, column in enumerate(content.columns):
        spread = [] if column.of_sets else spreads(content, column, means)
        note = "" if spread else "No clip has a value."
        if column.of_sets:
            note = "One value for all clips of a model: there is no distribution behind it."
        tried = dosed.pop(column.ref, nothing)
        far = outlying(content, column, means) if spread else []
        own = {"ref": column.ref, "column": column, "place": place, "spreads": spread, "note": note, "outlying": far}
        yield {**own, **tried}
    for ref, tried in dosed.items():
        yield {"ref": ref, "column": None, "place": None, "spreads": [], "note": "", "outlying": [], **tried}


def _doses(content: ReportContext) -> dict[str, list[Mapping[str, Any]]]:
    """Return the records of dose and response by metric."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in content.doses:
        found.setdefault(str(record["metric"]), []).append(record)
    return found


def _published(content: ReportContext) -> list[tuple[dict[str, str], list[PublishedRow]]]:
    """Published rows by paper and protocol, so that neither is repeated in every row."""
    found: dict[tuple[str, str, str], list[PublishedRow]] = {}
    for row in content.published:
        found.setdefault((row.source, row.second_hand, row.protocol), []).append(row)
    return [({"paper": key[0], "second_hand": key[1], "protocol": key[2]}, rows) for key, rows in found.items()]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
