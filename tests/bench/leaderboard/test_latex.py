"""The LaTeX table: balanced, escaped, and bold only where the tests say so. Read back by a parser of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.leaderboard.latex import escaped, latex_table
from bench.leaderboard.ranks import RankRange
from bench.printable import printable
from bench.scores.aggregate import Cell, Column
from bench.scores.protocol import Protocol, ShownMetric, make_protocol

HOSTILE = r"""[*] \input{/etc/passwd} & 50 % #1 $x_1^2$ ~<b>|"a"--''b'' {"""
MARKS = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"}
PRINTED = {**MARKS, "textbar": "|", **{mark: mark for mark in "&%$#_{}"}}
MATH = {"-": "−", r"\pm": "±", r"\leq": "≤", r"\geq": "≥", r"\times": "×", r"\alpha": "α", r"\sigma": "σ"}


def printed(source: str) -> str:
    """What TeX would print of escaped text: macros expanded, braces gone; anything it does not know is a mistake."""
    out, place, depth = [], 0, 0
    token = re.compile(r"\\([A-Za-z]+|[^A-Za-z])(?:\{\})?|\$([^$]*)\$|\{''\}|([{}])|(.)", re.DOTALL)
    while place < len(source):
        found = token.match(source, place)
        assert found
        macro, math, brace, other = found.groups()
        if macro is not None:
            out.append(PRINTED[macro])
        elif math is not None:
            out.append(MATH[math])
        elif brace is not None:
            depth += 1 if brace == "{" else -1
            assert depth >= 0
        elif other is not None:
            assert other not in "&%$#_~^", source
            assert depth or other not in "[*", source
            out.append(other)
        else:
            out.append('"')
        place = found.end()
    assert depth == 0
    return "".join(out)


@given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\\{}[]*&%$#_~^<>|\"'`-,?!−±× \n"))))
def test_escaped_text_prints_as_it_is(text: str) -> None:
    visible = printable(" ".join(text.split()))
    source = escaped(text)
    assert printed(source) == visible
    assert not re.search(r"--|''(?!\})|``|,,|[?!]`", source)


def rows_of(table: str) -> list[list[str]]:
    """The cells of the tabular: split at & and \\\\ outside of braces, rules dropped."""
    body = re.search(r"\\begin\{tabular\}\{l+r*\}\n(.*)\\end\{tabular\}", table, re.DOTALL)
    assert body
    rows: list[list[str]] = []
    cells: list[str] = []
    cell, depth, place = "", 0, 0
    text = re.sub(r"\\(toprule|midrule|bottomrule)\n", "", body[1])
    while place < len(text):
        two, one = text[place : place + 2], text[place]
        if two == r"\\" and depth == 0:
            rows.append([*cells, cell.strip()])
            cells, cell, place = [], "", place + 2
            assert not re.match(r"\s*[\[*]", text[place:]), "read as an option of the line's end"
        elif one == "\\":
            cell, place = cell + two, place + 2
        elif one == "&" and depth == 0:
            cells, cell, place = [*cells, cell.strip()], "", place + 1
        else:
            depth += {"{": 1, "}": -1}.get(one, 0)
            assert depth >= 0
            cell, place = cell + one, place + 1
    assert depth == 0 and not cell.strip()
    return rows


def balanced(source: str) -> bool:
    bare = re.sub(r"\\[\\{}$]", "", source)
    return bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0


def cell(model: str, ref: str, estimate: Estimate, direction: Direction = "higher", group: str = "all") -> Cell:
    return Cell(model, Column(ref, "%", direction), group, estimate, 12, 50.0 if ref == "a@1" else None, None)


def protocol(name: str = "genres@1") -> Protocol:
    prompts = [Prompt(f"p{i}", "text", "jazz") for i in range(12)]
    return make_protocol(name, 20.0, prompts, [ShownMetric("a@1", "x"), ShownMetric("b_%@1", "y")])


def board(models: tuple[str, str] = ("base", "tuned"), groups: tuple[str, ...] = ("all",)) -> list[Cell]:
    low, high = (
        Estimate(10.0, 8.0, 12.0, 12),
        Estimate(-20.0, -21.0, 2.0, 10, None, (Notice("W-ODD", {}, "5 % are odd"),)),
    )
    none = Estimate(None, None, None, 0, "no clip has a value")
    return [
        one
        for group in groups
        for one in (
            cell(models[0], "a@1", low, group=group),
            cell(models[0], "b_%@1", high, "lower", group),
            cell(models[1], "a@1", high, group=group),
            cell(models[1], "b_%@1", none, "lower", group),
        )
    ]


FIRST = {("base", "a@1"): RankRange(1, 1), ("tuned", "a@1"): RankRange(2, 2), ("base", "b_%@1"): RankRange(1, 1)}


def test_table_has_a_row_a_model_and_says_what_it_is() -> None:
    table = latex_table(board(), FIRST, protocol())
    assert rows_of(table) == [
        ["Model", r"\shortstack[r]{a@1\\(\% $\uparrow$)}", r"\shortstack[r]{b\_\%@1\\(\% $\downarrow$)}"],
        ["base", r"$\mathbf{10.0} \pm 2.0$", r"$-20.0\;[-21.0, 2.0]$ (10/12)"],
        ["tuned", r"$-20.0\;[-21.0, 2.0]$ (10/12)", "-- (0/12)"],
        ["chance", "$50.0$", ""],
    ]
    assert balanced(table)
    caption = re.search(r"\\caption\{(.*)\}\n\\label", table)
    assert caption
    said = printed(caption[1])
    for part in (
        "n = 12 prompts",
        "95 % intervals",
        "excludes 0",
        f"Protocol {protocol().id}: genres@1, 20 s",
        "W-ODD: 5 % are odd",
    ):
        assert part in said
    assert re.findall(r"\\usepackage\{(\w+)\}", table) == ["booktabs"]


@pytest.mark.parametrize(
    ("ranks", "bold"),
    [
        (FIRST, ["10.0"]),
        ({("base", "a@1"): RankRange(1, 2, ("tuned",)), ("tuned", "a@1"): RankRange(1, 2, ("base",))}, []),
        ({("base", "a@1"): RankRange(2, 2), ("tuned", "a@1"): RankRange(1, 1)}, ["-20.0"]),
        ({("base", "a@1"): RankRange(1, 1)}, []),  # the only one that has a value
        ({}, []),
    ],
)
def test_bold_is_who_is_better_than_every_other(ranks: dict[tuple[str, str], RankRange], bold: list[str]) -> None:
    assert re.findall(r"\\mathbf\{([^}]*)\}", latex_table(board(), ranks, protocol())) == bold


def test_numbers_have_the_decimals_of_their_column_and_powers_are_powers() -> None:
    def column(ref: str, value: float, half: float) -> Cell:
        return cell("m", ref, Estimate(value, value - half, value + half, 12))

    cells = [column("c@1", 0.3123, 0.0213), column("d@1", 1e99, 1e98), column("e@1", -1.5e-9, 1.1e-10)]
    assert rows_of(latex_table(cells, {}, protocol()))[1] == [
        "m",
        r"$0.312 \pm 0.021$",
        r"$1 \times 10^{99} \pm 1 \times 10^{98}$",
        r"$-1.5 \times 10^{-9} \pm 1.1 \times 10^{-10}$",
    ]


def test_groups_have_a_column_of_their_own_and_nothing_bold() -> None:
    table = latex_table(board(groups=("all", "jazz")), FIRST, protocol(), "genre")
    rows = rows_of(table)
    assert [row[0] for row in rows] == ["Genre", *["all"] * 3, *["jazz"] * 3]
    assert {len(row) for row in rows} == {4}
    assert not any("mathbf" in cell for row in rows[4:] for cell in row)
    assert table.count(r"\midrule") == 2


def test_hostile_labels_genres_and_suites_stay_text() -> None:
    table = latex_table(board((HOSTILE, f"{HOSTILE}!"), ("all", HOSTILE)), {}, protocol(HOSTILE), "genre")
    rows = rows_of(table)
    assert {len(row) for row in rows} == {4}
    assert {printed(row[1]) for row in rows[1:]} == {HOSTILE, f"{HOSTILE}!", "chance"}
    assert printed(rows[-1][0]) == HOSTILE
    assert balanced(table)
    assert "\\input" not in table


def test_many_columns_span_the_page() -> None:
    cells = [cell("m", f"x{i}@1", Estimate(1.0, None, None, 12)) for i in range(6)]
    table = latex_table(cells, {}, protocol())
    assert table.count("{table*}") == 2
    assert rows_of(table)[1] == ["m", *["$1.0$"] * 6]
