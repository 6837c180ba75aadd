"""The pages on metrics: one order of sections, and versions, units, parameters and figures that are the code's."""

from __future__ import annotations

import ast
import csv
import inspect
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.contracts.plugins import installed, load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "metrics"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
METRICS = sorted(name for name, plugin in installed("metric").items() if plugin.target.startswith("metrics."))
ORDER = [
    "What it measures",
    "Definition",
    "Scale",
    "Parameters",
    "What it cannot tell",
    "Response to damage",
    "Agreement",
    "Source",
    "Code",
]
BETTER = {"higher": "higher", "lower": "lower", "none": "–"}
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_NUMBER = re.compile(r"`(\d[\d.]*(?:e-?\d+)?)`")


def _section(page: str, title: str) -> str:
    return PAGES[page].partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip()


def _rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table whose header begins with that cell, without header and rule."""
    table = text[text.index(f"| {heading} |") :].partition("\n\n")[0].partition("\n<!--")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def _source(file: str, test: str) -> str:
    """The lines of a test with its decorators, or of the whole file without a test's name."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if not test:
        return text
    (found,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == test)
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : found.end_lineno])


SCALES = {name: (page, row) for page in PAGES for row in _rows(_section(page, "Scale"), "metric") for name in row[:1]}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_its_sections_in_order(page: str) -> None:
    assert re.findall(r"^## (.+)$", PAGES[page], re.MULTILINE) == ORDER
    assert all(_section(page, title) for title in ORDER)
    assert _section(page, "What it measures").count("\n\n") == 0
    assert "```text\n" in _section(page, "Definition")
    scale = _section(page, "Scale")
    assert "- **Needs**: " in scale and ("- **Chance**: " in scale or "- **Equal music**: " in scale)


def test_every_metric_has_one_page_and_every_row_a_metric() -> None:
    named = Counter(row[0] for page in PAGES for row in _rows(_section(page, "Scale"), "metric"))
    assert set(named.values()) == {1}
    assert sorted(name.strip("`").partition("@")[0] for name in named) == METRICS


@pytest.mark.parametrize("name", METRICS)
def test_version_unit_direction_and_range_are_those_of_the_code(name: str) -> None:
    metric: Any = load(installed("metric")[name])
    page, (_, unit, better, scale) = SCALES[f"`{name}@{metric.version}`"]
    assert (unit, better) == (metric.unit or "–", BETTER[metric.direction])
    if bounds := getattr(metric, "bounds", None):
        assert scale == "{:g}–{:g}".format(*bounds)
    module = installed("metric")[name].target.partition(":")[0]
    assert module in _names(_section(page, "Code"))


@pytest.mark.parametrize("name", METRICS)
def test_parameters_and_defaults_are_those_of_the_code(name: str) -> None:
    metric: Any = load(installed("metric")[name])
    signature = inspect.signature(metric)
    wanted = {parameter.name: parameter.default for parameter in signature.parameters.values()}
    page = SCALES[f"`{name}@{metric.version}`"][0]
    found = {}
    for metrics, parameter, default, _ in _rows(_section(page, "Parameters"), "metric"):
        if name in _names(metrics) and parameter != "–":
            required = default == "required"
            found[parameter.strip("`")] = inspect.Parameter.empty if required else yaml.safe_load(default.strip("`"))
    # A tuple is written as the list that a configuration holds.
    assert found == {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}


def test_parameters_are_of_metrics_on_the_same_page() -> None:
    for page in PAGES:
        own = {name.strip("`").partition("@")[0] for name, (place, _) in SCALES.items() if place == page}
        named = {name for row in _rows(_section(page, "Parameters"), "metric") for name in _names(row[0])}
        assert named == own, page


AGREEMENTS = [
    pytest.param(item, id=f"{page}-{number}")
    for page in PAGES
    for number, item in enumerate(re.split(r"^- ", _section(page, "Agreement"), flags=re.MULTILINE)[1:])
]


@pytest.mark.parametrize("item", AGREEMENTS)
def test_a_tolerance_stands_in_the_test_that_it_names(item: str) -> None:
    tests = _TEST.findall(item)
    assert tests
    numbers = set(re.findall(r"[\d.]+(?:e-?\d+)?", "\n".join(_source(*test) for test in tests).replace("_", "")))
    assert set(_NUMBER.findall(item)) <= numbers


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_linked_files_exist(page: str) -> None:
    for module in re.findall(r"`(metrics(?:\.\w+)+)`", PAGES[page]):
        import_module(module)
    for file in re.findall(r"`(metrics/[\w/]+\.py)`", PAGES[page]):
        assert (ROOT / file).is_file(), file
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGES[page]):
        assert (FOLDER / link).is_file(), link


def _responses() -> dict[str, list[dict[str, str]]]:
    with (FOLDER / "figures" / "responses.csv").open(encoding="utf-8") as file:
        rows: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(file):
            rows.setdefault(row["metric"], []).append(row)
    return rows


RESPONSES = _responses()


@pytest.mark.parametrize("page", [page for page in PAGES if "written by make figures" in PAGES[page]])
def test_the_table_of_responses_is_that_of_the_data(page: str) -> None:
    text = _section(page, "Response to damage")
    names = [name.strip("` ") for name in text[text.index("| metric |") :].partition("\n")[0].split("|")[3:-1]]
    for metric, _, *cells in _rows(text, "metric"):
        assert metric in SCALES  # measured in the version that the code has
        for damage, cell in zip(names, cells, strict=True):
            rows = [row for row in RESPONSES[metric.strip("`")] if row["damage"] == damage]
            (seen,) = {(row["detected"], row["better"]) for row in rows}
            assert cell == (f"{seen[0]}{' +' if seen[1] == '1' else ''}" if seen[0] else "·")
    figure = FOLDER / "figures" / f"{page}.png"
    assert f"](figures/{figure.name})" in text and figure.stat().st_size < 60_000


def test_figures_are_small_together() -> None:
    assert sum(file.stat().st_size for file in (FOLDER / "figures").iterdir() if file.is_file()) < 700_000


def test_the_overview_and_the_site_lead_to_every_page() -> None:
    overview = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"](metrics/{page}.md)" in overview and f"metrics/{page}.md" in site
    for name, (page, _) in SCALES.items():
        if page != "command":
            assert any(f"[{name}](metrics/{page}.md)" in line for line in overview.splitlines()), name
