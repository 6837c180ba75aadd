"""The page on statistics: its examples give what they show, and its figures stand where it says."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
_FILE = re.compile(r"`((?:bench|tests)/[\w/]+\.py)`")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _rows(heading: str) -> list[list[str]]:
    """The rows of the first table whose header begins with that cell, without header and rule."""
    table = PAGE[PAGE.index(f"\n| {heading} |") + 1 :].partition("\n\n")[0]
    return [_cells(line) for line in table.splitlines()[2:]]


def _numbers(text: str) -> set[float]:
    """All numbers of a text, as they stand and as percentages."""
    found = {float(number) for number in re.findall(r"\d*\.?\d+", text)}
    return found | {round(number / 100, 6) for number in found}


def _shares(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"(?<![\d.])\.\d+", text)]


def test_examples_give_what_they_show() -> None:
    blocks = code_blocks(PAGE, "pycon")
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        test = doctest.DocTestParser().get_doctest(block, {}, f"block {number}", "docs/statistics.md", 0)
        assert doctest.DocTestRunner().run(test).failed == 0


MEASURED = _rows("procedure")


@pytest.mark.parametrize("row", MEASURED, ids=[f"{row[0]}: {row[1]}" for row in MEASURED])
def test_a_figure_stands_in_the_file_that_its_row_names(row: list[str]) -> None:
    *_, size, coverage, source = row
    if "](simulations/" in size:
        assert (ROOT / "docs" / "simulations" / "survey-designs.md").is_file()
    else:
        files = _FILE.findall(source) or ["docs/design/surveys.md"]
        there = _numbers("\n".join((ROOT / file).read_text(encoding="utf-8") for file in files))
        assert _shares(size + coverage), row
        assert set(_shares(size + coverage)) <= there


def test_rates_of_customary_tests_are_those_of_their_test() -> None:
    text = (ROOT / "tests" / "bench" / "stats" / "test_customary.py").read_text(encoding="utf-8")
    rows = _rows("test")
    assert len(rows) == 5
    for name, *rates in rows:
        assert f'"{name}"' in text
        assert {float(rate) for rate in rates} <= _numbers(text)


def test_files_modules_and_targets_exist() -> None:
    for file in _FILE.findall(PAGE):
        assert (ROOT / file).is_file(), file
    for module in re.findall(r"`((?:bench|metrics)\.[a-z_.]+)`", PAGE):
        import_module(module)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)`", PAGE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_codes_stand_in_the_page_of_warnings() -> None:
    warnings = (ROOT / "docs" / "warnings.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in warnings for code in re.findall(r"`(W-[A-Z]+)`", PAGE))
